import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { after, describe, it } from 'node:test'

import { Secret, WebSocketCarrier } from '@sallyport/protocol'

import { connectRelay } from './connect.ts'
import type { ConnectOptions } from './connect.ts'
import { FakeRelay } from '../fixtures/fake-relay.ts'
import type { FakeRelayOptions } from '../fixtures/fake-relay.ts'
import { makeSelfSigned } from '../fixtures/self-signed.ts'
import { parseRelayAddress } from '../plan/relay-address.ts'

const closing: (() => unknown)[] = []
after(() => Promise.all(closing.map((close) => close())))

async function startRelay(options: FakeRelayOptions = {}): Promise<FakeRelay> {
  const relay = await FakeRelay.start(options)
  closing.push(() => relay.kill())
  return relay
}

async function dial(server: string, options: Partial<ConnectOptions> = {}): ReturnType<typeof connectRelay> {
  const relay = parseRelayAddress(server)
  assert.ok(!('problem' in relay))
  const signal = new AbortController().signal
  return connectRelay({ relay, authtoken: new Secret('sat_secret'), signal, ...options })
}

/** Why the dial failed; the sentence never holds the authtoken (attack 44). */
async function failure(server: string, options: Partial<ConnectOptions> = {}): Promise<string> {
  const connected = await dial(server, options)
  if (connected.ok) {
    connected.socket.terminate()
    assert.fail('the dial succeeded')
  }
  assert.doesNotMatch(`${connected.error.message} ${connected.error.stack}`, /sat_secret/)
  return connected.error.message
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(() => server.close())
  return (server.address() as AddressInfo).port
}

interface Proxy {
  url: URL
  requests: IncomingMessage[]
}

/** A CONNECT proxy that tunnels every name to this machine, or answers with `status`. */
async function startProxy(status = 200): Promise<Proxy> {
  const requests: IncomingMessage[] = []
  const server = createHttpServer()
  server.on('connect', (request, visitor: Socket) => {
    requests.push(request)
    closing.push(() => visitor.destroy())
    visitor.on('error', () => {})
    if (status !== 200) return void visitor.end(`HTTP/1.1 ${status} Refused\r\nContent-Length: 2\r\n\r\nno`)
    const target = connect(Number(request.url?.split(':').at(-1)), '127.0.0.1', () => {
      visitor.write('HTTP/1.1 200 Connection established\r\n\r\n')
      visitor.pipe(target).pipe(visitor)
    })
    target.on('error', () => visitor.destroy())
  })
  return { url: new URL(`http://user:hunter2@127.0.0.1:${await listen(server)}`), requests }
}

