// An agent with several connections to the relay: visitors see one tunnel, and a lost or stalled connection stops no
// visitor. In one process with real sockets; the test controls the network between agent and relay.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent as HttpAgent, request as httpRequest } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'

import { startAgent } from '@sallyport/agent'
import type { Agent } from '@sallyport/agent'
import { createLog } from '@sallyport/server'

import { APP_HOST, httpApp, startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { until } from '../support/until.ts'

/** One connection between agent and relay. */
interface Wire {
  agent: Socket
  relay: Socket
}

/** The network between an agent and the relay, with a wire for each connection. */
class Cable {
  readonly wires: Wire[] = []
  readonly #server: Server

  constructor(relayPort: number) {
    this.#server = createServer((agent) => {
      const relay = connect(relayPort, '127.0.0.1')
      for (const socket of [agent, relay]) socket.setNoDelay(true).on('error', () => {})
      const wire = { agent, relay }
      this.wires.push(wire)
      agent.pipe(relay).on('close', () => agent.destroy())
      relay.pipe(agent).on('close', () => {
        relay.destroy()
        this.wires.splice(this.wires.indexOf(wire), 1)
      })
    })
  }

  async open(): Promise<string> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}` // it listens on a port
  }

  /** No more bytes pass, without any signal. */
  stall({ agent, relay }: Wire): void {
    agent.unpipe(relay).pause()
    relay.unpipe(agent).pause()
  }

  close(): void {
    this.#server.close()
    for (const { agent } of this.wires) agent.destroy()
  }
}

const PIECE = Buffer.alloc(256 * 1024, 'x')

describe('an agent with several connections', { timeout: 60_000 }, () => {
  let stack: Stack
  let cable: Cable
  let agent: Agent
  const downloads: ServerResponse[] = []
  const visitors = new HttpAgent({ keepAlive: false })

  before(async () => {
    const app = httpApp((request, response) => {
      if (request.url !== '/download') return void response.end('fine')
      downloads.push(response)
      response.write(PIECE)
    })
    stack = await startStack({ app, agents: 0 })
    const { token } = await stack.relay.authtokens.create({ acl: [] })
    cable = new Cable(stack.port)
    agent = startAgent({
      server: await cable.open(),
      authtoken: token,
      log: createLog({ level: 'silent' }),
      tunnels: [{ upstream: `http://127.0.0.1:${stack.appPort}`, labels: ['edge=edg_app'] }],
      random: () => 0,
      connections: 2,
    })
    await allOnline()
  })
  after(async () => {
    visitors.destroy()
    agent.destroy()
    cable.close()
    await stack.close()
  })

  const visit = async (path = '/', method = 'GET'): Promise<IncomingMessage> => {
    const request = httpRequest({
      port: stack.port,
      host: '127.0.0.1',
      path,
      method,
      agent: visitors,
      headers: { host: APP_HOST },
    })
    request.end()
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    return response
  }

  const ask = async (method?: string): Promise<string> => text(await visit('/', method))

  /** Both connections are online for agent and relay. */
  async function allOnline(): Promise<void> {
    const { wanted } = agent.status.sessions
    await until(
      'all sessions are online, at both ends',
      async () => agent.status.sessions.online >= wanted && (await metric('sallyport_tunnel_sessions')) >= wanted,
    )
  }

  async function metric(name: string): Promise<number> {
    const response = await fetch(`http://127.0.0.1:${stack.relay.addresses.admin?.port}/metrics`)
    return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(await response.text())?.[1])
  }

  /** Starts a download and waits for its first bytes; the wire that it runs on is the busiest. */
  async function startDownload(): Promise<{ answer: IncomingMessage; source: ServerResponse; wire: Wire }> {
    const before = cable.wires.map((wire) => [wire, wire.agent.bytesRead] as const)
    const answer = await visit('/download')
    const source = downloads.pop()!
    if (answer.readableLength === 0) await once(answer, 'readable')
    const grown = before.map(([wire, bytes]) => ({ wire, by: wire.agent.bytesRead - bytes }))
    const { wire } = grown.toSorted((a, b) => b.by - a.by)[0]!
    return { answer, source, wire }
  }

  it('is one tunnel with two sessions', async () => {
    assert.equal(cable.wires.length, 2)
    assert.deepEqual(agent.status.sessions, { wanted: 2, online: 2 })
    assert.equal(await metric('sallyport_tunnels'), 1)
    assert.equal(await metric('sallyport_tunnel_sessions'), 2)
  })

  it('loses one: a download on the other continues, and new requests are served at once', async () => {
    const { answer, source, wire } = await startDownload()
    const other = cable.wires.find((each) => each !== wire)!
    const offline: unknown[] = []
    const note = (event: unknown): void => void offline.push(event)
    agent.on('offline', note)
    other.agent.destroy()
    for (const method of ['GET', 'POST', 'GET', 'POST', 'DELETE']) assert.equal(await ask(method), 'fine')
    source.end(PIECE)
    assert.equal((await text(answer)).length, 2 * PIECE.length)
    await allOnline()
    agent.off('offline', note)
    assert.deepEqual(offline, [], 'the agent was online all the time')
  })

  it('loses the one with a download: it is cut, and requests are served on the other', async () => {
    const { answer, wire } = await startDownload()
    wire.agent.destroy()
    await assert.rejects(text(answer))
    assert.equal(await ask(), 'fine')
    assert.equal(await ask('POST'), 'fine')
    await allOnline()
  })

  it('has a stalled one: a GET that met it moves to the other, and no later request meets it', async () => {
    const { answer, source, wire } = await startDownload()
    cable.stall(cable.wires.find((each) => each !== wire)!)
    // More than the streams that are kept open: some meet the stalled wire, until the relay knows that it has stalled.
    const answers = await Promise.all(Array.from({ length: 16 }, () => ask()))
    assert.deepEqual(new Set(answers), new Set(['fine']))
    for (let asked = 0; asked < 10; asked++) assert.equal(await ask('POST'), 'fine')
    source.end(PIECE)
    assert.equal((await text(answer)).length, 2 * PIECE.length)
    for (const { agent: socket } of cable.wires) if (socket.isPaused()) socket.destroy()
    await allOnline()
  })

  it('tries an app that is down once, not once for each connection', async () => {
    const app = createServer().listen(0, '127.0.0.1')
    await once(app, 'listening')
    const { port } = app.address() as AddressInfo // it listens on a port
    app.close()
    await once(app, 'close')
    const own = await startStack({ app: httpApp(() => {}), upstream: `http://127.0.0.1:${port}` })
    try {
      await until('both sessions are online', () => own.agents[0]!.status.sessions.online >= 2)
      const request = httpRequest({ port: own.port, host: '127.0.0.1', headers: { host: APP_HOST } }).end()
      const [response] = (await once(request, 'response')) as [IncomingMessage]
      assert.match(await text(response), /1 tunnel was tried/)
    } finally {
      await own.close()
    }
  })

  it('loses both and reconnects', async () => {
    const offline = once(agent, 'offline')
    const online = once(agent, 'online')
    for (const { agent: socket } of cable.wires) socket.destroy()
    await offline
    await online
    assert.equal(await ask(), 'fine')
    await allOnline()
  })

  it('leaves on both without a failed request', async () => {
    const { answer, source } = await startDownload()
    await stack.addAgent()
    let left = false
    const closed = agent.close()
    const leaving = async (): Promise<void> => {
      while (!left) assert.equal(await ask('POST'), 'fine')
    }
    const asking = [leaving(), leaving(), leaving()]
    const gone = closed.then(() => (left = true))
    source.end(PIECE)
    assert.equal((await text(answer)).length, 2 * PIECE.length)
    await Promise.all([gone, ...asking])
    assert.equal(await agent.closed, undefined)
    assert.equal(await metric('sallyport_tunnels'), 1, 'that of the sibling')
  })
})
