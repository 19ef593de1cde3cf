// jwt-validation, from the visitor to the app: the tokens that pass, the headers that the app gets, and the cost of a
// flood for the issuer.

import assert from 'node:assert/strict'
import { createHmac, randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { after, before, beforeEach, describe, it } from 'node:test'

import { SignJWT, decodeJwt, exportJWK, generateKeyPair } from 'jose'

import { ask } from '../support/ask.ts'
import { RawClient } from '../support/raw-client.ts'
import { acceptWebSocket, webSocketRequest } from '../support/raw-web-socket.ts'
import { httpApp, startStack, type Stack } from '../support/stack.ts'
import { TokenIssuer } from '../support/identity-provider/token-issuer.ts'

const SHARED_SECRET = 'a secret that both of them have known since long ago'

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const now = (): number => Math.floor(Date.now() / 1000)

function hmacToken(key: string | Buffer, claims: object, alg = 'HS256'): string {
  const text = `${part({ alg, typ: 'JWT', kid: 'first' })}.${part(claims)}`
  return `${text}.${createHmac(alg.replace('HS', 'sha'), key).update(text).digest('base64url')}`
}

describe('jwt-validation', { timeout: 60_000 }, () => {
  let stack: Stack
  let issuer: TokenIssuer
  let other: TokenIssuer
  let seen: IncomingHttpHeaders[] = []

  before(async () => {
    issuer = await TokenIssuer.start()
    other = await TokenIssuer.start()
    const app = httpApp((request, response) => {
      seen.push(request.headers)
      if (request.url !== '/events') return response.end('the app')
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      return response.write(': open\n\n')
    })
    app.on('upgrade', (request, socket) => {
      seen.push(request.headers)
      acceptWebSocket(request, socket)
    })
    const edge = (name: string, config: object, type = 'jwt-validation'): string =>
      `- ${JSON.stringify({
        id: `edg_${name}`,
        hosts: [`${name}.localhost`],
        backend: { labels: { edge: 'edg_app' } },
        policy: { on_http_request: [{ actions: [{ type, config }] }] },
      })}`
    const audience = { allow_list: [{ value: 'api://docs' }] }
    const both = { allow_list: [{ value: issuer.url }, { value: other.url }] }
    const mine = { allow_list: [{ value: issuer.url }] }
    const inHeader = { tokens: [{ method: 'header', name: 'X-Token' }] }
    const inCookie = { tokens: [{ method: 'cookie', name: 'jwt' }] }
    const either = [inHeader, inCookie].map((http) => ({
      type: 'jwt-validation',
      config: { issuer: mine, audience, http, forward_credentials: false },
    }))
    stack = await startStack({
      app,
      edges: [
        edge('app', { issuer: both, audience, clock_tolerance: '2s' }),
        edge('strict', { issuer: mine, audience, http: { tokens: [{ type: 'at+jwt' }] }, forward_credentials: false }),
        edge('places', { actions: either }, 'any-of'),
        edge('exact', { issuer: mine, audience, clock_tolerance: 0 }),
        edge('scope', {
          issuer: mine,
          audience,
          required_claims: [{ claim: 'scope', any_of: ['docs.read', 'docs.write'] }, { claim: 'tenant.id' }],
        }),
        edge('urls', {
          issuer: { allow_list: [{ value: 'acme.com' }] },
          audience,
          jws: { keys: { sources: { additional_jkus: [`${other.url}/nothing`, `${issuer.url}/jwks`] } } },
        }),
        edge('shared', {
          issuer: { allow_list: [{ value: 'acme.com' }] },
          audience,
          jws: { keys: { sources: { shared_secret: SHARED_SECRET } } },
        }),
        edge('flood', { issuer: mine, audience }),
        edge('cors', { issuer: mine, audience, allow_cors_preflight: true }),
        edge('down', { issuer: mine, audience }),
      ].join('\n'),
    })
  })
  after(async () => {
    await stack.close()
    issuer.close()
    other.close()
  })
  beforeEach(() => {
    seen = []
    issuer.isDown = false
  })

  const send = (token: string, host = 'app', headers: Record<string, string> = {}) =>
    ask(stack.port, { host: `${host}.localhost`, headers: { authorization: `Bearer ${token}`, ...headers } })

  async function refused(token: string, host = 'app', status = 401): Promise<string> {
    const answer = await send(token, host)
    assert.equal(answer.status, status, answer.body)
    assert.equal(answer.headers['content-type'], 'application/problem+json')
    assert.deepEqual(seen, [], 'nothing has reached the app')
    return String(answer.headers['www-authenticate'])
  }

  it('asks for a bearer token if there is none (RFC 6750 3)', async () => {
    for (const headers of [{}, { authorization: 'Basic YTpi' }, { authorization: 'Bearer' }]) {
      const answer = await ask(stack.port, { host: 'app.localhost', headers })
      assert.equal(answer.status, 401)
      assert.equal(answer.headers['www-authenticate'], 'Bearer realm="edg_app"', 'and names no error')
    }
    assert.deepEqual(seen, [])
  })

  it('lets in with a token of the issuer, found by discovery, and names the visitor to the app', async () => {
    const token = await issuer.token({
      name: 'Nightly\r\nX-Injected: yes',
      email: 'job@example.com',
      email_verified: true,
      groups: ['staff'],
    })
    const answer = await send(token, 'app', { 'sallyport-auth-user-id': 'root', sallyport_auth_user_email: 'root@x' })
    assert.equal(answer.status, 200, answer.body)
    const [headers] = seen
    assert.equal(headers?.authorization, `Bearer ${token}`, 'the app may read it, too')
    assert.equal(headers?.['sallyport-auth-user-id'], 'job-1')
    assert.equal(headers?.['sallyport-auth-user-email'], 'job@example.com')
    assert.equal(headers?.['sallyport-auth-user-groups'], 'staff')
    assert.equal(headers?.['sallyport-auth-user-name'], 'Nightly%0D%0AX-Injected: yes', 'attack 14')
    assert.equal(headers?.['x-injected'], undefined)
    const claims = decodeJwt(String(headers?.['sallyport-auth-jwt']))
    assert.deepEqual([claims.sub, claims.idp, claims.aud], ['job-1', issuer.url, 'edg_app'])
  })

  it('attack 23: an address that the issuer does not call verified is not told to the app', async () => {
    for (const email_verified of [false, undefined]) {
      assert.equal((await send(await issuer.token({ email: 'ada@example.com', email_verified }))).status, 200)
    }
    for (const headers of seen) assert.equal(headers['sallyport-auth-user-email'], undefined)
  })

  it('signs the identity of a token once for many requests', async () => {
    const token = await issuer.token({ sub: 'job-once' })
    for (let round = 0; round < 3; round++) assert.equal((await send(token)).status, 200)
    assert.equal(new Set(seen.map((headers) => headers['sallyport-auth-jwt'])).size, 1)
  })

  it('refuses tokens that are forged, expired, too early, incomplete or for others', async () => {
    const good = await issuer.token()
    const [head = '', , signature = ''] = good.split('.')
    const claims = { ...decodeJwt(good), sub: 'root' }
    const publicJwk = issuer.jwks.keys[0]!
    const own = await generateKeyPair('ES256', { extractable: true })
    const ownJwk = { ...(await exportJWK(own.publicKey)), kid: 'first', alg: 'ES256' }
    const withHeader = (header: object): Promise<string> =>
      new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: 'first', ...header }).sign(own.privateKey)
    const bad: Record<string, string> = {
      'no token': 'abc',
      'claims exchanged': `${head}.${part(claims)}.${signature}`,
      'no signature': `${head}.${part(claims)}.`,
      'attack 21: alg none': `${part({ alg: 'none', typ: 'JWT' })}.${part(claims)}.`,
      'attack 21: HS256 by the public key': hmacToken(JSON.stringify(publicJwk), claims),
      'attack 21: HS256 by nothing': hmacToken('', claims),
      'attack 21: ES256 with a signature of zeros': `${head}.${part(claims)}.${Buffer.alloc(64).toString('base64url')}`,
      'attack 21: the key of the other issuer of the list': await other.token({ iss: issuer.url }),
      'a key that the token brings with it': await withHeader({ jwk: ownJwk }),
      'a key that the token says where to find': await withHeader({
        jku: `${other.url}/keys-of-the-token`,
        x5u: `${other.url}/keys-of-the-token`,
      }),
      'issuer with a slash': await issuer.token({ iss: `${issuer.url}/` }),
      'issuer of nobody': await issuer.token({ iss: 'https://evil.example' }),
      'no issuer': await issuer.token({ iss: undefined }),
      'audience of another app': await issuer.token({ aud: 'api://other' }),
      'audience that begins alike': await issuer.token({ aud: ['api://docs2', 'api://doc'] }),
      'no audience': await issuer.token({ aud: undefined }),
      'no subject': await issuer.token({ sub: undefined }),
      'an empty subject': await issuer.token({ sub: '' }),
      'no end': await issuer.token({ exp: undefined }),
      'an end that is text': await issuer.token({ exp: '9999999999' }),
      'not valid yet': await issuer.token({ nbf: now() + 60 }),
      'a token for somebody else behind the good one': `${good}, Bearer ${good}`,
      'a very long one': `${head}.${part({ ...claims, x: 'y'.repeat(20_000) })}.${signature}`,
    }
    for (const [what, token] of Object.entries(bad)) {
      const challenge = await refused(token)
      assert.equal(challenge, 'Bearer realm="edg_app", error="invalid_token"', what)
    }
    assert.ok(!other.asked.includes('/keys-of-the-token'))
    const expired = await refused(await issuer.token({ exp: now() - 10 }))
    assert.match(expired, /error="invalid_token", error_description="the token has expired"/)
    assert.equal((await send(await issuer.token({ aud: ['x', 'api://docs'] }))).status, 200)
    assert.equal((await send(await other.token())).status, 200)
  })

  it('allows for clocks as far apart as configured', async () => {
    const token = await issuer.token({ exp: now() - 1 })
    await refused(token, 'exact')
    assert.equal((await send(token)).status, 200)
  })

  it('attack 27: a token of another kind is refused', async () => {
    for (const typ of ['logout+jwt', 'dpop+jwt', 'secevent+jwt', 'application/id+jwt']) {
      await refused(await issuer.token({}, { typ }))
    }
    await refused(await issuer.token({}, { typ: 'JWT' }), 'strict')
    await refused(await issuer.token(), 'strict')
    // A token that the relay signs for apps is no token for the relay.
    assert.equal((await send(await issuer.token({}, { typ: 'application/at+jwt' }))).status, 200)
    const identityJwt = String(seen[0]?.['sallyport-auth-jwt'])
    seen = []
    await refused(identityJwt)
    assert.equal((await send(await issuer.token({}, { typ: 'at+JWT' }), 'strict')).status, 200)
    assert.equal(seen[0]?.authorization, undefined, 'and this route keeps it from the app')
  })

  it('finds tokens in other headers and cookies; a cookie does not excuse a foreign page (attack 32)', async () => {
    const host = 'places.localhost'
    const token = await issuer.token()
    assert.equal((await ask(stack.port, { host, headers: { 'x-token': token } })).status, 200)
    assert.equal(seen[0]?.['x-token'], undefined)
    assert.equal((await ask(stack.port, { host, headers: { cookie: `a=b; jwt=${token}` } })).status, 200)
    seen = []
    await refused(token, 'places')
    // S5: nobody knows which of two cookies the app would read, and after a space there is no cookie.
    for (const cookie of [`jwt=${token}; jwt=${token}`, `jwt=x; jwt=${token}`, `x=y jwt=${token}`]) {
      assert.equal((await ask(stack.port, { host, headers: { cookie } })).status, 401, cookie)
      assert.deepEqual(seen, [])
    }
    const upgrade = async (origin: string): Promise<string> => {
      const client = new RawClient(stack.port)
      client.write(webSocketRequest(host, [`Cookie: jwt=${token}`, `Origin: ${origin}`]))
      const text = await client.until(/^HTTP\/1\.1 \d+/)
      client.close()
      return text
    }
    assert.match(await upgrade('https://evil.example'), /^HTTP\/1\.1 403/)
    assert.deepEqual(seen, [])
    assert.match(await upgrade(`http://${host}`), /^HTTP\/1\.1 101/)
  })

  it('lets only preflights pass without a token, if the route says so', async () => {
    const preflight = {
      origin: 'https://page.example',
      'access-control-request-method': 'GET',
      'access-control-request-headers': 'authorization',
      'sallyport-auth-user-id': 'root',
    }
    const options = (host: string, headers: Record<string, string>, method = 'OPTIONS') =>
      ask(stack.port, { host: `${host}.localhost`, method, headers })
    assert.equal((await options('app', preflight)).status, 401)
    assert.equal((await options('cors', { origin: preflight.origin })).status, 401)
    assert.equal((await options('cors', { ...preflight, authorization: 'Bearer abc' })).status, 401)
    assert.equal((await options('cors', preflight, 'GET')).status, 401)
    assert.deepEqual(seen, [])
    assert.equal((await options('cors', preflight)).status, 200)
    assert.equal(seen[0]?.['access-control-request-headers'], 'authorization')
    assert.equal(seen[0]?.['sallyport-auth-user-id'], undefined)
    assert.equal((await send(await issuer.token(), 'cors')).status, 200)
  })

  it('requires the claims that the route names, and names a missing scope', async () => {
    const tenant = { id: 7 }
    assert.equal((await send(await issuer.token({ scope: 'mail docs.write', tenant }), 'scope')).status, 200)
    assert.equal((await send(await issuer.token({ scope: ['docs.read'], tenant }), 'scope')).status, 200)
    seen = []
    for (const scope of ['docs', 'docs.reader', 'xdocs.read', '', undefined]) {
      const challenge = await refused(await issuer.token({ scope, tenant }), 'scope', 403)
      assert.equal(challenge, 'Bearer realm="edg_scope", error="insufficient_scope", scope="docs.read docs.write"')
    }
    const challenge = await refused(await issuer.token({ scope: 'docs.read' }), 'scope', 403)
    assert.equal(challenge, 'Bearer realm="edg_scope", error="insufficient_scope"')
  })

  it('takes keys from URLs, even if one of them has none', async () => {
    assert.equal((await send(await issuer.token({ iss: 'acme.com' }), 'urls')).status, 200)
    seen = []
    await refused(await issuer.token(), 'urls')
  })

  it('takes only a shared secret if one is configured', async () => {
    const claims = { iss: 'acme.com', aud: 'api://docs', sub: 'job', exp: now() + 60 }
    assert.equal((await send(hmacToken(SHARED_SECRET, claims), 'shared')).status, 200)
    seen = []
    await refused(hmacToken(SHARED_SECRET, claims, 'HS512'), 'shared')
    await refused(hmacToken(`${SHARED_SECRET} `, claims), 'shared')
    await refused(await issuer.token({ iss: 'acme.com' }), 'shared')
  })

  it('keeps a flood of unknown key ids from the issuer', async () => {
    await send(await issuer.token(), 'flood')
    const before = issuer.asked.length
    seen = []
    const tokens = await Promise.all(
      Array.from({ length: 100 }, () => issuer.token({}, { kid: randomBytes(8).toString('hex') })),
    )
    const answers = await Promise.all(tokens.map((token) => send(token, 'flood')))
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [401])
    assert.deepEqual(seen, [])
    // The keys were fetched a moment ago; key-set.test.ts tests later fetches.
    assert.deepEqual(issuer.asked.slice(before), [])
  })

  it('blames an issuer that was never reached, not the token', async () => {
    issuer.isDown = true
    const answer = await send(await issuer.token(), 'down')
    assert.equal(answer.status, 502)
    assert.equal(answer.headers['sallyport-error-code'], 'ERR_PROVIDER_UNREACHABLE')
    assert.deepEqual(seen, [])
  })

  it('attack 33: exchanges with a token end when the token does', async () => {
    const authorization = `Bearer ${await issuer.token({ exp: now() + 1 })}`
    const socket = new RawClient(stack.port)
    socket.write(webSocketRequest('app.localhost', [`Authorization: ${authorization}`]))
    const events = new RawClient(stack.port)
    events.write(`GET /events HTTP/1.1\r\nHost: app.localhost\r\nAuthorization: ${authorization}\r\n\r\n`)
    await Promise.all([socket.until(/^HTTP\/1\.1 101/), events.until(/: open/)])
    await Promise.all([socket.untilOver(), events.untilOver()])
    socket.close()
    events.close()
  })

  it('attack 44: no token is in any log line', () => {
    const log = stack.log.join('\n')
    assert.ok(log.includes('ERR_CREDENTIALS_REFUSED'))
    assert.doesNotMatch(log, /eyJ[\w-]+\.eyJ|Bearer e/)
    assert.ok(!log.includes(SHARED_SECRET))
  })
})