describe('connectRelay', () => {
  it('loses nothing that the relay sends in one packet with its 101', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', (request) => {
        const key = /sec-websocket-key: (.+)\r\n/i.exec(request.toString('latin1'))?.[1] ?? ''
        const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
        const head = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: sallyport.v1\r\n\r\n`
        socket.write(Buffer.concat([Buffer.from(head, 'latin1'), Buffer.from('\x82\x05first', 'latin1')]))
      })
    })
    const connected = await dial(`http://127.0.0.1:${await listen(server)}`)
    assert.ok(connected.ok)
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve))) // an agent that is slow to listen
    const carrier = new WebSocketCarrier(connected.socket, 'client')
    const message = await new Promise<Buffer>((resolve) => (carrier.onMessage = resolve))
    assert.equal(message.toString(), 'first')
    carrier.destroy()
  })

  it('connects to a relay by a name below localhost, which Node itself does not resolve', async () => {
    const relay = await startRelay()
    const connected = await dial(`http://relay.localhost:${relay.port}`)
    assert.ok(connected.ok)
    assert.equal(relay.sessions[0]?.request.headers.host, `relay.localhost:${relay.port}`)
    assert.equal(connected.socket.protocol, 'sallyport.v1')
    connected.socket.terminate()
  })

  it('verifies the certificate of the relay: trusted by --ca only, for its own name only', async () => {
    const identity = makeSelfSigned()
    const relay = await startRelay({ tls: identity })
    assert.match(await failure(relay.url), /not trusted.*--ca FILE/)
    assert.match(await failure(`https://other.localhost:${relay.port}`, { ca: identity.cert }), /for another name/)
    const connected = await dial(relay.url, { ca: identity.cert })
    assert.ok(connected.ok)
    connected.socket.terminate()
  })

  it('says what is wrong when nothing listens, a name does not resolve, or there is no TLS', async () => {
    const server = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    const port = await listen(server)
    assert.match(await failure(`https://localhost:${port}`), /does not speak TLS; is it http:/)
    assert.match(await failure('https://relay.invalid'), /https:\/\/relay\.invalid does not resolve/)
    server.close()
    assert.match(await failure(`http://localhost:${port}`), /connection refused/)
  })

  it('gives up a relay that never answers, at the deadline', async () => {
    const port = await listen(createServer((socket) => closing.push(() => socket.destroy())))
    assert.match(await failure(`http://127.0.0.1:${port}`, { handshakeDeadlineMs: 50 }), /did not answer within 0.05 s/)
  })

  it('gives up an answer that never ends, at the deadline', async () => {
    const port = await listen(
      createServer((socket) => {
        closing.push(() => socket.destroy())
        socket.write('HTTP/1.1 401 No\r\nContent-Length: 1000\r\n\r\n{')
      }),
    )
    assert.match(await failure(`http://127.0.0.1:${port}`, { handshakeDeadlineMs: 50 }), /did not answer|401/)
  })

  it('reads no more than 4 KiB of an answer', async () => {
    const body = `{"detail":"${'x'.repeat(1024 * 1024)}`
    const relay = await startRelay({ answer: () => ({ status: 503, body }) })
    assert.match(await failure(relay.url), /takes no new agents/)
  })

  it('says what each answer means', async () => {
    const cases: [number, string, RegExp, boolean][] = [
      [401, '{"code":"authtoken_refused","detail":"Unknown token."}', /refused the authtoken\. Unknown token\./, false],
      [401, 'Unauthorized', /not as a relay does/, true],
      [
        400,
        '{"code":"version_unsupported","detail":"Update."}',
        /does not speak this agent's protocol\. Update\./,
        false,
      ],
      [404, '', /no relay behind it \(404\)/, true],
      [429, '{"code":"limit_reached"}', /too many attempts/, true],
      [500, '<html>', /answered 500/, true],
      [503, '{"code":"draining","detail":"Stopping."}', /no new agents at the moment\. Stopping\./, true],
    ]
    for (const [status, body, sentence, retryable] of cases) {
      const relay = await startRelay({ answer: () => ({ status, body }) })
      const connected = await dial(relay.url)
      assert.ok(!connected.ok)
      assert.match(connected.error.message, sentence)
      assert.equal(connected.error.retryable, retryable, `${status}`)
    }
  })

  it('follows no redirect with the authtoken, and says where it points', async () => {
    const elsewhere = await startRelay()
    const headers = { Location: `${elsewhere.url}/\u001b[2J`.replace('\u001b', '%1b') }
    const relay = await startRelay({ answer: () => ({ status: 302, headers }) })
    assert.match(await failure(relay.url), /answered 302 and points to http/)
    assert.equal(elsewhere.attempts, 0)
  })

  it('honours Retry-After in seconds and as a date, up to a bound', async () => {
    const retryAfter = async (value: string): Promise<number | undefined> => {
      const relay = await startRelay({ answer: () => ({ status: 503, headers: { 'Retry-After': value } }) })
      const connected = await dial(relay.url)
      assert.ok(!connected.ok)
      return connected.retryAfterMs
    }
    assert.equal(await retryAfter('7'), 7000)
    assert.equal(await retryAfter('86400'), 300_000)
    assert.equal(await retryAfter('soon'), undefined)
    assert.equal(await retryAfter('Thu, 01 Jan 1970 00:00:00 GMT'), undefined)
    const inAMinute = await retryAfter(new Date(Date.now() + 60_000).toUTCString())
    assert.ok(inAMinute && inAMinute > 50_000 && inAMinute <= 60_000)
  })
})

