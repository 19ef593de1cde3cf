import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import { after, describe, it } from 'node:test'
import { createServer as createTlsServer } from 'node:tls'

import type { Bind, ProtocolError } from '@sallyport/protocol'
import { pino } from 'pino'

import { ConfigError, startAgent } from './agent.ts'
import type { Agent, StartOptions, TunnelOptions } from './agent.ts'
import { FakeRelay, readReply } from './fixtures/fake-relay.ts'
import type { FakeRelayOptions, FakeSession } from './fixtures/fake-relay.ts'
import { makeSelfSigned } from './fixtures/self-signed.ts'

const TOKEN = 'sat_very-secret-token'
const closing: (() => unknown)[] = []
after(() => Promise.all(closing.map((close) => close())))

/** An agent with one connection, whose backoff is always the shortest. */
function start(relay: { url: string }, tunnel: Partial<TunnelOptions>, options: Partial<StartOptions> = {}): Agent {
  const agent = startAgent({
    server: relay.url,
    authtoken: TOKEN,
    log: pino({ level: 'silent' }),
    random: () => 0,
    connections: 1,
    tunnels: [{ upstream: '127.0.0.1:9', labels: ['edge=edg_docs'], ...tunnel }],
    ...options,
  })
  closing.push(() => agent.destroy())
  return agent
}

async function startRelay(options: FakeRelayOptions = {}): Promise<FakeRelay> {
  const relay = await FakeRelay.start(options)
  closing.push(() => relay.kill())
  return relay
}

/** Agent and relay, connected and bound. */
async function connectPair(
  tunnel: Partial<TunnelOptions>,
  options: FakeRelayOptions = {},
): Promise<{ agent: Agent; relay: FakeRelay; session: FakeSession }> {
  const relay = await startRelay(options)
  const agent = start(relay, tunnel)
  await once(agent, 'online')
  return { agent, relay, session: relay.sessions[0]! }
}

async function listen(server: Server, where: { path: string } | { port: number; host: string }): Promise<number> {
  server.listen(where)
  await once(server, 'listening')
  closing.push(() => server.close())
  return 'port' in where ? (server.address() as AddressInfo).port : 0
}

/** A raw TCP app that does as told with each connection. */
async function startApp(onConnection: (socket: Socket) => void): Promise<{ port: number; connections: () => number }> {
  let count = 0
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    count += 1
    socket.on('error', () => {})
    closing.push(() => socket.destroy())
    onConnection(socket)
  })
  const port = await listen(server, { port: 0, host: '127.0.0.1' })
  return { port, connections: () => count }
}

const echo = (socket: Socket): void => void socket.pipe(socket)

describe('a tunnel session', () => {
  it('introduces the agent, binds the tunnel with its labels, and shows the endpoints', async () => {
    const { agent, session } = await connectPair({
      upstream: 'http://localhost:8000',
      labels: ['edge=edg_docs', '__proto__=x'],
      weight: 3,
      metadata: 'mine',
    })
    assert.equal(session.request.headers.authorization, `Bearer ${TOKEN}`)
    assert.equal(session.request.headers['sec-websocket-extensions'], undefined)
    const [hello, bind] = session.messages
    assert.equal(hello?.type, 'hello')
    assert.deepEqual(
      { ...(bind as Bind), type: undefined },
      {
        type: undefined,
        tunnel_id: 1,
        labels: [
          ['edge', 'edg_docs'],
          ['__proto__', 'x'],
        ],
        forwards_to: 'http://localhost:8000',
        host_header: 'preserve',
        rename_answers: false,
        upstream_protocol: 'http1',
        weight: 3,
        pooling: false,
        policy_revision: 0,
        metadata: 'mine',
      },
    )
    const { state, tunnels } = agent.status
    assert.equal(state, 'online')
    assert.deepEqual(tunnels[0]?.endpoints, ['https://docs.example.com'])
  })

  it('sends the upstream as Host with rewrite, and a value unchanged', async () => {
    const { session } = await connectPair({ upstream: 'http://app.internal:80', hostHeader: 'rewrite' })
    assert.equal((session.messages[1] as Bind).host_header, 'app.internal')
    const other = await connectPair({ upstream: '8000', hostHeader: 'shop.example:1' })
    assert.equal((other.session.messages[1] as Bind).host_header, 'shop.example:1')
  })

  it('shows a notice of the relay without its control characters', async () => {
    const { agent, session } = await connectPair({})
    const heard = once(agent, 'notice')
    session.control?.send({ type: 'notice', level: 'warn', text: 'hello \u001b[2Jthere\r\nforged' })
    const [notice] = await heard
    assert.deepEqual(notice, { level: 'warn', text: 'hello \ufffd[2Jthere\ufffd\ufffdforged' })
  })
})

