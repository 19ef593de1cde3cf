// The visitor's identity, as the app gets it: only from the relay, never from the visitor, and verifiable.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingHttpHeaders, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'

import { Browser } from '../support/browser/browser.ts'
import { createRemoteJWKSet, customFetch, jwtVerify } from 'jose'

import { ADA, Processes } from '../support/processes.ts'
import { sendRaw } from '../support/raw-client.ts'
import { signIn } from '../support/sign-in.ts'

// Claims of people with malicious or ordinary names.
const MALLORY = {
  username: 'mallory',
  password: 'in the middle',
  claims: {
    sub: 'mallory\r\nSallyport-Auth-User-Email: ada@example.com',
    name: 'Grüße 日本\r\nX-Injected: yes\r\n\r\nGET /evil HTTP/1.1\0',
    email: 'mallory@example.com',
    email_verified: true,
    groups: ['a,b', 'c%d', 'naïve'],
  },
} as const

const FORGED = [
  'Sallyport-Auth-User-Id: root',
  'Sallyport-Request-Id: root',
  'sallyport-auth-user-email: root@example.com',
  'Sallyport_Auth_User_Email: root@example.com',
  'SALLYPORT-AUTH_USER-GROUPS: admins',
  'Sallyport-Auth-Jwt: e30.e30.e30',
  'sallyport_auth_jwt: e30.e30.e30',
  'Sallyport-Auth-Access-Token: forged',
  'sallyport_auth_access_token: forged',
  'Sallyport-Anything: at all',
  'X-Forwarded-For: 10.0.0.1',
  'X_Forwarded_Proto: https',
  'X-Forwarded-User: root',
  'Forwarded: for=10.0.0.1',
]

interface Seen {
  method: string
  url: string
  headers: IncomingHttpHeaders
  raw: string[]
}

