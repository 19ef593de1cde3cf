import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, describe, it } from 'node:test'

import { redirectUri } from '../../model/redirect-uri.ts'
import { configFor } from '../harness.test-support.ts'
import { startHostileProvider, type HostileProvider } from '../hostile-provider.test-support.ts'
import { checkProvider, type ProviderReport } from './check-provider.ts'
import { noticeOf } from './endpoint-check.ts'

const DISCOVERY = '/.well-known/openid-configuration'
const ORIGIN = 'http://relay.localhost:8080'
const SECRET = 'a client secret of some length, for HS256 too' // of configFor()
const GOOD = {
  code_challenge_methods_supported: ['S256', 'plain'],
  scopes_supported: ['openid', 'profile', 'email', 'groups'],
  grant_types_supported: ['authorization_code', 'refresh_token'],
  token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
}

const NOT_OURS = { secret: SECRET, status: 401, body: '{"error":"invalid_client"}' }

describe('checkProvider', () => {
  let provider: HostileProvider
  let now = 0
  const check = (more: Parameters<typeof configFor>[1] = {}, issuer = provider.issuer): Promise<ProviderReport> =>
    checkProvider({ config: configFor(issuer, more), publicOrigin: ORIGIN, timeoutMs: 500, clock: () => now })
  const json = (status: number, body: unknown) => (response: ServerResponse) =>
    void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))

  before(async () => {
    provider = await startHostileProvider()
  })
  after(() => provider.close())
  beforeEach(() => {
    now = Date.now()
    provider.asked.length = 0
    provider.behave = { metadata: GOOD, back: sendBackWith('login_required'), refusal: NOT_OURS }
  })

  it('names the back-channel logout URI if the provider supports it', async () => {
    assert.equal((await check()).backchannel_logout_uri, undefined)
    provider.behave = { metadata: { ...GOOD, backchannel_logout_supported: true } }
    assert.equal((await check()).backchannel_logout_uri, `${ORIGIN}/oidc/backchannel-logout`)
  })

  it('finds nothing wrong with a good provider, and shows the URIs to register there', async () => {
    const report = await check()
    assert.deepEqual(
      report.findings.filter(({ verdict }) => verdict === 'problem'),
      [],
    )
    assert.equal(report.ok, true)
    assert.equal(report.redirect_uri, redirectUri(ORIGIN, provider.issuer))
    assert.equal(report.post_logout_redirect_uri, undefined, 'it has no end_session_endpoint')
    assert.deepEqual(report.offers?.client_authentication, GOOD.token_endpoint_auth_methods_supported)
    said(report, 'fine', 'issuer', /to the letter/)
    said(report, 'fine', 'clock', /agrees/)
    said(report, 'fine', 'PKCE', /S256/)
    said(report, 'fine', 'client auth', /^client_secret_basic; also possible: client_secret_post$/)
    said(report, 'fine', 'keys', /1 of 1/)
    said(report, 'fine', 'credentials', /takes this client id and secret/)
    said(report, 'fine', 'redirect URI', /registered/)
    said(report, 'note', 'endpoints', /no userinfo endpoint/)
    said(report, 'note', 'endpoints', /no end_session_endpoint/)
    assert.equal(
      JSON.stringify(report).includes('client secret of some length'),
      false,
      'the secret is not in the report',
    )
  })

  it('names the other issuer and shows the difference', async () => {
    provider.behave.metadata = { ...GOOD, issuer: 'acme.com' } // FusionAuth by default
    const acme = await check()
    said(acme, 'problem', 'issuer', /calls itself "acme\.com", which is not a URL; set its issuer to http:\/\/127/)
    said(acme, 'fine', 'credentials', /takes/)
    provider.behave.metadata = { ...GOOD, issuer: `${provider.issuer}/tenant/` }
    const slash = `${provider.issuer}/tenant`
    provider.behave.answer = {
      [`/tenant${DISCOVERY}`]: json(200, { issuer: `${slash}/` }),
    }
    const report = await check({}, slash)
    const { details } = said(report, 'problem', 'issuer', /; set issuer_url to .*\/tenant\/$/)
    assert.deepEqual(details, [
      `issuer_url  ${slash}`,
      `provider    ${slash}/`,
      `            ${' '.repeat(slash.length)}^ the slash at the end`,
    ])
    provider.behave = { metadata: { issuer: `${provider.issuer}/` } }
    const same = await check()
    said(same, 'note', 'issuer', /for the relay this is the same/)
    provider.behave = { metadata: { issuer: 'http://login.example.com' } }
    said(await check(), 'problem', 'issuer', /without https; tell it its public address/)
    provider.behave = { metadata: { issuer: 'https://sts.windows.net/833ced3d/' } } // Entra ID, without its version
    said(await check(), 'problem', 'issuer', /its older version; set issuer_url to http:\/\/127\.0\.0\.1:\d+\/v2\.0$/)
    provider.behave = { metadata: { issuer: 7 } }
    said(await check(), 'problem', 'issuer', /does not name its issuer/)
  })

  it('sends the secret only to the provider that the issuer names', async () => {
    const other = await startHostileProvider()
    try {
      provider.behave.metadata = { issuer: other.issuer, token_endpoint: `${other.issuer}/token` }
      const report = await check()
      said(report, 'unchecked', 'credentials', /not tried, because the issuer is not right/)
      assert.deepEqual(other.asked, [])
    } finally {
      await other.close()
    }
  })

  it('finds the document beside the given place', async () => {
    const issuer = `${provider.issuer}/oauth2/default`
    provider.behave.answer = { [DISCOVERY]: notFound, [`/oauth2/default${DISCOVERY}`]: json(200, { issuer }) }
    said(await check(), 'problem', 'discovery', new RegExp(`\\(HTTP 404\\); set issuer_url to ${issuer}$`))
    const realm = `${provider.issuer}/realms/staff`
    provider.behave.answer = { [`/realms/staff${DISCOVERY}`]: json(200, { issuer: realm }) }
    for (const written of [
      '/realms/staff/account',
      '/auth/realms/staff',
      '/realms/staff/protocol/openid-connect/auth',
    ]) {
      const report = await check({}, provider.issuer + written)
      said(report, 'problem', 'discovery', new RegExp(`set issuer_url to ${realm}$`))
    }
    assert.ok(provider.asked.length <= 40, `${provider.asked.length} requests`)
  })

  it('says how issuers look if it finds none, and what came instead', async () => {
    provider.behave.answer = { [DISCOVERY]: notFound }
    const { details } = said(await check(), 'problem', 'discovery', /HTTP 404\); is the issuer right\?/)
    assert.match(details.join('\n'), /Keycloak +https:\/\/HOST\/realms\/REALM/)
    provider.behave.answer = { [DISCOVERY]: (response) => void response.end('<!doctype html><title>Console</title>') }
    said(await check(), 'problem', 'discovery', /is a web page, not JSON/)
    provider.behave.answer = { [DISCOVERY]: (response) => void response.end('[1]') }
    said(await check(), 'problem', 'discovery', /is not a JSON object/)
    provider.behave.answer = { [DISCOVERY]: (response) => void response.writeHead(403).end() }
    said(await check(), 'problem', 'discovery', /refused \(HTTP 403\), though it must be public; does a firewall/)
  })

  it('follows a redirect of the discovery document on the same origin once, as a sign-in does, and names it', async () => {
    const redirect = (location: string) => (response: ServerResponse) =>
      void response.writeHead(302, { location }).end()
    const issuer = `${provider.issuer}/tenant`
    const document = await (await fetch(`${provider.issuer}${DISCOVERY}`)).json()
    const moved = json(200, { ...(document as object), issuer })
    provider.behave.answer = { [`/tenant${DISCOVERY}`]: redirect('/moved'), '/moved': moved }
    const report = await check({}, issuer)
    said(
      report,
      'note',
      'discovery',
      /\/tenant\/\S+configuration redirects to http:\S+\/moved; the relay follows this redirect,/,
    )
    said(report, 'fine', 'issuer', /to the letter/)
    said(report, 'fine', 'credentials', /takes this client id and secret/)
    assert.equal(report.ok, true)

    provider.behave.answer = { [DISCOVERY]: redirect('/login?x'), '/login': notFound }
    said(await check(), 'problem', 'discovery', /no discovery document at http:\S+\/login\?x \(HTTP 404\)/)
    provider.behave.answer = { [DISCOVERY]: redirect('/once'), '/once': redirect('/twice'), '/twice': moved }
    said(
      await check(),
      'problem',
      'discovery',
      /\/once redirects to http:\S+\/twice, and the relay follows only one redirect, on the same/,
    )
    provider.behave.answer = {
      [DISCOVERY]: redirect('/moved'),
      '/moved': json(200, { issuer: 'https://evil.example' }),
    }
    said(await check(), 'problem', 'issuer', /calls itself https:\/\/evil\.example/)
  })

  it('follows a redirect to no other origin, and says what to write or to look for', async () => {
    const other = await startHostileProvider()
    try {
      const to = async (location: string): Promise<ProviderReport> => {
        provider.behave.answer = { [DISCOVERY]: (response) => void response.writeHead(302, { location }).end() }
        return check()
      }
      const moved = await to(`https://login.example.com/realms/staff${DISCOVERY}`)
      const { message, details } = said(moved, 'problem', 'discovery', /on the same origin; if that is your/)
      assert.match(message, /set issuer_url to https:\/\/login\.example\.com\/realms\/staff$/)
      assert.deepEqual(details, [])
      for (const location of [
        `${other.issuer}${DISCOVERY}`,
        'https://sso.example.com/login?back=x',
        provider.issuer.replace('//', '//ada:secret@'),
      ]) {
        const report = await to(location)
        said(
          report,
          'problem',
          'discovery',
          /redirects to .*; does something in front of the provider require a sign-in/,
        )
        assert.equal(JSON.stringify(report).includes('ada:secret'), false)
      }
      said(await to('http://'), 'problem', 'discovery', /redirects to nowhere/)
      assert.deepEqual(other.asked, [])
    } finally {
      await other.close()
    }
  })

  it('explains why it cannot ask', async () => {
    said(await check({}, 'http://127.0.0.1:1'), 'problem', 'discovery', /nothing listens at 127\.0\.0\.1:1/)
    said(await check({}, 'https://no-such-provider.invalid'), 'problem', 'discovery', /DNS/)
    const { port } = new URL(provider.issuer)
    said(await check({}, `https://127.0.0.1:${port}`), 'problem', 'discovery', /speaks no TLS/)
    provider.behave.answer = { [DISCOVERY]: () => {} }
    said(await check(), 'problem', 'discovery', /no answer within 0\.5 s/)
    provider.behave.answer = { [DISCOVERY]: (response) => void response.end('x'.repeat(1024 * 1024 + 1)) }
    said(await check(), 'problem', 'discovery', /larger than 1048576 bytes/)
    provider.behave.answer = { '/jwks': (response) => void response.end('x'.repeat(1024 * 1024 + 1)) }
    said(await check(), 'problem', 'keys', /larger than 1048576 bytes/)
  })

  it('finds missing features of the provider', async () => {
    const cases: [metadata: Record<string, unknown>, about: string, message: RegExp][] = [
      [{ code_challenge_methods_supported: ['plain'] }, 'PKCE', /supports plain but not S256/],
      [{ grant_types_supported: ['implicit'] }, 'grants', /offers implicit but not authorization_code/],
      [{ response_types_supported: ['id_token'] }, 'grants', /not authorization_code/],
      [
        { token_endpoint_auth_methods_supported: ['private_key_jwt'] },
        'client auth',
        /takes private_key_jwt, and the relay would send client_secret_post/,
      ],
      [{ id_token_signing_alg_values_supported: ['HS256'] }, 'ID tokens', /HS256\); .* write id_token_alg: HS256/],
      [
        { id_token_signing_alg_values_supported: [], id_token_encryption_alg_values_supported: ['RSA-OAEP'] },
        'ID tokens',
        /only encrypts/,
      ],
      [
        { id_token_signing_alg_values_supported: ['none'] },
        'ID tokens',
        /signs with none, none of which the relay takes/,
      ],
      [{ id_token_signing_alg_values_supported: ['ES256'] }, 'keys', /none of its keys \(RS256\) is for ES256/],
      [{ token_endpoint: 'http://evil.example/token' }, 'endpoints', /token_endpoint, http:\/\/evil.* is not an https/],
      [{ jwks_uri: undefined }, 'endpoints', /no jwks_uri/],
      // Malformed data of a provider must not end the check.
      [
        {
          token_endpoint_auth_methods_supported: { a: 1 },
          scopes_supported: 'openid',
          code_challenge_methods_supported: [1, null],
          id_token_signing_alg_values_supported: 'RS256',
        },
        'PKCE',
        /supports none/,
      ],
    ]
    for (const [metadata, about, message] of cases) {
      provider.behave.metadata = { ...GOOD, ...metadata }
      said(await check(), 'problem', about, message)
    }
  })

  it('compares the provider with the configuration', async () => {
    provider.behave.metadata = { ...GOOD, token_endpoint_auth_methods_supported: ['client_secret_post'] }
    said(
      await check({ client_authentication: 'client_secret_basic' }),
      'problem',
      'client auth',
      /does not take client_secret_basic; set client_authentication to client_secret_post, or/,
    )
    provider.behave.metadata = { ...GOOD, id_token_signing_alg_values_supported: ['RS256'] }
    said(await check({ id_token_alg: 'HS256' }), 'problem', 'ID tokens', /never with HS256; remove id_token_alg/)
    said(await check({ scopes: ['openid', 'hats'] }), 'note', 'scopes', /does not list hats/)
  })

  it('distinguishes a wrong clock from a cached answer', async () => {
    now = Date.now() + 5 * 60_000
    said(await check(), 'problem', 'clock', /5 minutes ahead of the provider's, so ID tokens would count as expired/)
    now = Date.now() - 3 * 60_000
    said(await check(), 'problem', 'clock', /3 minutes behind/)
    now = Date.now() + 5 * 60_000
    provider.behave.answer = {
      [DISCOVERY]: (response) => {
        response.setHeader('age', '300')
        json(200, { issuer: provider.issuer })(response)
      },
    }
    said(await check(), 'fine', 'clock', /agrees/)
  })

  it('real-providers 8: says so if the clock cannot be compared', async () => {
    provider.behave.answer = {
      [DISCOVERY]: (response) => {
        response.sendDate = false
        json(200, { issuer: provider.issuer })(response)
      },
    }
    said(
      await check(),
      'unchecked',
      'clock',
      /not compared, because the provider sends no Date.*more than 2 minutes apart, sign-ins fail/,
    )
  })

  it('real-providers 1: judges the secret by the provider’s answer to one that is surely wrong', async () => {
    const error = (code: string, status = 400, description?: string) => ({
      status,
      body: JSON.stringify({ error: code, ...(description !== undefined && { error_description: description }) }),
    })
    const secret = SECRET
    const keycloak = error('unauthorized_client', 401, 'Invalid client or Invalid client credentials')
    const glewlwyd = error('unauthorized_client', 403)
    type Told = { status: number; body: string }
    const cases: [make: string, right: Told, wrong: Told, secret: string, verdict: string, message: RegExp][] = [
      ['Keycloak', error('invalid_grant'), keycloak, secret, 'fine', /takes this client id and secret/],
      [
        'Keycloak, wrong secret',
        error('invalid_grant'),
        keycloak,
        'another',
        'problem',
        /does not accept this client id and secret \(unauthorized_client: Invalid client or Invalid client credentials\)/,
      ],
      [
        'Keycloak, public client',
        error('invalid_grant'),
        error('invalid_grant'),
        secret,
        'unchecked',
        /not known.*public client/,
      ],
      ['Glewlwyd', error('invalid_code', 403), glewlwyd, secret, 'fine', /takes this client id and secret/],
      [
        'Glewlwyd, wrong secret',
        error('invalid_code', 403),
        glewlwyd,
        'another',
        'problem',
        /does not accept this client id and secret \(unauthorized_client\)/,
      ],
      [
        'zitadel',
        error('invalid_grant'),
        error('invalid_grant'),
        'another',
        'unchecked',
        /not known.*checks the code first/,
      ],
      ['by the book', error('invalid_grant'), error('invalid_client', 401), secret, 'fine', /takes this client/],
      [
        'by the book, wrong secret',
        error('invalid_grant'),
        error('invalid_client', 401),
        'another',
        'problem',
        /does not accept this client id and secret \(invalid_client\)/,
      ],
      [
        'the grant is not allowed',
        error('unauthorized_client'),
        error('invalid_client', 401),
        secret,
        'problem',
        /may not use authorization codes/,
      ],
      [
        'the grant is not allowed, by 403',
        error('unauthorized_client', 403),
        { status: 401, body: '' },
        secret,
        'problem',
        /may not use authorization codes/,
      ],
      [
        'one answer for both mistakes',
        error('unauthorized_client'),
        error('unauthorized_client'),
        secret,
        'problem',
        /same to wrong credentials; copy them again, and check that client relay may use authorization codes/,
      ],
      [
        'silent to wrong secrets',
        error('invalid_grant'),
        { status: 503, body: '' },
        secret,
        'unchecked',
        /seems to take this client id and secret/,
      ],
      [
        'silent to wrong secrets, and no',
        error('unauthorized_client', 401),
        { status: 429, body: '' },
        secret,
        'problem',
        /copy id and secret again, or allow the client to use authorization codes/,
      ],
    ]
    for (const [make, right, wrong, held, verdict, message] of cases) {
      provider.behave.tokenAnswer = right
      provider.behave.refusal = { secret: held, ...wrong }
      provider.redeemed.length = 0
      const report = await check()
      assert.ok(
        report.findings.some(
          (each) => each.about === 'credentials' && each.verdict === verdict && message.test(each.message),
        ),
        `${make}: ${JSON.stringify(report.findings.filter(({ about }) => about === 'credentials'))}`,
      )
      assert.ok(provider.redeemed.length <= 4, `${make}: ${provider.redeemed.length} tries`)
    }
  })

  it('does not tell an agent that all is well if the secret could not be judged', async () => {
    assert.deepEqual(noticeOf(await check()), {
      level: 'info',
      text: `The relay finds nothing wrong with the sign-in at ${provider.issuer}`,
    })
    provider.behave.tokenAnswer = { status: 400, body: '{"error":"invalid_grant"}' }
    delete provider.behave.refusal
    const { level, text } = noticeOf(await check())
    assert.equal(level, 'info')
    assert.match(text, /nothing wrong .*; only a sign-in will show whether it accepts client id and secret$/)
  })

  it('distinguishes wrong credentials from answers that say nothing about them', async () => {
    const error = (code: string, status = 400) => ({ status, body: JSON.stringify({ error: code }) })
    const cases: [tokenAnswer: { status: number; body: string }, verdict: string, message: RegExp][] = [
      [error('invalid_client', 401), 'problem', /does not accept this client id and secret \(invalid_client\)/],
      [{ status: 401, body: '' }, 'problem', /does not accept .*\(HTTP 401\)/],
      [error('unsupported_grant_type'), 'problem', /may not use authorization codes/],
      [error('invalid_request'), 'unchecked', /made-up code with invalid_request, which shows nothing/],
      [{ status: 404, body: 'nothing' }, 'unchecked', /answered HTTP 404 without a reason/],
      [{ status: 200, body: '{"access_token":"a","token_type":"bearer"}' }, 'unchecked', /took a made-up code/],
      [{ status: 200, body: 'x' }, 'unchecked', /shows nothing/],
      [{ status: 503, body: 'busy' }, 'problem', /answered HTTP 503/],
    ]
    delete provider.behave.refusal
    for (const [tokenAnswer, verdict, message] of cases) {
      provider.behave.tokenAnswer = tokenAnswer
      said(await check(), verdict, 'credentials', message)
    }
  })

  it('real-providers 1: finds the way in which the provider takes the same secret', async () => {
    for (const [status, code] of [
      [401, 'invalid_client'],
      [403, 'unauthorized_client'],
    ] as const) {
      provider.behave.refusal = { secret: SECRET, by: 'post', status, body: JSON.stringify({ error: code }) }
      const report = await check({ client_authentication: 'client_secret_basic' })
      said(
        report,
        'problem',
        'credentials',
        /with client_secret_post only .*; set client_authentication: client_secret_post/,
      )
    }
  })

  it('real-providers 3: finds a post-logout URI that is not registered', async () => {
    const ours = `${ORIGIN}/oidc/signed-out`
    const asked: URL[] = []
    type End = (uri: string | null, response: ServerResponse) => void
    const to =
      (location: (uri: string | null) => string): End =>
      (uri, response) =>
        void response.writeHead(302, { location: location(uri) }).end()
    const status =
      (code: number): End =>
      (_uri, response) =>
        void response.writeHead(code).end()
    const where =
      (isRegistered: (uri: string) => boolean, known: End, unknown: End, bare: End): End =>
      (uri, response) =>
        (uri === null ? bare : isRegistered(uri) ? known : unknown)(uri, response)
    const back = to((uri) => `${uri}?state=x`)
    const errorPage = to(() => '/error')
    const cases: [make: string, end: End, verdict: string, message: RegExp][] = [
      ['Keycloak', where((uri) => uri === ours, back, status(400), status(200)), 'fine', /registered/],
      [
        'Keycloak, not registered',
        where(() => false, back, status(400), status(200)),
        'problem',
        /is not registered for client relay: .*stay signed in/,
      ],
      ['oidc-provider', where((uri) => uri === ours, status(200), status(400), status(200)), 'fine', /registered/],
      [
        'with an error page',
        where(
          (uri) => uri === ours,
          back,
          errorPage,
          to(() => '/bye'),
        ),
        'fine',
        /registered/,
      ],
      [
        'with an error page, not registered',
        where(
          () => false,
          back,
          errorPage,
          to(() => '/bye'),
        ),
        'problem',
        /is not registered/,
      ],
      // Registered or not: test/interop/hydra.test.ts has seen it.
      [
        'Hydra',
        where(
          () => false,
          back,
          to(() => '/error?error_description=post_logout_redirect_uri+is+set+but+id_token_hint+is+missing'),
          to(() => '/bye'),
        ),
        'unchecked',
        /without an ID token \(id_token_hint\), the provider accepts no such address/,
      ],
      [
        'wants a hint, on a page',
        where(
          () => false,
          back,
          (_uri, response) => void response.writeHead(400).end('The id_token_hint is missing.'),
          status(200),
        ),
        'unchecked',
        /without an ID token/,
      ],
      [
        'speaks of hints, and refuses what is not registered',
        where(
          (uri) => uri === ours,
          (_uri, response) => void response.end('<input type="hidden" name="id_token_hint">'),
          status(400),
          status(200),
        ),
        'fine',
        /refuses others/,
      ],
      ['wants an id_token_hint', status(400), 'unchecked', /shows nothing/],
      ['asks everybody first', to(() => '/logout?'), 'unchecked', /shows nothing/],
      [
        'takes others only',
        where((uri) => uri === ours, status(400), status(200), status(200)),
        'unchecked',
        /contradict/,
      ],
      ['down', status(503), 'unchecked', /not tried: .*HTTP 503/],
    ]
    for (const [make, end, verdict, message] of cases) {
      provider.behave.metadata = { ...GOOD, end_session_endpoint: `${provider.issuer}/end?tenant=1` }
      provider.behave.answer = {
        '/end': (response) => {
          const url = new URL(response.req.url ?? '', provider.issuer)
          asked.push(url)
          end(url.searchParams.get('post_logout_redirect_uri'), response)
        },
      }
      const report = await check()
      assert.equal(report.post_logout_redirect_uri, ours)
      const found = report.findings.filter(({ about }) => about === 'post-logout')
      assert.equal(found.length, 1)
      assert.ok(found[0]?.verdict === verdict && message.test(found[0].message), `${make}: ${JSON.stringify(found)}`)
    }
    for (const { searchParams } of asked) {
      assert.deepEqual([searchParams.get('tenant'), searchParams.get('client_id')], ['1', 'relay'])
    }
  })

  it('authenticates with a key, and says so if the key is unknown there or cannot be read', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sallyport-check-'))
    try {
      const file = join(folder, 'client.key')
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      await writeFile(file, privateKey.export({ type: 'pkcs8', format: 'pem' }))
      const { client_secret: _, ...config } = configFor(provider.issuer, { client_key: { file, audience: 'issuer' } })
      const checkKey = () => checkProvider({ config, publicOrigin: ORIGIN, timeoutMs: 500, clock: Date.now })
      provider.behave.metadata = { ...GOOD, token_endpoint_auth_methods_supported: ['private_key_jwt'] }
      // A signature alone does not show whether the key is right: the second try has the wrong one.
      let tries = 0
      provider.behave.answer = {
        '/token': (response) => {
          tries++
          json(tries === 1 ? 400 : 401, { error: tries === 1 ? 'invalid_grant' : 'invalid_client' })(response)
        },
      }
      said(await checkKey(), 'fine', 'credentials', /takes this client id and key/)
      assert.equal(tries, 2)
      provider.behave.answer = {}
      delete provider.behave.refusal
      said(await checkKey(), 'unchecked', 'credentials', /the same answer for a wrong key/)
      provider.behave.tokenAnswer = { status: 401, body: '{"error":"invalid_client"}' }
      said(await checkKey(), 'problem', 'credentials', /register its public half there; .*audience: token_endpoint/)
      await writeFile(file, 'not a key')
      said(await checkKey(), 'problem', 'client key', /client\.key cannot be used/)
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('finds a redirect URI that is not registered, and a sign-in that would be refused', async () => {
    provider.behave.answer = { '/authorize': (response) => void response.writeHead(400).end('no') }
    said(
      await check(),
      'problem',
      'redirect URI',
      /HTTP 400\), .*\/oidc\/callback\/127\.0\.0\.1-[0-9a-f]{20} is not registered for client relay/,
    )
    provider.behave = { metadata: GOOD, back: sendBackWith('invalid_scope') }
    said(await check(), 'problem', 'redirect URI', /would be refused with invalid_scope: because/)
    provider.behave.answer = { '/authorize': (response) => void response.writeHead(200).end('Sign in') }
    said(await check(), 'unchecked', 'redirect URI', /the first sign-in will show/)
  })

  it('shows no control characters', async () => {
    provider.behave.metadata = { ...GOOD, issuer: 'acme\u001b[2J\u202e.com', scopes_supported: ['\u001b]0;x\u0007'] }
    provider.behave.tokenAnswer = { status: 400, body: '{"error":"invalid_client","error_description":"\\u001b[1m"}' }
    const { findings } = await check()
    for (const { message, details } of findings) {
      // oxlint-disable-next-line no-control-regex -- the characters of this test
      assert.doesNotMatch([message, ...details].join(), /[\u0000-\u001f\u202e]/)
    }
  })

  it('checks a public client, and says if the provider wants a secret', async () => {
    provider.behave.tokenAnswer = { status: 401, body: '{"error":"invalid_client"}' }
    const { client_secret: _, ...withoutSecret } = configFor(provider.issuer)
    const report = await checkProvider({
      config: withoutSecret,
      publicOrigin: undefined,
      timeoutMs: 500,
      clock: Date.now,
    })
    said(report, 'note', 'client auth', /no client_secret, and it lists no public clients/)
    said(report, 'problem', 'credentials', /without a secret \(invalid_client\); set client_secret/)
    said(report, 'unchecked', 'redirect URI', /give the public_url with --config relay\.yml or --public-url/)
  })

  function sendBackWith(error: string): (callback: URL) => void {
    return ({ searchParams }) => {
      searchParams.delete('code')
      searchParams.set('error', error)
      searchParams.set('error_description', 'because')
    }
  }
})

function notFound(response: ServerResponse): void {
  response.writeHead(404, { 'content-type': 'text/html' }).end('<h1>Not found</h1>')
}

/** @returns the finding, which must be there */
function said({ findings, ok }: ProviderReport, verdict: string, about: string, message: RegExp) {
  const found = findings.find((each) => each.verdict === verdict && each.about === about && message.test(each.message))
  assert.ok(found, `no ${verdict} about ${about} like ${message}:\n${JSON.stringify(findings, undefined, 1)}`)
  if (verdict === 'problem') assert.equal(ok, false)
  return found
}