describe('a served stream', () => {
  it('reaches the app, both ways, with a half-close that leaves the answer running', async () => {
    const app = await startApp((socket) => {
      void text(socket).then((question) => socket.end(`answer to ${question}`))
    })
    const { session, agent } = await connectPair({ upstream: `${app.port}` })
    const stream = session.openStream()
    stream.end('question')
    assert.deepEqual(await readReply(stream), { ok: true })
    assert.equal(await text(stream), 'answer to question')
    const [served] = agent.status.connections.open === 0 ? [undefined] : await once(agent, 'served')
    if (served) assert.equal(served.ok, true)
    assert.deepEqual(agent.status.connections, { total: 1, open: 0 })
  })

  it('passes on a half-close that comes with the header, before the app is dialled', async () => {
    const app = await startApp((socket) => {
      socket.resume().on('end', () => socket.end('you said nothing'))
    })
    const { session } = await connectPair({ upstream: `${app.port}` })
    const stream = session.openStream()
    stream.end()
    assert.deepEqual(await readReply(stream), { ok: true })
    assert.equal(await text(stream), 'you said nothing')
  })

  it('carries 24 MB up and down at once, unchanged', async () => {
    const { session } = await connectPair({ upstream: `${(await startApp(echo)).port}` })
    const bytes = randomBytes(24 * 1024 * 1024)
    const stream = session.openStream()
    stream.end(bytes)
    assert.deepEqual(await readReply(stream), { ok: true })
    const back = await buffer(stream)
    assert.equal(createHash('sha256').update(back).digest('hex'), createHash('sha256').update(bytes).digest('hex'))
  })

  it('serves HTTP requests one after another on a kept-alive stream', async () => {
    const server = createHttpServer((request, response) => response.end(`hello ${request.url}`))
    const port = await listen(server, { port: 0, host: '127.0.0.1' })
    const { session } = await connectPair({ upstream: `http://localhost:${port}` })
    const stream = session.openStream()
    assert.ok(stream.write('GET /1 HTTP/1.1\r\nHost: x\r\n\r\n'))
    await readReply(stream)
    for (const path of ['/1', '/2', '/3']) {
      let answer = ''
      while (!answer.endsWith(`hello ${path}`)) {
        const chunk = (stream.read() as Buffer | null)?.toString()
        if (chunk) answer += chunk
        else await once(stream, 'readable')
      }
      stream.write(`GET /${Number(path[1]) + 1} HTTP/1.1\r\nHost: x\r\n\r\n`)
    }
    stream.destroy()
    server.closeAllConnections()
  })

  it('reaches an app on a unix socket', async () => {
    const path = join(tmpdir(), `sallyport-agent-${process.pid}.sock`)
    const server = createServer({ allowHalfOpen: true }, echo)
    await listen(server, { path })
    const { session } = await connectPair({ upstream: `unix:${path}` })
    const stream = session.openStream()
    stream.end('through a file')
    assert.deepEqual(await readReply(stream), { ok: true })
    assert.equal(await text(stream), 'through a file')
  })

  it('reaches an app that listens on ::1 only, as localhost', async (test) => {
    const server = createServer({ allowHalfOpen: true }, echo)
    const listening = once(server, 'listening')
    server.listen({ port: 0, host: '::1' })
    try {
      await listening
    } catch {
      return test.skip('this machine has no IPv6')
    }
    closing.push(() => server.close())
    const { session } = await connectPair({ upstream: `localhost:${(server.address() as AddressInfo).port}` })
    const stream = session.openStream()
    stream.end('six')
    assert.deepEqual(await readReply(stream), { ok: true })
    assert.equal(await text(stream), 'six')
  })

  it('destroys the connection to the app when the stream is reset, and cuts the stream when the app breaks', async () => {
    const sockets: Socket[] = []
    const app = await startApp((socket) => {
      sockets.push(socket)
      socket.write('part of it')
    })
    const { session } = await connectPair({ upstream: `${app.port}` })
    const abandoned = session.openStream()
    await readReply(abandoned)
    const reset = once(sockets[0]!, 'close')
    abandoned.reset()
    await assert.rejects(reset, { code: 'ECONNRESET' })

    const cut = session.openStream()
    await readReply(cut)
    const closed = new Promise((resolve) => cut.on('close', resolve))
    cut.resume()
    sockets[1]!.resetAndDestroy()
    await closed
    assert.equal(cut.readableEnded, false)
  })

  it('S2: ends alone, and is told once, if the agent itself is at fault', async () => {
    const app = await startApp(echo)
    const relay = await startRelay()
    const lines: string[] = []
    const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) })
    const agent = start(relay, { upstream: `${app.port}` }, { log })
    await once(agent, 'online')
    const session = relay.sessions[0]! // it is online
    const faulty = Promise.withResolvers<void>()
    agent.once('served', () => {
      setImmediate(faulty.resolve)
      throw new Error('nobody expected this')
    })
    const ask = async (word: string): Promise<void> => {
      const stream = session.openStream()
      stream.end(word)
      assert.deepEqual(await readReply(stream), { ok: true })
      assert.equal(await text(stream), word)
    }
    await ask('one')
    await faulty.promise
    await ask('two')
    const told = lines.filter((line) => line.includes('a stream could not be served'))
    assert.equal(told.length, 1)
    assert.match(told[0] ?? '', /nobody expected this.*agent\.test\.ts/, 'with its stack')
    assert.equal(agent.status.state, 'online')
    await agent.close()
    assert.equal(agent.status.connections.open, 0)
  })
})