describe('connectRelay through a proxy', () => {
  it('connects with CONNECT and the proxy’s own credentials, which the relay does not see', async () => {
    const proxy = await startProxy()
    const relay = await startRelay()
    const connected = await dial(`http://relay.example.com:${relay.port}`, { proxy: proxy.url })
    assert.ok(connected.ok)
    assert.equal(proxy.requests[0]?.url, `relay.example.com:${relay.port}`)
    const basic = Buffer.from('user:hunter2').toString('base64')
    assert.equal(proxy.requests[0]?.headers['proxy-authorization'], `Basic ${basic}`)
    assert.equal(proxy.requests[0]?.headers.authorization, undefined)
    const { headers } = relay.sessions[0]!.request
    assert.equal(headers['proxy-authorization'], undefined)
    assert.equal(headers.authorization, 'Bearer sat_secret')
    connected.socket.terminate()
  })

  it('verifies the relay, not the proxy, inside the tunnel', async () => {
    const proxy = await startProxy()
    const identity = makeSelfSigned('DNS:relay.example.com')
    const relay = await startRelay({ tls: identity })
    const options = { proxy: proxy.url, ca: identity.cert }
    const connected = await dial(`https://relay.example.com:${relay.port}`, options)
    assert.ok(connected.ok)
    connected.socket.terminate()
    assert.match(await failure(`https://other.example.com:${relay.port}`, options), /for another name/)

    // A literal address has no server_name; left to itself, Node would then check for "localhost".
    const local = makeSelfSigned()
    const impostor = await startRelay({ tls: local })
    const viaProxy = { proxy: proxy.url, ca: local.cert }
    assert.match(await failure(`https://192.0.2.1:${impostor.port}`, viaProxy), /for another name/)
    const literal = makeSelfSigned('IP:192.0.2.1')
    const named = await startRelay({ tls: literal })
    const reached = await dial(`https://192.0.2.1:${named.port}`, { proxy: proxy.url, ca: literal.cert })
    assert.ok(reached.ok)
    reached.socket.terminate()
  })

  it('real-apps 5: says whether proxy or relay refused, and whether for the password, without showing it', async () => {
    for (const [status, user, sentence] of [
      [407, '', /proxy 127\.0\.0\.1:\d+ refused .*\(407\)\. It wants a user name and password: --proxy-url/],
      [
        407,
        'user:hunter2@',
        /proxy 127\.0\.0\.1:\d+ refused .*\(407\)\. It does not take this user name and password\.$/,
      ],
      [407, ':hunter2@', /\(407\)\. It does not take this/],
      [403, 'user:hunter2@', /proxy 127\.0\.0\.1:\d+ refused .*\(403\)\.$/],
    ] as const) {
      const proxy = await startProxy(status)
      const relay = await startRelay()
      const connected = await dial(relay.url, { proxy: new URL(`http://${user}${proxy.url.host}`) })
      assert.ok(!connected.ok)
      assert.match(connected.error.message, sentence)
      assert.doesNotMatch(connected.error.message, /hunter2/)
      assert.equal(connected.error.retryable, true)
      assert.equal(relay.attempts, 0)
    }
  })

  it('says that nothing listens at the proxy', async () => {
    const server = createServer()
    const port = await listen(server)
    server.close()
    assert.match(
      await failure('https://relay.example.com', { proxy: new URL(`http://127.0.0.1:${port}`) }),
      /nothing listens at the proxy/,
    )
  })

  it('gives up a proxy that never answers, and closes the connection to it', async () => {
    const server = createServer()
    const port = await listen(server)
    const closed = new Promise((resolve) =>
      server.on('connection', (socket) =>
        socket
          .on('error', () => {})
          .on('close', resolve)
          .resume(),
      ),
    )
    const proxy = new URL(`http://127.0.0.1:${port}`)
    assert.match(
      await failure('https://relay.example.com', { proxy, handshakeDeadlineMs: 50 }),
      /the proxy 127\.0\.0\.1:\d+ did not answer/,
    )
    await closed
  })
})
