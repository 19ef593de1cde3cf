// Programs beside people on one route: service tokens made, used and revoked by the command line while the relay runs,
// tokens of an issuer, and the sign-in for people.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { IncomingHttpHeaders, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, beforeEach, describe, it } from 'node:test'

import { ask } from '../support/ask.ts'
import { Processes, RELAY } from '../support/processes.ts'
import { RawClient } from '../support/raw-client.ts'
import { acceptWebSocket, webSocketRequest } from '../support/raw-web-socket.ts'
import { signIn } from '../support/sign-in.ts'
import { TokenIssuer } from '../support/identity-provider/token-issuer.ts'

const HOST = 'app.localhost'

describe('programs beside people', { timeout: 120_000 }, () => {
  let processes: Processes
  let issuer: TokenIssuer
  let app: Server
  let authtoken: string
  let seen: { url: string; headers: IncomingHttpHeaders }[] = []

  before(async () => {
    app = createServer((request, response) => {
      seen.push({ url: request.url ?? '', headers: request.headers })
      if (request.url !== '/events') return response.end('the app')
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      return response.write(': open\n\n')
    })
    app.on('upgrade', (request, socket) => {
      seen.push({ url: request.url ?? '', headers: request.headers })
      acceptWebSocket(request, socket)
    })
    app.listen(0, '127.0.0.1')
    await once(app, 'listening')
    issuer = await TokenIssuer.start()
    processes = await Processes.create()
    await processes.startProvider()
    const people = (processes.signIn() as { on_http_request: { actions: object[] }[] }).on_http_request[0]!.actions[0]!
    const jwt = {
      type: 'jwt-validation',
      config: {
        issuer: { allow_list: [{ value: issuer.url }] },
        audience: { allow_list: [{ value: 'api://docs' }] },
      },
    }
    const anyOf = { type: 'any-of', config: { actions: [{ type: 'service-token' }, jwt, people] } }
    const backend = { labels: { edge: 'edg_app' } }
    await processes.startRelay({
      edges: [
        { id: 'edg_app', hosts: [HOST], policy: { on_http_request: [{ actions: [anyOf] }] } },
        {
          id: 'edg_other',
          hosts: ['other.localhost'],
          backend,
          policy: { on_http_request: [{ actions: [{ type: 'service-token' }] }] },
        },
      ],
    })
    authtoken = await processes.createAuthtoken()
    const upstream = `http://127.0.0.1:${(app.address() as AddressInfo).port}` // it listens on a port
    await processes.startAgent({ authtoken, labels: ['edge=edg_app'], upstream, name: 'the agent' })
  })
  after(async () => {
    await processes.close()
    issuer.close()
    app.close().closeAllConnections()
  })
  beforeEach(() => (seen = []))

  const command = (...args: string[]) =>
    processes.run([RELAY, 'service-token', ...args, '--config', processes.configFile])

  async function create(edge = 'edg_app', description = 'nightly export'): Promise<{ id: string; token: string }> {
    const made = await command('create', '--edge', edge, '--description', description)
    assert.equal(made.code, 0, made.stderr)
    assert.match(made.stdout, /^sps_[0-9A-Za-z]{30}$/, 'nothing but the token stands on standard output')
    return { id: /svt_\w+/.exec(made.stderr)?.[0] ?? '', token: made.stdout }
  }

  const send = (headers: Record<string, string>, host = HOST, method = 'GET') =>
    ask(processes.port, { host: `${host}:${processes.port}`, method, headers })
  const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` })
  const asBrowser = { accept: 'text/html', 'sec-fetch-dest': 'document', 'sec-fetch-mode': 'navigate' }

  it('a service token needs no cookie, works once its command has ended, and is named to the app', async () => {
    const { id, token } = await create()
    for (const method of ['GET', 'POST', 'DELETE']) assert.equal((await send(bearer(token), HOST, method)).status, 200)
    const own = { 'sallyport-service-token': token, authorization: "Bearer the app's own" }
    assert.equal((await send({ ...own, sallyport_auth_user_id: 'root' })).status, 200)
    assert.equal(seen[0]?.headers.authorization, undefined, 'the token stays at the relay')
    assert.equal(seen[3]?.headers.authorization, "Bearer the app's own")
    for (const { headers } of seen) {
      assert.equal(headers['sallyport-service-token'], undefined)
      assert.equal(headers['sallyport-auth-user-id'], id)
      assert.equal(headers['sallyport-auth-user-name'], 'nightly export')
      assert.equal(headers['sallyport-auth-user-email'], undefined)
      assert.ok(headers['sallyport-auth-jwt'])
    }
  })

  it('a token of the issuer passes on the same route, and people sign in there', async () => {
    assert.equal((await send(bearer(await issuer.token()))).status, 200)
    assert.equal(seen.at(-1)?.headers['sallyport-auth-user-id'], 'job-1')
    const url = `${processes.origin(HOST)}/`
    const browser = await signIn(url)
    assert.equal(seen.at(-1)?.headers['sallyport-auth-user-email'], 'ada@example.com')
    // If a session lets the visitor in, the header is the app's own.
    assert.equal((await send({ ...bearer('of the app'), cookie: browser.cookieHeader(url) })).status, 200)
    assert.equal(seen.at(-1)?.headers.authorization, 'Bearer of the app')
  })

  it('a visitor without credentials is sent to sign in, or told what to send', async () => {
    const navigation = await send(asBrowser)
    assert.ok([302, 303].includes(navigation.status), String(navigation.status))
    assert.ok(navigation.headers.location?.startsWith(processes.issuer))
    const program = await send({ accept: 'application/json' })
    assert.equal(program.status, 401)
    assert.equal(program.headers['sallyport-error-code'], 'ERR_SIGN_IN_REQUIRED')
    assert.match(String(program.headers['www-authenticate']), /^Bearer realm="edg_app", Cookie realm/)
    assert.deepEqual(seen, [])
  })

  it('an invalid token gets 401, and never a redirect to the sign-in', async () => {
    const { token } = await create()
    const wrong = [
      `sps_${'x'.repeat(30)}`,
      `${token}x`,
      token.toLowerCase(),
      token.slice(4),
      authtoken,
      'abc',
      `${token}, Bearer ${token}`,
      await issuer.token({ aud: 'api://other' }),
      await issuer.token({ exp: 1 }),
    ]
    for (const one of wrong) {
      for (const headers of [bearer(one), { 'sallyport-service-token': one }]) {
        const answer = await send({ ...headers, ...asBrowser })
        assert.equal(answer.status, 401, one)
        assert.equal(answer.headers.location, undefined)
        assert.equal(answer.headers['sallyport-error-code'], 'ERR_CREDENTIALS_REFUSED')
        assert.match(String(answer.headers['www-authenticate']), /error="invalid_token"/)
      }
    }
    assert.deepEqual(seen, [])
  })

  it('attack 27: a token for one edge is refused on another, and an authtoken or identity JWT is no service token', async () => {
    const { token } = await create()
    const { token: other } = await create('edg_other')
    assert.equal((await send(bearer(other), 'other.localhost')).status, 200)
    const identityJwt = String(seen[0]?.headers['sallyport-auth-jwt'])
    seen = []
    assert.equal((await send(bearer(token), 'other.localhost')).status, 401)
    assert.equal((await send(bearer(other))).status, 401)
    for (const stranger of [authtoken, identityJwt]) {
      assert.equal((await send(bearer(stranger), 'other.localhost')).status, 401)
      assert.equal((await send(bearer(stranger))).status, 401)
    }
    const agent = processes.launchAgent({
      authtoken: token,
      labels: ['edge=edg_app'],
      upstream: 'http://127.0.0.1:9',
      name: 'service token',
    })
    assert.deepEqual(await agent.exited, { code: 1, signal: null }, 'and a service token lets no agent in')
    assert.deepEqual(seen, [])
  })

  it('attack 33: revoking one ends only its own WebSockets and event streams', async () => {
    const [gone, kept] = [await create(), await create()]
    const open = async (token: string): Promise<RawClient[]> => {
      const socket = new RawClient(processes.port)
      socket.write(webSocketRequest(HOST, [`Authorization: Bearer ${token}`]))
      const events = new RawClient(processes.port)
      events.write(`GET /events HTTP/1.1\r\nHost: ${HOST}\r\nSallyport-Service-Token: ${token}\r\n\r\n`)
      await Promise.all([socket.until(/^HTTP\/1\.1 101/), events.until(/: open/)])
      return [socket, events]
    }
    const doomed = await open(gone.token)
    const others = await open(kept.token)
    const revoked = await command('revoke', gone.id)
    assert.equal(revoked.code, 0, revoked.stderr)
    await Promise.all(doomed.map((client) => client.untilOver()))
    assert.equal((await send(bearer(gone.token))).status, 401)
    assert.equal((await send(bearer(kept.token))).status, 200)
    assert.deepEqual(
      others.map((client) => client.isOver),
      [false, false],
    )
    for (const client of [...doomed, ...others]) client.close()
  })

  it('lists all tokens, and reports wrong usage', async () => {
    const { id } = await create('edg_other', 'for the list')
    const table = (await command('list', '--edge', 'edg_other')).stdout
    assert.match(table, /^ID +EDGE +CREATED \(UTC\) +USED \(UTC\) +STATE +DESCRIPTION/)
    assert.match(table, new RegExp(`^${id} +edg_other .* never +valid +for the list$`, 'm'))
    assert.doesNotMatch(table, /edg_app/)
    const rows = JSON.parse((await command('list', '--json')).stdout) as Record<string, unknown>[]
    assert.ok(rows.some((row) => row.edge === 'edg_app' && typeof row.last_used_at === 'number'))
    assert.doesNotMatch(JSON.stringify(rows), /sps_/)
    const wrong = await command('create', '--edge', 'docs')
    assert.equal(wrong.code, 2)
    assert.match(wrong.stderr, /"docs" is not the id of an edge, such as edg_docs/)
    assert.equal((await command('revoke', 'svt_nobody')).code, 2)
  })

  it('attack 44: no token is in the log, and none in the store', async () => {
    const { token } = await create()
    assert.equal((await send(bearer(token))).status, 200)
    assert.equal((await send(bearer(`${token}x`))).status, 401)
    assert.ok(processes.relay.lines.length > 0)
    for (const line of processes.relay.lines) assert.doesNotMatch(line, /sps_\w|eyJ[\w-]+\.eyJ/)
    for (const file of ['relay.db', 'relay.db-wal']) {
      assert.ok(!(await readFile(join(processes.folder, file))).includes(token.slice(4)), file)
    }
  })
})