describe('an app over TLS', () => {
  const identity = makeSelfSigned()
  const startTlsApp = async (): Promise<number> => {
    const server = createTlsServer({ ...identity, allowHalfOpen: true }, echo)
    server.on('tlsClientError', () => {})
    return listen(server, { port: 0, host: '127.0.0.1' })
  }

  it('is verified with the given authority', async () => {
    const port = await startTlsApp()
    const { session } = await connectPair({ upstream: `https://localhost:${port}`, upstreamCa: identity.cert })
    const stream = session.openStream()
    stream.end('secret')
    assert.deepEqual(await readReply(stream), { ok: true })
    assert.equal(await text(stream), 'secret')
  })

  it('is refused without that authority, with a reason that says what to do', async () => {
    const { session } = await connectPair({ upstream: `https://localhost:${await startTlsApp()}` })
    const reply = await readReply(session.openStream())
    assert.ok(!reply.ok)
    assert.equal(reply.code, 'app_unreachable')
    assert.match(reply.reason, /certificate .* not trusted.*--upstream-ca/)
  })

  it('is reached without a check if told so', async () => {
    const { session } = await connectPair({
      upstream: `https://127.0.0.1:${await startTlsApp()}`,
      upstreamTlsVerify: false,
    })
    assert.deepEqual(await readReply(session.openStream()), { ok: true })
  })

  it('is distinguished from an app that does not speak TLS', async () => {
    const app = await startApp((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    const { session } = await connectPair({ upstream: `https://127.0.0.1:${app.port}` })
    const reply = await readReply(session.openStream())
    assert.ok(!reply.ok)
    assert.match(reply.reason, /does not speak TLS/)
  })
})

describe('a stream that cannot be served', () => {
  it('is refused with the reason, then ended, when nothing listens', async () => {
    const server = createServer()
    const port = await listen(server, { port: 0, host: '127.0.0.1' })
    server.close()
    const { session, agent } = await connectPair({ upstream: `localhost:${port}` })
    const told = once(agent, 'notice')
    const stream = session.openStream()
    stream.write('GET / HTTP/1.1\r\n\r\n')
    const reply = await readReply(stream)
    assert.deepEqual(reply, {
      ok: false,
      code: 'app_refused',
      reason: `connection refused at localhost:${port}`,
    })
    // FIN, not RST: the stream ends in order.
    assert.equal(await text(stream), '')
    stream.end()
    assert.match((await told)[0].text, /connection refused/)

    assert.deepEqual(
      agent.status.messages.map(({ level }) => level),
      ['warn'],
    )
    const again = createServer((socket) => socket.end())
    await listen(again, { port, host: '127.0.0.1' })
    const well = once(agent, 'notice')
    const second = session.openStream()
    assert.deepEqual(await readReply(second), { ok: true })
    second.end()
    assert.deepEqual(await well, [{ level: 'info', text: 'The app answers again.' }])
    const messages = agent.status.messages.map(({ text: said }) => said)
    assert.deepEqual(messages, ['The app answers again.'], 'what was wrong no longer stands there (the first hour, 15)')
    again.close()
  })

  it('is refused when the unix socket does not exist or the name does not resolve', async () => {
    const missing = await connectPair({ upstream: 'unix:/nonexistent/app.sock' })
    const reply = await readReply(missing.session.openStream())
    assert.deepEqual(reply, { ok: false, code: 'app_refused', reason: 'there is no socket at /nonexistent/app.sock' })

    const nameless = await connectPair({ upstream: 'http://app.invalid:80' })
    const other = await readReply(nameless.session.openStream())
    assert.ok(!other.ok)
    assert.equal(other.code, 'app_unreachable')
  })

  it('attack 42: nothing in the header decides where the agent dials', async () => {
    const wanted = await startApp(echo)
    const target = await startApp(echo)
    const { session } = await connectPair({ upstream: `127.0.0.1:${wanted.port}` })
    for (const visitor of [`127.0.0.1:${target.port}`, `http://127.0.0.1:${target.port}`, '../../etc/passwd', '']) {
      const stream = session.openStream(1, visitor)
      assert.deepEqual(await readReply(stream), { ok: true })
      stream.destroy()
    }
    for (const tunnelId of [0, 2, target.port, 0xffff_ffff]) {
      const reply = await readReply(session.openStream(tunnelId))
      assert.ok(!reply.ok)
      assert.equal(reply.code, 'tunnel_unknown')
    }
    // A relay may offer addresses; the agent has its own.
    session.control?.send({ type: 'bound', tunnel_id: 1, endpoints: [`http://127.0.0.1:${target.port}`] })
    session.control?.send({ type: 'bound', tunnel_id: 7, endpoints: [`http://127.0.0.1:${target.port}`] })
    const stream = session.openStream(7)
    assert.equal((await readReply(stream)).ok, false)
    assert.equal(wanted.connections(), 4)
    assert.equal(target.connections(), 0)
  })

  it('attack 36: garbage instead of a header is refused, and siblings do not notice', async () => {
    const { session } = await connectPair({ upstream: `${(await startApp(echo)).port}` })
    const sibling = session.openStream()
    assert.deepEqual(await readReply(sibling), { ok: true })
    for (const garbage of [Buffer.alloc(64), Buffer.alloc(64, 0xff), Buffer.from('GET / HTTP/1.1\r\n\r\n')]) {
      const stream = session.mux.openStream()
      stream.write(garbage)
      const reply = await readReply(stream)
      assert.ok(!reply.ok)
      assert.equal(reply.code, 'header_invalid')
    }
    sibling.end('still here')
    assert.equal(await text(sibling), 'still here')
  })
})

describe('an agent that loses its relay', () => {
  it('connects again, as the same agent, when the relay is back', async () => {
    const { agent, relay, session } = await connectPair({ upstream: `${(await startApp(echo)).port}` })
    const offline = once(agent, 'offline')
    const { port } = relay
    await relay.kill()
    const [{ retryInMs }] = await offline
    assert.equal(retryInMs, 500)
    assert.equal(agent.status.state, 'waiting')
    assert.deepEqual(agent.status.tunnels[0]?.endpoints, ['https://docs.example.com'], 'to be had again, not wiped')
    const again = await startRelay({ port })
    await once(agent, 'online')
    const [hello] = again.sessions[0]!.messages
    assert.deepEqual(hello, session.messages[0])
    const stream = again.sessions[0]!.openStream()
    stream.end('hello again')
    assert.deepEqual(await readReply(stream), { ok: true })
    assert.equal(await text(stream), 'hello again')
  })

  it('waits as long as Retry-After says', async () => {
    const relay = await startRelay({
      answer: () => ({
        status: 429,
        headers: { 'Retry-After': '77' },
        body: '{"code":"limit_reached","detail":"Slow."}',
      }),
    })
    const agent = start(relay, {})
    const [{ error, retryInMs }] = await once(agent, 'offline')
    assert.equal(retryInMs, 77_000)
    assert.match(error.message, /too many attempts.*Slow\./)
    await agent.close()
    assert.equal(await agent.closed, undefined)
  })

  it('gives up a relay that accepts the connection and says nothing', async () => {
    const relay = await startRelay({ onMessage: () => true })
    const agent = start(relay, {}, { handshakeDeadlineMs: 100 })
    const [{ error }] = await once(agent, 'offline')
    assert.equal(error.code, 'silent')
  })

  it('comes back after a session that the relay broke by its own rules', async () => {
    const { agent, session } = await connectPair({})
    const offline = once(agent, 'offline')
    session.control?.send({ type: 'unbind', tunnel_id: 1 })
    const [{ error }] = (await offline) as [{ error: ProtocolError }]
    assert.equal(error.code, 'control_violation')
    await once(agent, 'online')
  })
})

describe('a relay that breaks the protocol', { concurrency: true }, () => {
  const abyss = `${'['.repeat(30_000)}${']'.repeat(30_000)}`
  const framed = (json: string): Buffer => {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(Buffer.byteLength(json))
    return Buffer.concat([length, Buffer.from(json)])
  }
  const say = (json: string) => (session: FakeSession) => void session.controlStream?.write(framed(json))
  const frames = (hex: string) => (session: FakeSession) => session.socket.send(Buffer.from(hex, 'hex'))

  const breaks: Record<string, (session: FakeSession) => void> = {
    'a message that is no JSON': say('{'),
    'a message of megabytes': (session) => void session.controlStream?.write(Buffer.from('7fffffff', 'hex')),
    'a message that nests without end': say(abyss),
    'a critical message that nobody knows': say('{"type":"dance","critical":true}'),
    'a message of an agent': say('{"type":"hello","versions":[1]}'),
    'a second welcome': say(
      '{"type":"welcome","version":1,"session_id":"","node_id":"","nodes":[],"limits":{"tunnels":1,"stream_header_bytes":1},"capabilities":[],"relay_version":""}',
    ),
    'a refusal that may be tried again, with odd paths': say(
      '{"type":"refused","tunnel_id":1,"code":"constructor","reason":"\\u001b[2J","retryable":true}',
    ),
    'a drain that lasts for ever': say('{"type":"drain","deadline_ms":9007199254740991}'),
    'text instead of bytes': (session) => session.socket.send('hello'),
    'frames of another version': frames('ff0000000000000000000000'),
    'data for a stream that nobody opened': frames('000000000000077700000001ff'),
    'a stream of the agent opened by the relay': frames('000000010000000300000000'),
    'more credit than there can be': frames('0001000000000001ffffffff'),
    'a ping of a stream': frames('000200010000000100000000'),
    'a goodbye with an odd code': frames('00030000000000000000ffff'),
    'a WebSocket that is closed with an odd code': (session) => session.socket.close(4999, 'odd \u{1F600}'.repeat(10)),
    'a WebSocket frame that is none': (session) => void rawSocketOf(session).write(Buffer.from('ffffffffffff', 'hex')),
    'half a frame, then nothing': (session) => rawSocketOf(session).end(Buffer.from('82', 'hex')),
    'a reset of the connection': (session) => rawSocketOf(session).resetAndDestroy(),
  }
  for (const [what, breakIt] of Object.entries(breaks)) {
    it(`S2: loses the session by ${what}, and the agent comes back`, async () => {
      const { agent, relay, session } = await connectPair({ upstream: `${(await startApp(echo)).port}` })
      const again = once(relay, 'bound')
      breakIt(session)
      await again
      const stream = relay.sessions.at(-1)!.openStream() // the one that has just been bound
      stream.end('still here')
      assert.deepEqual(await readReply(stream), { ok: true })
      agent.destroy()
    })
  }

  const harmless: Record<string, (session: FakeSession) => void> = {
    'a message that nobody knows': say(`{"type":"dance","steps":${abyss}}`),
    'news of tunnels that are not there': say(
      '{"type":"bound","tunnel_id":77,"endpoints":["https://\\u009b/"],"redirect_uri":"x"}',
    ),
    'a notice that would move a cursor': say('{"type":"notice","level":"warn","text":"\\u001b[2J\\u202e"}'),
    'a stream with a header of garbage': (session) => void openRaw(session).end('GET / HTTP/1.1\r\n\r\n'),
    'a stream without a header': (session) => void openRaw(session).end(),
    'a stream for a tunnel that is not there': (session) => void session.openStream(0xffff_ffff),
    'a stream that is reset at once': (session) => session.openStream().reset(),
    'a hundred streams that are reset': (session) => {
      for (let count = 0; count < 100; count++) session.openStream().destroy()
    },
    'an answer to a ping that nobody sent': frames('000200020000000000000bad'),
  }
  for (const [what, sayIt] of Object.entries(harmless)) {
    it(`S2: loses nothing by ${what}`, async () => {
      const { agent, relay, session } = await connectPair({ upstream: `${(await startApp(echo)).port}` })
      sayIt(session)
      const stream = session.openStream()
      stream.end('still here')
      assert.deepEqual(await readReply(stream), { ok: true })
      assert.equal(relay.sessions.length, 1)
      agent.destroy()
    })
  }

  function openRaw(session: FakeSession): Duplex {
    return session.mux.openStream().on('error', () => {})
  }

  function rawSocketOf({ socket }: FakeSession): Socket {
    return (socket as unknown as { _socket: Socket })._socket // as websocket-carrier.ts gets it
  }
})

describe('an agent that is refused for good', () => {
  it('ends with a sentence that says what to do about a bad authtoken', async () => {
    const relay = await startRelay({
      answer: () => ({ status: 401, body: '{"code":"authtoken_refused","detail":"This token is unknown."}' }),
    })
    const error = await start(relay, {}).closed
    assert.equal(error?.code, 'authtoken_refused')
    assert.match(error?.message ?? '', /This token is unknown\..*agent config add-authtoken/)
    assert.equal(relay.attempts, 1)
  })

  it('ends when the authtoken does not permit a label', async () => {
    const relay = await startRelay({
      onMessage: (message, session) => {
        if (message.type !== 'bind') return false
        const reason = 'This authtoken does not permit edge=edg_docs.'
        session.control?.send({ type: 'refused', tunnel_id: 1, code: 'bind_not_permitted', reason, retryable: false })
        return true
      },
    })
    const error = await start(relay, {}).closed
    assert.equal(error?.code, 'bind_not_permitted')
    assert.equal(
      error?.message,
      'The relay refused the tunnel edge=edg_docs: This authtoken does not permit edge=edg_docs.',
    )
    assert.equal(relay.attempts, 1)
  })

  it('believes the relay on whether to reconnect, also for an unknown code', async () => {
    const answers = [
      { code: 'moon_phase', reason: 'Not today.', retryable: true },
      { code: 'moon_phase', reason: 'Never.', retryable: false },
    ]
    const relay = await startRelay({
      onMessage: (message, session) => {
        if (message.type !== 'bind') return false
        session.control?.send({ type: 'refused', tunnel_id: 1, ...answers.shift()! })
        return true
      },
    })
    const error = await start(relay, {}).closed
    assert.match(error?.message ?? '', /Never\.$/)
    assert.equal(relay.attempts, 2)
  })

  it('ends when an established session is closed because its authtoken was revoked', async () => {
    const { agent, session } = await connectPair({})
    session.socket.close(4002, 'revoked')
    assert.equal((await agent.closed)?.code, 'authtoken_refused')
  })

  it('does not take a 403 from a server in between for one of the relay', async () => {
    const relay = await startRelay({ answer: () => ({ status: 403, body: '<h1>Blocked by your administrator</h1>' }) })
    const [{ error }] = await once(start(relay, {}), 'offline')
    assert.equal(error.retryable, true)
    assert.match(error.message, /firewall/)
  })
})

describe('a relay that drains', () => {
  it('is left for a new session at once, while the old one finishes its exchanges', async () => {
    const { agent, relay, session } = await connectPair({ upstream: `${(await startApp(echo)).port}` })
    const running = session.openStream()
    assert.deepEqual(await readReply(running), { ok: true })
    let waited = false
    agent.on('offline', () => (waited = true))
    const again = once(agent, 'online')
    session.control?.send({ type: 'drain', deadline_ms: 5000 })
    await again
    assert.equal(waited, false)
    const [oldHello, newHello] = relay.sessions.map(({ messages }) => messages[0])
    assert.ok(oldHello?.type === 'hello' && newHello?.type === 'hello')
    assert.equal(oldHello.instance_id, newHello.instance_id)
    assert.notEqual(oldHello.connection_index, newHello.connection_index)
    running.end('still served')
    assert.equal(await text(running), 'still served')
    await session.mux.close({ deadlineMs: 100 })
    assert.equal(agent.status.state, 'online')
  })

  it('is not dialled in a tight loop when every new session is drained at once', async () => {
    const relay = await startRelay({
      onMessage: (message, session) => {
        if (message.type === 'bind') setImmediate(() => session.control?.send({ type: 'drain', deadline_ms: 50_000 }))
        return false
      },
    })
    const agent = start(relay, {})
    const [{ error, retryInMs }] = await once(agent, 'offline')
    assert.equal(error.code, 'draining')
    assert.equal(relay.attempts, 2)
    assert.equal(retryInMs, 500)
    // Its goodbyes do not restart the backoff, because nothing shows that it was ever away.
    const [again] = await once(agent, 'offline')
    assert.equal(again.error.code, 'draining')
    assert.equal(relay.attempts, 3)
    assert.equal(again.retryInMs, 1000)
  })

  it('real-providers 13: has the same deadline as at the first try, however short the session was', async () => {
    let isStarting = true
    const relay = await startRelay({ answer: () => (isStarting ? { status: 503 } : undefined) })
    const agent = start(relay, {})
    const waits: number[] = []
    agent.on('offline', ({ retryInMs }) => waits.push(retryInMs))
    await once(agent, 'offline')
    await once(agent, 'offline')
    isStarting = false
    await once(agent, 'online')
    isStarting = true
    relay.sessions[0]!.control?.send({ type: 'drain', deadline_ms: 5000 })
    await once(agent, 'offline')
    assert.deepEqual(waits, [500, 1000, 500])
  })
})

describe('an agent that closes', () => {
  it('unbinds first, finishes its exchanges, then closes the session', async () => {
    const { agent, session } = await connectPair({ upstream: `${(await startApp(echo)).port}` })
    const running = session.openStream()
    await readReply(running)
    let closed = false
    const closing = agent.close().then(() => (closed = true))
    while (session.messages.at(-1)?.type !== 'unbind') await once(session.socket, 'message')
    assert.equal(agent.status.state, 'closing')
    running.write('more')
    await once(running, 'readable')
    assert.equal(closed, false)
    running.end()
    running.resume()
    await closing
    assert.equal(await agent.closed, undefined)
    assert.equal(agent.status.state, 'closed')
  })

  it('serves a stream that the relay opened before it heard of the unbind', async () => {
    let late: ReturnType<FakeSession['openStream']> | undefined
    const app = await startApp(echo)
    const { agent, session } = await connectPair(
      { upstream: `${app.port}` },
      {
        onMessage: (message, from) => {
          if (message.type === 'unbind') {
            late = from.openStream()
            late.end('just in time')
          }
          return false
        },
      },
    )
    const closing = agent.close()
    while (!late) await once(session.socket, 'message')
    assert.deepEqual(await readReply(late), { ok: true })
    assert.equal(await text(late), 'just in time')
    await closing
  })

  it('cuts remaining exchanges at the deadline', async () => {
    const { agent, session } = await connectPair({ upstream: `${(await startApp(echo)).port}` })
    const running = session.openStream()
    await readReply(running)
    const cut = new Promise((resolve) => running.on('close', resolve))
    await agent.close({ deadlineMs: 50 })
    await cut
  })

  it('ends while it waits, and while it connects', async () => {
    const nobody = start({ url: 'http://127.0.0.1:9' }, {})
    await once(nobody, 'offline')
    await nobody.close()
    assert.equal(await nobody.closed, undefined)

    const silent = createServer()
    const port = await listen(silent, { port: 0, host: '127.0.0.1' })
    const dialled = once(silent, 'connection')
    const connecting = start({ url: `http://127.0.0.1:${port}` }, {})
    const [socket] = (await dialled) as [Socket]
    closing.push(() => socket.destroy())
    await connecting.close()
    assert.equal(await connecting.closed, undefined)
  })

  it('can be closed and destroyed twice', async () => {
    const { agent } = await connectPair({})
    await Promise.all([agent.close(), agent.close()])
    agent.destroy()
    assert.equal(await agent.closed, undefined)
  })
})

describe('startAgent', () => {
  it('reports all problems at once', () => {
    const options = { log: pino({ level: 'silent' }), server: 'ftp://relay', authtoken: 'two words', connections: 17 }
    const tunnels = [{ upstream: 'localhost', labels: ['edge=a', 'edge=b', 'x'], weight: 1.5, hostHeader: 'a b' }]
    assert.throws(
      () => startAgent({ ...options, tunnels }),
      (error) => {
        assert.ok(error instanceof ConfigError)
        assert.deepEqual(
          error.problems.map(({ path }) => path),
          ['--server', '--authtoken', '--connections', '--label', '--label', 'upstream', '--host-header', '--weight'],
        )
        assert.doesNotMatch(error.message, /two words/)
        return true
      },
    )
  })
})