describe('the identity of a visitor, at the app', { timeout: 60_000 }, () => {
  let processes: Processes
  let app: Server
  let seen: Seen[] = []

  before(async () => {
    app = createServer((request, response) => {
      const { method = '', url = '', headers, rawHeaders } = request
      seen.push({ method, url, headers, raw: rawHeaders })
      response.end('the app')
    })
    app.listen(0, '127.0.0.1')
    await once(app, 'listening')
    processes = await Processes.create()
    await processes.startProvider([ADA, MALLORY])
    const groups = {
      scopes: ['openid', 'profile', 'email', 'groups'],
      allow: { domains: ['example.com'], groups: { any_of: ['x'] } },
    }
    const backend = { labels: { edge: 'edg_open' } }
    const policyOf = (actions: object[]): object => ({ on_http_request: [{ actions }] })
    const person = (processes.signIn() as { on_http_request: [{ actions: [object] }] }).on_http_request[0].actions[0] // its format
    const addresses = (where: 'away' | 'here'): object => ({
      type: 'restrict-ips',
      config: { allow: [where === 'here' ? '127.0.0.0/8' : '192.0.2.0/24'] },
    })
    await processes.startRelay({
      edges: [
        { id: 'edg_app', hosts: ['app.localhost'], policy: processes.signIn(groups) },
        {
          id: 'edg_cors',
          hosts: ['cors.localhost'],
          policy: processes.signIn({
            allow_cors_preflight: true,
            authz_url_params: { max_age: '3600' },
            forward_access_token: true,
          }),
        },
        { id: 'edg_open', hosts: ['open.localhost'] },
        {
          id: 'edg_both',
          hosts: ['both.localhost'],
          routes: [
            ...(['away', 'here'] as const).flatMap((where) => [
              { path_prefix: `/${where}/address-first`, backend, policy: policyOf([addresses(where), person]) },
              { path_prefix: `/${where}/person-first`, backend, policy: policyOf([person, addresses(where)]) },
            ]),
            { path_prefix: '/', backend, policy: policyOf([person]) },
          ],
        },
      ],
    })
    const authtoken = await processes.createAuthtoken()
    const upstream = `http://127.0.0.1:${(app.address() as AddressInfo).port}` // it listens on a port
    for (const edge of ['edg_app', 'edg_cors', 'edg_open']) {
      await processes.startAgent({ authtoken, labels: [`edge=${edge}`], upstream, name: edge })
    }
  })
  after(async () => {
    await processes.close()
    app.close().closeAllConnections()
  })

  const url = (): string => `${processes.origin('app.localhost')}/`

  async function seenFor(browser: Browser): Promise<Seen> {
    seen = []
    assert.equal((await browser.fetch(url())).status, 200)
    return seen[0]!
  }

  it('attack 11: rules for addresses and for people on one route both apply, in either order', async () => {
    const origin = processes.origin('both.localhost')
    const [nobody, ada] = [new Browser(), await signIn(`${origin}/`)]
    seen = []
    for (const order of ['address-first', 'person-first']) {
      assert.equal((await nobody.fetch(`${origin}/here/${order}`)).status, 401, `the right address, nobody: ${order}`)
      assert.equal((await ada.fetch(`${origin}/away/${order}`)).status, 403, `signed in, the wrong address: ${order}`)
      assert.notEqual((await nobody.fetch(`${origin}/away/${order}`)).status, 200, `neither: ${order}`)
    }
    assert.deepEqual(seen, [])
    for (const order of ['address-first', 'person-first']) {
      assert.equal((await ada.fetch(`${origin}/here/${order}`)).status, 200, `both: ${order}`)
    }
    assert.equal(seen.length, 2)
  })

  it('attack 4: looking like a health check opens nothing', async () => {
    seen = []
    for (const agent of ['ELB-HealthChecker/2.0', 'GoogleHC/1.0', 'kube-probe/1.31', 'Ping/1.0']) {
      for (const path of ['', 'healthz', 'readyz', 'ping', 'metrics', '.well-known/jwks.json']) {
        const answer = await new Browser().fetch(`${url()}${path}`, { headers: { 'user-agent': agent } })
        assert.equal(answer.status, 401, `${agent} at /${path}`)
      }
    }
    assert.deepEqual(seen, [])
  })

  it('says in the token when the password was asked for, and passes on the access token if the route wants it', async () => {
    const before = Math.floor(Date.now() / 1000)
    const cors = `${processes.origin('cors.localhost')}/`
    const browser = await signIn(cors)
    seen = []
    await browser.fetch(cors)
    const [, payload = ''] = String(lastSeen().headers['sallyport-auth-jwt']).split('.')
    const { auth_time } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { auth_time: number } // ours
    assert.ok(auth_time >= before && auth_time <= Date.now() / 1000, String(auth_time))
    const token = String(lastSeen().headers['sallyport-auth-access-token'])
    const answer = await browser.fetch(`${processes.issuer}/me`, { headers: { authorization: `Bearer ${token}` } })
    assert.equal(answer.status, 200, 'the token of the provider works there')
  })

  it('comes in headers, and in a token that the keys of the relay verify', async () => {
    const { headers } = await seenFor(await signIn(url()))
    assert.equal(headers['sallyport-auth-user-id'], 'ada')
    assert.equal(headers['sallyport-auth-user-name'], 'Ada Lovelace')
    assert.equal(headers['sallyport-auth-user-email'], 'ada@example.com')
    assert.equal(headers['sallyport-auth-user-groups'], 'engineers')
    assert.equal(headers.cookie, undefined, 'the cookies of the relay stay there')

    const keys = createRemoteJWKSet(new URL(`${processes.publicUrl}/.well-known/jwks.json`), {
      // Node's own fetch does not resolve *.localhost.
      [customFetch]: async (address: string) => new Response((await new Browser().fetch(address)).body),
    })
    const token = String(headers['sallyport-auth-jwt'])
    const expected = { issuer: processes.publicUrl, algorithms: ['ES256'] }
    const { payload } = await jwtVerify(token, keys, { ...expected, audience: 'edg_app' })
    assert.equal(payload.sub, 'ada')
    assert.equal(payload.email, 'ada@example.com')
    assert.equal(payload.idp, processes.issuer)
    assert.deepEqual(payload.groups, ['engineers'])
    await assert.rejects(jwtVerify(token, keys, { ...expected, audience: 'edg_open' }), /aud/)
    const tampered = token.replace(/\.[^.]+\./, `.${Buffer.from('{"sub":"root"}').toString('base64url')}.`)
    await assert.rejects(jwtVerify(tampered, keys, expected), /signature/)
  })

  it('attack 14: claims with CR, LF, NUL or non-Latin-1 characters cannot inject anything', async () => {
    const { headers, raw } = await seenFor(await signIn(url(), MALLORY))
    assert.equal(
      headers['sallyport-auth-user-name'],
      'Gr%C3%BC%C3%9Fe %E6%97%A5%E6%9C%AC%0D%0AX-Injected: yes%0D%0A%0D%0AGET /evil HTTP/1.1%00',
    )
    assert.equal(decodeURIComponent(String(headers['sallyport-auth-user-name'])), MALLORY.claims.name)
    assert.equal(decodeURIComponent(String(headers['sallyport-auth-user-id'])), MALLORY.claims.sub)
    assert.equal(headers['sallyport-auth-user-email'], 'mallory@example.com')
    assert.equal(headers['sallyport-auth-user-groups'], 'a%2Cb,c%25d,na%C3%AFve')
    assert.equal(headers['x-injected'], undefined)
    assert.equal(raw.filter((name) => name.toLowerCase() === 'sallyport-auth-user-email').length, 1)
    assert.equal(seen.length, 1)
  })

  it('attacks 5 and 12: forged headers are refused without a session, and stripped with one, whatever the method', async () => {
    const cookie = (await signIn(url())).cookieHeader(url())
    for (const method of ['GET', 'OPTIONS', 'HEAD', 'POST', 'DELETE', 'PROPFIND']) {
      const head = [
        `${method} /forged HTTP/1.1`,
        'Host: app.localhost',
        'Connection: close',
        'Content-Length: 0',
        ...FORGED,
      ]
      seen = []
      const refused = await sendRaw(processes.port, `${head.join('\r\n')}\r\n\r\n`)
      assert.match(refused, /^HTTP\/1.1 401 /, method)
      assert.deepEqual(seen, [], `${method} without a session reaches no app`)

      const passed = await sendRaw(processes.port, `${head.join('\r\n')}\r\nCookie: ${cookie}\r\n\r\n`)
      assert.match(passed, /^HTTP\/1.1 200 /, method)
      const { headers } = assertStripped(lastSeen())
      assert.equal(headers['sallyport-auth-user-email'], 'ada@example.com')
    }
  })

  it('attack 5: a CORS preflight passes only if the route says so, stripped of forged headers', async () => {
    const ask = (method: string, more: string[], body = '') =>
      sendRaw(
        processes.port,
        `${[`${method} /api?x=1 HTTP/1.1`, 'Host: cors.localhost', 'Connection: close', ...FORGED, ...more].join('\r\n')}\r\n\r\n${body}`,
      )
    const cors = ['Origin: https://elsewhere.example', 'Access-Control-Request-Method: DELETE']
    seen = []
    assert.match(await ask('OPTIONS', cors), /^HTTP\/1.1 200 /)
    const { method, headers } = assertStripped(lastSeen())
    assert.equal(method, 'OPTIONS')
    assert.equal(headers['access-control-request-method'], 'DELETE')
    assert.deepEqual(
      Object.keys(headers).filter((name) => name.startsWith('sallyport')),
      ['sallyport-request-id'],
    )

    const cookie = (await signIn(`${processes.origin('cors.localhost')}/`)).cookieHeader(
      `${processes.origin('cors.localhost')}/`,
    )
    assert.match(await ask('OPTIONS', [...cors, `Cookie: ${cookie}`]), /^HTTP\/1.1 200 /)
    assert.equal(lastSeen().headers['sallyport-auth-user-id'], 'ada', 'with a session it is a request like any other')

    seen = []
    for (const [what, request] of Object.entries({
      'no origin': ask('OPTIONS', cors.slice(1)),
      'no method': ask('OPTIONS', cors.slice(0, 1)),
      'another method': ask('GET', cors),
      'a made-up method': ask('OPTIONS', [cors[0]!, 'Access-Control-Request-Method: a b']),
      'a body': ask('OPTIONS', [...cors, 'Content-Length: 1'], 'x'),
      'a body of unknown length': ask('OPTIONS', [...cors, 'Transfer-Encoding: chunked'], '0\r\n\r\n'),
      credentials: ask('OPTIONS', [...cors, 'Authorization: Bearer x']),
      'cookies of the app': ask('OPTIONS', [...cors, 'Cookie: session=1']),
      'another method inside': ask('OPTIONS', [...cors, 'X-HTTP-Method-Override: DELETE']),
      'an upgrade': ask('GET', [...cors, 'Upgrade: websocket', 'Connection: Upgrade']),
    })) {
      assert.match(await request, /^HTTP\/1.1 4\d\d /, what)
    }
    assert.deepEqual(seen, [], 'nothing of these reaches the app')
    assert.match(
      await sendRaw(
        processes.port,
        `OPTIONS / HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n${cors.join('\r\n')}\r\n\r\n`,
      ),
      /^HTTP\/1.1 401 /,
      'and only where the route says so',
    )
    assert.deepEqual(seen, [])
  })

  it('attack 13: forged headers are stripped on a route without sign-in, even if Connection names ours', async () => {
    const connection = 'Connection: close, Sallyport-Auth-User-Id, X-Forwarded-For, Host, X-Kept'
    const head = ['GET /open HTTP/1.1', 'Host: open.localhost', connection, 'X-Kept: no', 'X-Passed: yes', ...FORGED]
    seen = []
    assert.match(await sendRaw(processes.port, `${head.join('\r\n')}\r\n\r\n`), /^HTTP\/1.1 200 /)
    const { headers } = assertStripped(lastSeen())
    assert.deepEqual(
      Object.keys(headers).filter((name) => name.startsWith('sallyport')),
      ['sallyport-request-id'],
    )
    assert.equal(headers['x-forwarded-for'], '127.0.0.1')
    assert.equal(headers.host, `open.localhost:${processes.port}`, 'that of the origin')
    assert.equal(headers['x-passed'], 'yes')
    assert.equal(headers['x-kept'], undefined)
  })

  function lastSeen(): Seen {
    const one = seen.at(-1)
    assert.ok(one, 'the app has seen the request')
    return one
  }

  function assertStripped(one: Seen): Seen {
    const values = one.raw.filter((_, index) => index % 2 === 1)
    for (const forged of FORGED) {
      const [, value = ''] = /: (.*)$/.exec(forged) ?? []
      // The relay sets the scheme itself.
      if (value !== 'https') assert.equal(values.includes(value), false, `${forged} has reached the app`)
    }
    const names = one.raw.filter((_, index) => index % 2 === 0)
    assert.deepEqual(
      names.filter((name) => name.includes('_')),
      [],
    )
    assert.equal(one.headers['x-forwarded-proto'], 'http')
    return one
  }
})
