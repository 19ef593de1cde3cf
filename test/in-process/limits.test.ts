// The limits on connections, in one process with real sockets: refused visitors are told why, agents still get in, and
// a flood of refused visitors stays cheap.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { after, afterEach, before, describe, it } from 'node:test'

import { hashPassword } from '../../packages/server/src/values/password-hash.ts'
import { ask } from '../support/ask.ts'
import { HandAgent } from '../support/hand-agent.ts'
import { RawClient } from '../support/raw-client.ts'
import { ACK, frame, RawHttp2, request as http2Request, RST_STREAM, SETTINGS } from '../support/raw-http2.ts'
import { APP_HOST, httpApp, startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { until } from '../support/until.ts'

const REQUEST = `GET / HTTP/1.1\r\nHost: ${APP_HOST}\r\n\r\n`

describe('limits on connections', { timeout: 60_000 }, () => {
  let stack: Stack
  let requests = 0
  const open: { close(): void }[] = []

  afterEach(async () => {
    for (const each of open.splice(0)) each.close()
    requests = 0
  })

  /** A visitor who has been served, and stays. */
  async function visitor(from = '127.0.0.1'): Promise<Socket> {
    const socket = connect({ port: stack.port, host: '127.0.0.1', localAddress: from })
    socket.on('error', () => {}) // the test ends before the relay does
    open.push({ close: () => socket.destroy() })
    socket.write(REQUEST)
    const [answer] = (await once(socket, 'data')) as [Buffer]
    assert.match(answer.toString(), /^HTTP\/1\.1 200 /)
    return socket
  }

  async function metric(limit: string): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${stack.relay.addresses.admin?.port}/metrics`)).text()
    return Number(new RegExp(`^sallyport_limit_refusals_total\\{limit="${limit}"\\} (\\d+)$`, 'm').exec(text)?.[1] ?? 0)
  }

  const lines = (limit: string): string[] =>
    stack.log.filter((line) => line.includes('refused by a limit') && line.includes(`"limit":"${limit}"`))

  const app = () => httpApp((_, response) => (requests++, response.end('the app')))

  describe('from one address', () => {
    before(async () => {
      stack = await startStack({
        app: app(),
        agents: 3, // six connections
        listen: 'http2: all',
        config: 'limits: { visitor_connections_per_address: 2 }',
      })
    })
    after(() => stack.close())

    it('wrong 3: say 429 over HTTP/1.1, HTTP/2 and to an upgrade, with a line and a metric; agents do not count', async () => {
      const kept = [await visitor(), await visitor()]
      requests = 0
      const plain = await ask(stack.port, { host: APP_HOST })
      assert.equal(plain.status, 429)
      assert.equal(plain.headers['sallyport-error-code'], 'ERR_TOO_MANY_CONNECTIONS')
      assert.equal(plain.headers.connection, 'close')
      assert.equal(plain.headers['retry-after'], '5')

      const upgrade = new RawClient(stack.port)
      open.push(upgrade)
      upgrade.write(
        `GET / HTTP/1.1\r\nHost: ${APP_HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
          'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
      )
      assert.match(await upgrade.untilOver(), /^HTTP\/1\.1 429 [^]*ERR_TOO_MANY_CONNECTIONS/)

      const session = connectHttp2(`http://127.0.0.1:${stack.port}`)
      open.push({ close: () => session.destroy() })
      const goaway = once(session, 'goaway')
      const stream = session.request({ ':authority': APP_HOST })
      stream.resume()
      const [headers] = (await once(stream, 'response')) as [Record<string, unknown>]
      assert.equal(headers[':status'], 429)
      assert.equal(headers['sallyport-error-code'], 'ERR_TOO_MANY_CONNECTIONS')
      await goaway

      // Unparsable bytes, too.
      const garbage = new RawClient(stack.port)
      open.push(garbage)
      garbage.write('\x16\x03\x01\x00\x00 no HTTP\r\n\r\n')
      assert.match(await garbage.untilOver(), /^HTTP\/1\.1 429 /)

      assert.equal(requests, 0, 'nothing reached the app')
      assert.equal(await metric('visitor_connections_per_address'), 3)
      assert.match(lines('visitor_connections_per_address')[0] ?? '', /"refused":1,"address":"127\.0\.0\.1"/)
      assert.equal(lines('visitor_connections_per_address').length, 1)

      await visitor('127.0.0.2') // another address is not limited
      for (const socket of kept) {
        socket.write(REQUEST)
        await once(socket, 'data') // and connected visitors are still served
      }
      kept[0]!.destroy()
      await until('there is a place again', async () => (await ask(stack.port, { host: APP_HOST })).status === 200)
    })

    it('S13: each of a flood gets a short answer, and costs no more than that', async () => {
      await Promise.all([visitor(), visitor()])
      const before = await metric('visitor_connections_per_address')
      const told = await Promise.all(
        Array.from({ length: 200 }, async () => {
          const client = new RawClient(stack.port)
          open.push(client)
          client.write(REQUEST)
          return client.untilOver()
        }),
      )
      const refused = told.filter((text) => text.startsWith('HTTP/1.1 429 '))
      assert.equal(refused.length, 200)
      // Later ones than the few on trial were answered before any of their bytes was read.
      assert.ok(refused.filter((text) => text.includes('answered by') || text.includes('Date:')).length <= 32)
      assert.equal(await metric('visitor_connections_per_address'), before + 200)
      assert.ok(lines('visitor_connections_per_address').length <= 4)
    })
  })

  describe('in all', () => {
    before(async () => {
      stack = await startStack({
        app: app(),
        agents: 1,
        config: 'limits: { visitor_connections: 3, agent_sessions: 4 }',
      })
    })
    after(() => stack.close())

    it('wrong 3: say 503, and admit an agent while visitors hold all places', async () => {
      const kept = await Promise.all([1, 2, 3].map((i) => visitor(`127.0.0.${i}`)))
      const refused = await ask(stack.port, { host: APP_HOST })
      assert.equal(refused.status, 503)
      assert.equal(refused.headers['sallyport-error-code'], 'ERR_RELAY_FULL')
      await stack.addAgent()
      assert.equal((await ask(stack.port, { host: APP_HOST })).status, 503)
      kept[0]!.destroy()
      await until('there is a place again', async () => (await ask(stack.port, { host: APP_HOST })).status === 200)
      assert.ok((await metric('visitor_connections')) >= 2)
      assert.ok(lines('visitor_connections').length >= 1)
    })

    it('wrong 3: tell an agent beyond the limit why, without a line for each try', async () => {
      const { token } = await stack.relay.authtokens.create({ acl: [] })
      for (let tries = 0; tries < 3; tries++) {
        const client = new RawClient(stack.port)
        open.push(client)
        client.write(
          'GET /.sallyport/agent HTTP/1.1\r\nHost: relay.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
            'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n' +
            `Sec-WebSocket-Protocol: sallyport.v1\r\nAuthorization: Bearer ${token}\r\n\r\n`,
        )
        assert.match(await client.untilOver(), /^HTTP\/1\.1 503 [^]*ERR_LIMIT_REACHED/)
      }
      assert.equal(await metric('agent_sessions'), 3)
      assert.equal(lines('agent_sessions').length, 1)
    })

    it('end a visitor on trial who asks nothing', async () => {
      await Promise.all([1, 2, 3].map((i) => visitor(`127.0.0.${i}`)))
      const client = new RawClient(stack.port)
      open.push(client)
      const before = await metric('visitor_connections')
      await client.untilOver()
      assert.equal(await metric('visitor_connections'), before + 1)
    })
  })

  describe('of other kinds', () => {
    before(async () => {
      stack = await startStack({
        app: httpApp((request, response) => {
          requests++
          if (request.url === '/held') response.write('held')
          else if (request.url === '/long') response.writeHead(200, { 'x-long': 'a'.repeat(4000) }).end()
          else response.end('the app')
        }),
        config: `limits: { exchanges_per_session: 3, header_bytes: 1024, headers_count: 10, upstream_header_bytes: 2048, tunnels_per_agent: 1, failed_agent_logins_per_minute: 2 }`,
      })
    })
    after(() => stack.close())

    it('wrong 3: a request beyond the capacity of a tunnel gets 503 and names the limit', async () => {
      const held: RawClient[] = []
      let answer = await ask(stack.port, { host: APP_HOST })
      // The agent has two connections of three streams each; one of them is the control stream.
      for (let i = 0; i < 8 && answer.status === 200; i++) {
        const client = new RawClient(stack.port)
        open.push(client)
        held.push(client)
        client.write(`GET /held HTTP/1.1\r\nHost: ${APP_HOST}\r\n\r\n`)
        await client.until(/^HTTP/)
        answer = { ...answer, status: client.text.startsWith('HTTP/1.1 200') ? 200 : Number(client.text.slice(9, 12)) }
        if (answer.status !== 200) assert.match(client.text, /ERR_TUNNEL_FULL/)
      }
      assert.equal(answer.status, 503)
      assert.ok((await metric('exchanges_per_session')) >= 1)
    })

    it('wrong 3: an address with too many wrong authtokens gets 429, and it is counted', async () => {
      const answers: string[] = []
      for (let tries = 0; tries < 4; tries++) {
        const client = new RawClient(stack.port)
        open.push(client)
        client.write(
          'GET /.sallyport/agent HTTP/1.1\r\nHost: relay.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
            'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n' +
            'Sec-WebSocket-Protocol: sallyport.v1\r\nAuthorization: Bearer sp_wrong\r\n\r\n',
        )
        answers.push((await client.untilOver()).slice(9, 12))
      }
      assert.deepEqual(answers, ['401', '401', '429', '429'])
      assert.equal(await metric('failed_agent_logins_per_minute'), 2)
      assert.equal(lines('failed_agent_logins_per_minute').length, 1)
    })

    it('wrong 3: each names itself in the metric', async () => {
      const long = await ask(stack.port, { host: APP_HOST, headers: { 'x-long': 'a'.repeat(2000) } })
      assert.equal(long.status, 431)
      const fields = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`x-${i}`, '1']))
      assert.equal((await ask(stack.port, { host: APP_HOST, headers: fields })).status, 431)
      const answer = await ask(stack.port, { host: APP_HOST, path: '/long' })
      assert.equal(answer.status, 502)
      for (const limit of ['header_bytes', 'headers_count', 'upstream_header_bytes']) {
        assert.equal(await metric(limit), 1, limit)
        assert.equal(lines(limit).length, 1, limit)
      }
    })
  })

  describe('issue 11: limits that need a separate state', () => {
    const LIMITS = [
      'session_buffer_bytes: 1048576',
      'streams_per_connection: 20',
      'callbacks_per_minute: 2',
      'failed_passwords_per_minute: 2',
      'failed_passwords_per_user_per_minute: 3',
      'endpoints_per_authtoken: 1',
      'tunnels_per_agent: 1',
    ]
    before(async () => {
      const hash = await hashPassword('the password of ada')
      const basicAuth = `{ type: basic-auth, config: { credentials: ["ada:${hash}"] } }`
      stack = await startStack({
        app: httpApp((_, response) => response.end(Buffer.alloc(4 * 1024 * 1024))),
        listen: 'http2: all',
        config: `limits: { ${LIMITS.join(', ')} }\ntrusted_proxies: [127.0.0.1]`,
        edges: `
- { id: edg_app, hosts: [${APP_HOST}] }
- { id: edg_basic, hosts: [basic.localhost], policy: { on_http_request: [{ actions: [${basicAuth}] }] } }
- id: edg_oidc
  hosts: [oidc.localhost]
  policy:
    on_http_request:
      - actions: [{ type: openid-connect, config: { issuer_url: "http://127.0.0.1:9", client_id: x, client_secret: y } }]
`,
      })
    })
    after(() => stack.close())

    /** Refused this often, with one line for all. */
    async function assertCounted(limit: string, count: number): Promise<void> {
      assert.equal(await metric(limit), count, limit)
      assert.equal(lines(limit).length, 1, limit)
    }

    it('callbacks_per_minute: 429, counted, with a line', async () => {
      const callback = { host: 'relay.localhost', path: '/oidc/callback/x?code=1&state=2' }
      const statuses: string[] = []
      for (let tries = 0; tries < 5; tries++) {
        const { status, headers } = await ask(stack.port, callback)
        statuses.push(`${status} ${String(headers['sallyport-error-code'])}`)
      }
      const refused = '429 ERR_TOO_MANY_REQUESTS'
      assert.deepEqual(statuses.slice(2), [refused, refused, refused])
      assert.ok(!statuses.slice(0, 2).includes(refused))
      await assertCounted('callbacks_per_minute', 3)
    })

    it('failed passwords, by address and by user: 429, counted, each by its own name', async () => {
      const guess = async (from: string): Promise<number> => {
        const authorization = `Basic ${Buffer.from(`ada:guess ${from}`).toString('base64')}`
        const headers = { authorization, 'x-forwarded-for': from }
        return (await ask(stack.port, { host: 'basic.localhost', headers })).status
      }
      const from = ['192.0.2.1', '192.0.2.1', '192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4']
      const statuses: number[] = []
      for (const each of from) statuses.push(await guess(each))
      assert.deepEqual(statuses, [401, 401, 429, 401, 429, 429])
      await assertCounted('failed_passwords_per_minute', 1)
      await assertCounted('failed_passwords_per_user_per_minute', 2)
    })

    it('tunnels and endpoints: refused with a sentence, counted, with a line', async () => {
      const { token } = await stack.relay.authtokens.create({ acl: [] })
      const connect = async (instance: string): Promise<HandAgent> => {
        const hand = await HandAgent.connect(stack, token)
        open.push(hand)
        hand.hello({ instance_id: instance })
        return hand
      }
      const bind = (hand: HandAgent, tunnel: number, url: string): void =>
        hand.send({ type: 'bind', tunnel_id: tunnel, forwards_to: 'http://localhost:1', url, policy: {} })
      const refusalOf = async (hand: HandAgent): Promise<string> => {
        const refused = await hand.next('refused')
        return refused.type === 'refused' ? refused.reason : ''
      }
      const one = await connect('hand-agent-one')
      bind(one, 1, 'one.localhost')
      await one.next('bound')
      bind(one, 2, 'two.localhost')
      assert.match(await refusalOf(one), /already has 1 tunnels, which is the limit/)
      await assertCounted('tunnels_per_agent', 1)
      const two = await connect('hand-agent-two')
      bind(two, 1, 'two.localhost')
      assert.match(await refusalOf(two), /already has 1 endpoints, which is the limit/)
      await assertCounted('endpoints_per_authtoken', 1)
    })

    const fields = (host: string): [string, string][] =>
      Object.entries({ ':method': 'GET', ':scheme': 'http', ':authority': host, ':path': '/' })

    it('session_buffer_bytes: unread answers break off, counted, with a line', async () => {
      const visitor = new RawHttp2(stack.port)
      open.push(visitor)
      visitor.write(frame(SETTINGS, 0, 0, Buffer.from('000400000000', 'hex'))) // SETTINGS_INITIAL_WINDOW_SIZE: 0
      // Two sessions hold a megabyte each, and one of these a quarter.
      for (let i = 0; i < 16; i++) visitor.write(http2Request(2 * i + 1, fields(APP_HOST)))
      await visitor.until(({ type }) => type === RST_STREAM)
      await until('the refusal is counted', async () => (await metric('session_buffer_bytes')) >= 1)
      assert.equal(lines('session_buffer_bytes').length, 1)
    })

    it('streams_per_connection: a connection with twice as many unfinished streams ends, counted, with a line', async () => {
      const visitor = new RawHttp2(stack.port)
      open.push(visitor)
      const authorization = `Basic ${Buffer.from('eve:guess').toString('base64')}` // takes a while to process
      for (let i = 0; i < 60; i++) {
        const from: [string, string] = ['x-forwarded-for', `198.51.100.${i}`]
        const head = http2Request(2 * i + 1, [...fields('basic.localhost'), ['authorization', authorization], from])
        visitor.write(Buffer.concat([head, frame(RST_STREAM, 0, 2 * i + 1, Buffer.from([0, 0, 0, 8]))]))
      }
      assert.equal(await visitor.untilOver(), 11, 'ENHANCE_YOUR_CALM')
      await assertCounted('streams_per_connection', 1)
    })

    it('streams_per_connection: refusals by node:http2, which it does not report, are not counted', async () => {
      const before_ = await metric('streams_per_connection')
      const [hasty, told] = [new RawHttp2(stack.port), new RawHttp2(stack.port)]
      open.push(hasty, told)
      const heads = Array.from({ length: 21 }, (_, i) => http2Request(2 * i + 1, fields(APP_HOST)))
      // A visitor who may not know the limit yet gets REFUSED_STREAM (RFC 9113 5.1.2) …
      hasty.write(Buffer.concat(heads))
      assert.equal(await hasty.answer(41), 'reset 7')
      assert.equal(await hasty.answer(1), '200')
      // … one who has acknowledged it is cut off.
      await told.until(({ type }) => type === SETTINGS)
      told.write(Buffer.concat([frame(SETTINGS, ACK, 0), ...heads]))
      assert.equal(await told.untilOver(), 1, 'PROTOCOL_ERROR')
      assert.equal(await metric('streams_per_connection'), before_)
    })
  })
})
