// Attacks by a provider, or by someone who answers in its place.

import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, beforeEach, describe, it } from 'node:test'

import { CompactEncrypt, SignJWT, UnsecuredJWT, exportSPKI, generateKeyPair, importJWK } from 'jose'

import { Browser } from '../../../../test/support/browser/browser.ts'
import type { OpenidConnectConfig } from '../policy/openid-connect/openid-connect-schema.ts'
import { redirectUri } from '../model/redirect-uri.ts'
import { configFor, startRelay, type Relay } from './harness.test-support.ts'
import { startHostileProvider, type Behaviour, type HostileProvider } from './hostile-provider.test-support.ts'

const SECRET = 'a client secret of some length, for HS256 too'

describe('a hostile provider', () => {
  let relay: Relay
  let provider: HostileProvider
  let edges = 0
  before(async () => {
    provider = await startHostileProvider()
  })
  after(() => provider.close())
  beforeEach(async () => {
    provider.behave = {}
    await relay?.close()
    relay = await startRelay()
  })
  after(() => relay.close())

  async function attempt(behave: Behaviour, config: Partial<OpenidConnectConfig> = {}) {
    provider.behave = behave
    const edge = relay.edge(`hostile${edges++}`, configFor(provider.issuer, config))
    const browser = new Browser()
    const page = await browser.open(`${edge.url}/wanted`)
    return { page, browser, edge, session: browser.cookie(edge.host, 'sallyport.') }
  }

  async function refusedPage(behave: Behaviour, status = 400, config: Partial<OpenidConnectConfig> = {}) {
    const { page, session, edge } = await attempt(behave, config)
    assert.equal(page.status, status, page.body)
    assert.equal(session, undefined, 'no session and no state is left')
    assert.deepEqual(relay.reached, [], 'nothing reached the app')
    assert.match(page.url, new RegExp(`^${edge.url}/.sallyport/oidc/callback`))
    return page
  }

  async function refused(...of: Parameters<typeof refusedPage>): Promise<void> {
    await refusedPage(...of)
  }

  it('is believed if everything is right', async () => {
    const { page } = await attempt({})
    assert.equal(page.status, 200)
    assert.equal(page.body, 'hello user-1')
  })

  const now = () => Math.floor(Date.now() / 1000)
  const badClaims: Record<string, Record<string, unknown>> = {
    'another issuer': { iss: 'https://evil.example' },
    'another audience': { aud: 'someone-else' },
    'several audiences without azp': { aud: ['relay', 'other'] },
    'several audiences and another azp': { aud: ['relay', 'other'], azp: 'other' },
    'another azp': { azp: 'other' },
    'another nonce': { nonce: 'x'.repeat(43) },
    'no nonce': { nonce: undefined },
    'a nonce that is null': { nonce: null },
    'an audience that is null': { aud: null },
    'an issuer that is null': { iss: null },
    'several audiences and an azp that is null': { aud: ['relay', 'other'], azp: null },
    'a sub that is null': { sub: null },
    'an exp in the past': { exp: now() - 200 },
    'an nbf in the future': { nbf: now() + 600 },
    'an empty sub': { sub: '' },
    'no sub': { sub: undefined },
    'a sub that is no text': { sub: 7 },
    'an overlong sub': { sub: 'x'.repeat(256) },
  }
  for (const [what, claims] of Object.entries(badClaims)) {
    it(`attack 21: an ID token with ${what} is refused`, () => refused({ idToken: () => provider.idToken(claims) }))
  }

  it('attack 21: an ID token with alg none is refused, listed or not', () =>
    refused({
      idToken: (nonce) =>
        new UnsecuredJWT({ nonce, sub: 'user-1' })
          .setIssuer(provider.issuer)
          .setAudience('relay')
          .setIssuedAt()
          .setExpirationTime('5m')
          .encode(),
    }))

  const hs256 = (nonce: string, key: Uint8Array) =>
    new SignJWT({ nonce, sub: 'user-1', email: 'a@b.c', name: 'A' })
      .setProtectedHeader({ alg: 'HS256' })
      .setIssuer(provider.issuer)
      .setAudience('relay')
      .setIssuedAt()
      .setExpirationTime('5m')
      .sign(key)

  it('attack 21: HS256 made with the public key is refused', async () => {
    const pem = await exportSPKI((await importJWK(provider.publicJwk, 'RS256', { extractable: true })) as never)
    await refused({ idToken: (nonce) => hs256(nonce, Buffer.from(pem)) })
    await refused({ idToken: (nonce) => hs256(nonce, Buffer.from(JSON.stringify(provider.publicJwk))) })
  })

  it('attack 21: HS256 made with the client secret is refused if it is not configured', () =>
    refused({ idToken: (nonce) => hs256(nonce, Buffer.from(SECRET)) }))

  it('takes only HS256 if that is configured', async () => {
    const config = { id_token_alg: 'HS256' } as const
    const { page } = await attempt({ idToken: (nonce) => hs256(nonce, Buffer.from(SECRET)) }, config)
    assert.equal(page.status, 200)
    relay.reached.length = 0
    await refused({ idToken: (nonce) => hs256(nonce, Buffer.from(`${SECRET}x`)) }, 400, config)
    await refused({}, 400, config)
  })

  it('refuses HS256 without a secret when the edge is built', () => {
    const { client_secret: _none, ...config } = configFor(provider.issuer, { id_token_alg: 'HS256' })
    assert.throws(() => relay.signIn.signInsFor('edg_x').action(config), /client_secret/)
  })

  it('attack 21: takes clocks that are two minutes apart, and not five', async () => {
    for (const offset of [-120, 120]) {
      const claims = { iat: now() + offset, exp: now() + offset + 1, nbf: now() + offset }
      const { page } = await attempt({ idToken: () => provider.idToken(claims) })
      assert.equal(page.status, 200, `${offset} s: ${relay.logLines.at(-1)}`)
    }
    relay.reached.length = 0
    await refused({ idToken: () => provider.idToken({ iat: now() - 300, exp: now() - 299 }) })
    await refused({ idToken: () => provider.idToken({ nbf: now() + 300 }) })
    await refused({ idToken: () => provider.idToken({ iat: now() + 300, exp: now() + 600 }) })
    assert.match(relay.logLines.at(-1) ?? '', /issued (?:299|300) s in the future; set the clocks/)
  })

  it('must prove that it asked for the password again, if that was required', async () => {
    const config = { force_reauthentication: true }
    const at = (auth_time: unknown) => ({ idToken: () => provider.idToken({ auth_time }) })
    for (const auth_time of [now(), String(now())]) {
      const { page } = await attempt(at(auth_time), config)
      assert.equal(page.status, 200)
      relay.reached.length = 0
    }
    for (const auth_time of [now() - 60, String(now() - 60), now() - 86_400, undefined, 'now', '', [], null]) {
      await refused(at(auth_time), 400, config)
    }
    const aged = { authz_url_params: { max_age: '3600' } }
    assert.equal((await attempt(at(now() - 3000), aged)).page.status, 200)
    relay.reached.length = 0
    await refused(at(now() - 4000), 400, aged)
    await refused(at(undefined), 400, aged)
  })

  it('that encrypts ID tokens is told to turn it off', async () => {
    const { publicKey } = await generateKeyPair('ECDH-ES')
    const idToken = async (nonce: string) =>
      new CompactEncrypt(Buffer.from(await provider.idToken({ nonce })))
        .setProtectedHeader({ alg: 'ECDH-ES', enc: 'A256GCM', cty: 'JWT' })
        .encrypt(publicKey)
    await refused({ idToken })
    assert.match(relay.logLines.at(-1) ?? '', /ID token: it is encrypted; turn ID token encryption off for this client/)
  })

  it('attack 21: a signature of another key, a garbage one and none are refused', async () => {
    const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
    await refused({
      idToken: (nonce) =>
        new SignJWT({ nonce, sub: 'user-1' })
          .setProtectedHeader({ alg: 'RS256', kid: 'k1' })
          .setIssuer(provider.issuer)
          .setAudience('relay')
          .setIssuedAt()
          .setExpirationTime('5m')
          .sign(stranger),
    })
    await refused({ idToken: async () => (await provider.idToken()).replace(/\.[^.]+$/, `.${'A'.repeat(342)}`) })
    await refused({ idToken: async () => (await provider.idToken()).replace(/\.[^.]+$/, '.') })
    await refused({ idToken: () => provider.idToken({}, { kid: 'unknown' }) })
    // A key inside the token is not a key of the provider.
    const { kid: _kid, ...jwk } = provider.publicJwk
    await refused({ idToken: () => provider.idToken({}, { kid: 'mine', jwk }) })
  })

  it('attack 21: a token answer without an ID token, or with garbage, is refused', async () => {
    await refused({ idToken: () => undefined })
    await refused({ idToken: () => 'garbage' })
    await refused({ tokenAnswer: { status: 200, body: '{"access_token":1}' } })
    await refused({ tokenAnswer: { status: 200, body: 'not json' } })
    await refused({ tokenAnswer: { status: 400, body: '{"error":"invalid_grant"}' } })
  })

  it('attack 22: an answer that names a foreign issuer is refused', async () => {
    await refused({ back: (callback) => callback.searchParams.set('iss', 'https://evil.example') })
  })
  it('attack 22: an answer that names no issuer is refused if the provider promised one', () =>
    refused({ metadata: { authorization_response_iss_parameter_supported: true } }))

  it('attack 22: duplicated code, state, iss or error → 400, at the shared callback', async () => {
    for (const name of ['code', 'state', 'iss', 'error', 'error_description']) {
      const { page, session } = await attempt({
        back: (callback) => {
          callback.searchParams.append(name, callback.searchParams.get(name) ?? 'x')
          callback.searchParams.append(name, 'other')
        },
      })
      assert.equal(page.status, 400, name)
      assert.ok(page.url.startsWith(redirectUri(relay.publicUrl.origin, provider.issuer)), page.url)
      assert.ok(session?.name.includes('.state.'), 'no session')
      assert.deepEqual(relay.reached, [])
    }
  })

  it('attack 22: the message of a foreign issuer is not shown', async () => {
    const page = await refusedPage({
      back: (callback) => {
        callback.searchParams.set('iss', 'https://evil.example')
        callback.searchParams.set('error', 'access_denied')
        callback.searchParams.set('error_description', 'call this number')
      },
    })
    assert.ok(!page.body.includes('call this number'))
  })

  it('attack 20: a code is not even redeemed with the state cookie of another sign-in', async () => {
    const edge = relay.edge('swap', configFor(provider.issuer))
    const browser = new Browser()
    const begin = async () => {
      let visit = await browser.visit(edge.url)
      const { name, value } = [...browser.cookies.get(edge.host)!.values()].at(-1)!
      while (!visit.next?.includes('/.sallyport/')) visit = await browser.visit(visit.next!)
      return { name, value, handOver: visit.next }
    }
    const [first, second] = [await begin(), await begin()]
    provider.asked.length = 0
    const answer = await new Browser().visit(first.handOver, { headers: { cookie: `${first.name}=${second.value}` } })
    assert.equal(answer.status, 400)
    assert.ok(!provider.asked.includes('/token'))
    assert.deepEqual(relay.reached, [])
    // The pairs themselves are good.
    const good = await new Browser().visit(first.handOver, { headers: { cookie: `${first.name}=${first.value}` } })
    assert.equal(good.status, 400, 'its nonce and challenge were overwritten at this provider by the second')
    assert.ok(provider.asked.includes('/token'))
  })

  it('attack 25: script in error_description is shown as text, under a Content-Security-Policy', async () => {
    const page = await refusedPage({
      back: (callback) => {
        callback.searchParams.delete('code')
        callback.searchParams.set('error', 'access_denied')
        callback.searchParams.set('error_description', '<script>alert(1)</script><img src=x onerror=alert(1)>"\'')
      },
    })
    assert.ok(!page.body.includes('<script') && !page.body.includes('<img'))
    assert.ok(page.body.includes('&lt;script&gt;alert(1)&lt;/script&gt;'))
    assert.match(String(page.headers['content-security-policy']), /^default-src 'none'/)
    assert.equal(page.headers['sallyport-error-code'], 'ERR_SIGN_IN_FAILED')
    assert.match(page.body, /href="\/\.sallyport\/login\?auth_id=[0-9a-f]+&amp;return_to=%2Fwanted"/)
  })

  it('attack 29: an error of the provider wins over a code beside it', () =>
    refused({ back: (callback) => callback.searchParams.set('error', 'login_required') }))

  it('is asked for claims that the ID token lacks, and must mean the same subject', async () => {
    const metadata = { userinfo_endpoint: `${provider.issuer}/userinfo` }
    const idToken = () => provider.idToken({ email: undefined, groups: undefined })
    const ok = await attempt({
      metadata,
      idToken,
      userInfo: { sub: 'user-1', email: 'ada@example.com', email_verified: true, groups: ['staff'] },
    })
    assert.equal(ok.page.status, 200)
    assert.equal(relay.reached[0]?.identity?.email, 'ada@example.com')
    assert.deepEqual(relay.reached[0]?.identity?.groups, ['staff'])
    relay.reached.length = 0
    await refused({ metadata, idToken, userInfo: { sub: 'user-2', email: 'boss@example.com' } })
  })

  it('must send a deciding claim whole: a shortened list lets nobody around a denial', async () => {
    const deny = { deny: { groups: { claim: 'groups', any_of: ['banned'] } } }
    const elsewhere = { groups: undefined, _claim_names: { groups: 'src1' }, _claim_sources: { src1: {} } }
    const page = await refusedPage({ idToken: () => provider.idToken(elsewhere) }, 400, deny)
    assert.match(page.body, /more groups than this sign-in can carry/)
    assert.match(relay.logLines.join(''), /lists more in the claim groups/)
    const many = [...Array.from({ length: 500 }, (_, i) => `g${i}`), 'banned']
    await refused({ idToken: () => provider.idToken({ groups: many }) }, 400, deny)
    // If the claim decides nothing, it is only shortened.
    const { page: shown } = await attempt({ idToken: () => provider.idToken({ groups: many }) })
    assert.equal(shown.status, 200)
    assert.equal(relay.reached[0]?.identity?.groups.length, 500)
  })

  it('that fails half-way is called unreachable', async () => {
    await refused({ tokenAnswer: { status: 503, body: 'busy' } }, 502)
    await refused({ answer: { '/token': (response) => void response.destroy() } }, 502)
    await refused({
      answer: { '/token': (response) => void response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end() },
    })
    await refused({ answer: { '/token': (response) => void response.end('x'.repeat(2 * 1024 * 1024)) } }, 502)
  })
  const abyss = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
  const evil = '{"toString":1,"valueOf":1}' // no template can show it
  const sayings: Record<string, string> = {
    nothing: '',
    'half a word': '{"id_tok',
    'a number': '7',
    'a list': '[]',
    'what nests without end': abyss,
    'tokens that nest without end': `{"access_token":${abyss},"token_type":"Bearer","id_token":${abyss}}`,
    'tokens that no text can be made of': `{"access_token":${evil},"token_type":${evil},"id_token":${evil}}`,
    'a prototype': '{"__proto__":{"access_token":"at","id_token":"a.b.c"},"constructor":1}',
    'a token of three dots': '{"access_token":"at","token_type":"Bearer","id_token":"..."}',
    'a token with a header of garbage': '{"access_token":"at","token_type":"Bearer","id_token":"////.////.////"}',
    'an error that no text can be made of': `{"error":${evil},"error_description":${evil}}`,
    'a description that no text can be made of': `{"error":"invalid_grant","error_description":${evil}}`,
    'an error of half a megabyte': `{"error":"${'x'.repeat(500_000)}"}`,
  }
  const places = ['/.well-known/openid-configuration', '/jwks', '/token', '/userinfo']
  for (const path of places) {
    it(`S2: is refused or ignored without a fault of the relay, whatever it says at ${path}`, async () => {
      for (const [what, body] of Object.entries(sayings)) {
        for (const status of [200, 400, 401]) {
          const answer = (response: ServerResponse): void => {
            const challenge = `Bearer realm="${'a'.repeat(5000)}", error=, a=b, ${'x y,'.repeat(1000)}`
            response.writeHead(status, { 'content-type': 'application/json', 'www-authenticate': challenge }).end(body)
          }
          // Everybody is asked: no provider is known yet, and the token leaves the name out.
          const fresh = await startRelay()
          try {
            const metadata = { userinfo_endpoint: `${provider.issuer}/userinfo` }
            provider.behave = {
              metadata,
              answer: { [path]: answer },
              idToken: (nonce) => provider.idToken({ nonce, name: undefined }),
            }
            const edge = fresh.edge('odd', configFor(provider.issuer))
            const browser = new Browser()
            const page = await browser.open(`${edge.url}/wanted`)
            if (path === '/userinfo' && status !== 200) {
              // B7: it refuses, but the ID token has all deciding claims.
              assert.equal(page.status, 200, what)
              assert.deepEqual(
                fresh.reached.map(({ identity }) => [identity?.subject, identity?.name]),
                [['user-1', undefined]],
              )
              continue
            }
            assert.ok(page.status === 400 || page.status === 502, `${what} with ${status}: ${page.status}`)
            assert.equal(browser.cookie(edge.host, 'session'), undefined, what)
            assert.deepEqual(fresh.reached, [], what)
          } finally {
            await fresh.close()
          }
        }
      }
    })
  }

  it('with 50 MB of keys is cut off after a MiB of them, and signs nobody in', async () => {
    let sent = 0
    await refused(
      {
        answer: {
          '/jwks': (response) => {
            const more = () => {
              while (!response.destroyed && sent < 50e6 && response.write('{"kty":"RSA"},'.repeat(4096))) sent += 57_344
            }
            response.writeHead(200, { 'content-type': 'application/json' })
            response.write('{"keys":[')
            response.on('drain', more)
            more()
          },
        },
      },
      502,
    )
    assert.ok(sent < 50e6, `${sent} bytes`)
    assert.match(relay.logLines.at(-1) ?? '', /larger than 1048576 bytes/)
  })

  it('with other keys at each fetch is asked once in half a minute at most, for any sign-ins', async () => {
    let fetches = 0
    const answer = {
      '/jwks': (response: ServerResponse) => {
        fetches += 1
        response.end(JSON.stringify({ keys: [{ ...provider.publicJwk, kid: `k${fetches}` }] }))
      },
    }
    const edge = relay.edge('rotating', configFor(provider.issuer))
    for (let i = 0; i < 5; i++) {
      provider.behave = { answer, idToken: () => provider.idToken({}, { kid: `unknown${i}` }) }
      assert.equal((await new Browser().open(edge.url)).status, 400)
    }
    assert.equal(fetches, 1)
    assert.deepEqual(relay.reached, [])
  })

  it('that names the relay’s own admin listener, or redirects there, makes the relay ask nothing of it', async () => {
    let visits = 0
    const admin = createServer((_request, response) => {
      visits += 1
      response.end('{}')
    })
    admin.listen(0, '127.0.0.1')
    await once(admin, 'listening')
    const inside = `http://127.0.0.1:${(admin.address() as AddressInfo).port}` // listening on TCP
    try {
      await refused({ metadata: { token_endpoint: `${inside}/token` } }, 502)
      assert.match(relay.logLines.at(-1) ?? '', /an internal address/)
      await relay.close()
      relay = await startRelay()
      await refused({ metadata: { jwks_uri: `${inside}/jwks` } }, 502)
      for (const path of ['/token', '/jwks']) {
        await relay.close()
        relay = await startRelay()
        const redirect = (response: ServerResponse) => void response.writeHead(307, { location: inside }).end()
        const { page } = await attempt({ answer: { [path]: redirect } })
        assert.notEqual(page.status, 200, path)
      }
      assert.equal(visits, 0)
      assert.deepEqual(relay.reached, [])
    } finally {
      admin.close()
    }
  })

  it('without keys is called unreachable', async () => {
    await refused({ answer: { '/jwks': (response) => void response.writeHead(500).end() } }, 502)
  })

  for (const [status, error] of [
    [401, 'invalid_client'],
    [401, 'unauthorized_client'], // Keycloak 26, of a wrong client secret
    [403, 'unauthorized_client'], // Glewlwyd 2.7
  ] as const) {
    it(`real-providers 5: that refuses the client with ${status} ${error} is the operator’s business`, async () => {
      const { page } = await attempt({ tokenAnswer: { status, body: JSON.stringify({ error }) } })
      assert.equal(page.status, 400)
      assert.match(page.body, /The operator finds the reason in the relay’s log/)
      assert.match(relay.logLines.join(''), new RegExp(`the token endpoint refused with .*${error}`))
    })
  }

  it('attack 44: leaves no code, token, cookie or secret in the log', async () => {
    const { browser, edge } = await attempt({})
    await attempt({ idToken: () => provider.idToken({ nonce: 'other' }) })
    await attempt({ tokenAnswer: { status: 400, body: '{"error":"invalid_client"}' } })
    const log = relay.logLines.join('')
    assert.match(log, /sign-in failed/)
    const session = browser.cookie(edge.host, 'sallyport.')?.value ?? ''
    assert.ok(session.length > 20)
    for (const secret of ['code-1', SECRET, session, 'eyJ', '"at"']) assert.ok(!log.includes(secret), secret)
  })
})
