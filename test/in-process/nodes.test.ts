// Two nodes of one relay, in one process with real sockets: agents are connected to one of them, visitors come to the
// other. Several processes are tested in test/e2e/workers.test.ts.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import diagnostics from 'node:diagnostics_channel'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, request as httpRequest } from 'node:http'
import type { IncomingMessage, OutgoingHttpHeaders, RequestListener, Server, ServerResponse } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import { connect } from 'node:net'
import type { AddressInfo, Server as NetServer, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer, text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'

import { startAgent } from '@sallyport/agent'
import type { Agent, TunnelOptions } from '@sallyport/agent'
import { YamuxSession, decodeStreamReply } from '@sallyport/protocol'
import type { StreamReply, YamuxStream } from '@sallyport/protocol'
import { createLog, parseConfig, startRelay } from '@sallyport/server'
import type { Relay } from '@sallyport/server'
import { WebSocket, WebSocketServer } from 'ws'

import { DirectoryTable } from '../../packages/server/src/node/directory-table.ts'
import type { Directory, DirectoryChange, DirectoryEvent, Listing } from '../../packages/server/src/node/directory.ts'
import { encodeHopHeader } from '../../packages/server/src/node/hop-header.ts'
import { SocketCarrier } from '../../packages/server/src/node/socket-carrier.ts'
import { HandAgent } from '../support/hand-agent.ts'
import { until } from '../support/until.ts'

const EDGES = ['one', 'two', 'three', 'sticky'].map((name) => {
  const sticky = name === 'sticky' ? ', sticky: { cookie: tunnel }' : ''
  return `  - { id: edg_${name}, hosts: [${name}.localhost], backend: { labels: { edge: edg_${name} }${sticky} } }`
})
/** Edges that lead to an internal endpoint: one of relay.yml, one of an agent. */
const FRONTS = ['inner', 'mine'].map((name) => {
  const to = `{ type: forward-internal, config: { url: "https://${name}.internal" } }`
  return `  - { id: edg_to_${name}, hosts: [to-${name}.localhost], policy: { on_http_request: [{ actions: [${to}] }] } }`
})
const INNER =
  '  - { id: edg_inner, hosts: [inner.internal], backend: { labels: { edge: edg_sticky }, sticky: { cookie: tunnel } } }'

describe('two nodes of one relay', { timeout: 60_000 }, () => {
  const secret = randomBytes(32)
  const table = new DirectoryTable(['nod_a', 'nod_b'])
  const logs = { a: [] as string[], b: [] as string[] }
  const agents: Agent[] = []
  const apps: NetServer[] = []
  let folder: string
  let token: string
  let a: Relay
  let b: Relay

  const linkOf = (name: string): string => join(folder, `${name}.sock`)

  async function startNode(name: 'a' | 'b'): Promise<Relay> {
    const config = parseConfig(
      `
domain: localhost
public_url: http://relay.localhost
listen: { http: "127.0.0.1:0", admin: "127.0.0.1:0" }
store: "sqlite:${join(folder, 'relay.db')}"
edges:
${[...EDGES, ...FRONTS, INNER].join('\n')}
`,
      { source: 'test', env: {} },
    )
    const nodeId = `nod_${name}`
    return startRelay(config, {
      log: createLog({ level: 'debug' }, { write: (line) => void logs[name].push(line) }),
      env: {},
      node: { nodeId, directory: overChannel(table.at(nodeId)), link: linkOf(name), secret },
    })
  }

  async function startApp(app: NetServer): Promise<string> {
    apps.push(app)
    app.listen(0, '127.0.0.1')
    await once(app, 'listening')
    return `http://127.0.0.1:${(app.address() as AddressInfo).port}` // it listens on a port
  }

  const named = (name: string, listener?: RequestListener): Server =>
    createServer(listener ?? ((request, response) => void request.resume().on('end', () => response.end(name))))

  /** An agent with one connection, to one node. */
  async function connectAgent(
    node: Relay,
    edge: string,
    upstream: string,
    further: Partial<TunnelOptions> = {},
  ): Promise<Agent> {
    const agent = startAgent({
      server: `http://127.0.0.1:${node.addresses.http?.port}`,
      authtoken: token,
      log: createLog({ level: 'silent' }),
      tunnels: [{ upstream, labels: [`edge=edg_${edge}`], ...further }],
      connections: 1,
    })
    agents.push(agent)
    if (agent.status.state !== 'online') await once(agent, 'online')
    return agent
  }

  async function visit(
    node: Relay,
    edge: string,
    { method = 'GET', path = '/', headers = {}, body }: VisitOptions = {},
  ): Promise<IncomingMessage> {
    const request = httpRequest({
      port: node.addresses.http?.port,
      host: '127.0.0.1',
      agent: false,
      method,
      path,
      headers: { ...headers, host: `${edge}.localhost` },
    })
    request.end(body)
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    return response
  }

  async function metric(node: Relay, name: string): Promise<number> {
    const response = await fetch(`http://127.0.0.1:${node.addresses.admin?.port}/metrics`)
    return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(await response.text())?.[1])
  }

  /** Visits until a node has received another's message, or has lost the other. */
  async function untilHeard(node: Relay, edge: string, status: number): Promise<string> {
    let body = ''
    await until(`a node has heard of the other: ${edge} answers ${status}`, async () => {
      const response = await visit(node, edge)
      body = await text(response)
      return response.statusCode === status
    })
    return body
  }

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sallyport-nodes-'))
    a = await startNode('a')
    token = (await a.authtokens.create({ acl: [] })).token
    b = await startNode('b')
  })
  after(async () => {
    for (const agent of agents) agent.destroy()
    await Promise.all([a.destroy(), b.destroy()])
    for (const app of apps) app.close()
    for (const app of apps) if ('closeAllConnections' in app) (app as Server).closeAllConnections() // http servers have it
    await rm(folder, { recursive: true, force: true })
  })

  describe('an agent at the other node', () => {
    let agent: Agent
    const seen: { method: string; forwardedFor: string; body: Buffer }[] = []
    let waiting: ServerResponse | undefined
    before(async () => {
      const app = named('one', (request, response) => {
        void (async () => {
          const body = await buffer(request)
          seen.push({ method: request.method!, forwardedFor: String(request.headers['x-forwarded-for']), body })
          if (request.url !== '/wait') return void response.end(body.length > 0 ? body : 'one')
          response.write('first ')
          waiting = response
        })()
      })
      const webSockets = new WebSocketServer({ server: app })
      webSockets.on('connection', (socket) =>
        socket.on('message', (message: Buffer) => socket.send(`echo ${message.toString()}`)),
      )
      agent = await connectAgent(a, 'one', await startApp(app))
      await untilHeard(b, 'one', 200)
    })

    it('serves requests, with their bodies, as if it were local', async () => {
      const body = randomBytes(3_000_000)
      seen.length = 0
      const response = await visit(b, 'one', { method: 'POST', body })
      assert.equal(response.statusCode, 200)
      assert.ok((await buffer(response)).equals(body))
      assert.deepEqual(
        seen.map(({ method, forwardedFor }) => [method, forwardedFor]),
        [['POST', '127.0.0.1']],
      )
    })

    it('is counted as a hop, and kept streams are reused', async () => {
      const before = await metric(b, 'sallyport_hops_total')
      for (let count = 0; count < 5; count++) assert.equal(await text(await visit(b, 'one')), 'one')
      const after = await metric(b, 'sallyport_hops_total')
      assert.ok(after > 0)
      assert.ok(after - before <= 1, `${after - before} streams for five requests in turn`)
      await untilHeard(a, 'one', 200)
      assert.equal(await metric(a, 'sallyport_hops_total'), 0)
    })

    it('serves WebSockets', async () => {
      const socket = new WebSocket(`ws://127.0.0.1:${b.addresses.http?.port}/`, { headers: { host: 'one.localhost' } })
      await once(socket, 'open')
      socket.send('hello')
      const [message] = (await once(socket, 'message')) as [Buffer]
      assert.equal(message.toString(), 'echo hello')
      socket.close()
      await once(socket, 'close')
    })

    it('is one tunnel of the same name at both nodes', async () => {
      const idOf = (lines: readonly string[]): unknown =>
        lines
          .map((line) => JSON.parse(line) as Record<string, unknown>)
          .findLast(({ msg, edgeId }) => msg === 'exchange' && edgeId === 'edg_one')?.tunnelId
      assert.equal(typeof idOf(logs.a), 'string')
      assert.equal(idOf(logs.b), idOf(logs.a))
    })

    it('finishes its exchanges when it leaves, and gets no new ones', async () => {
      const response = await visit(b, 'one', { path: '/wait' })
      const closing = agent.close()
      await untilHeard(b, 'one', 503)
      waiting!.end('last')
      assert.equal(await text(response), 'first last')
      await closing
      assert.equal(await metric(b, 'sallyport_tunnels'), 0)
    })
  })

  it('is passed over for a local agent as soon as there is one', async () => {
    const far = await startApp(named('far'))
    const near = await startApp(named('near'))
    await connectAgent(a, 'two', far)
    assert.equal(await untilHeard(b, 'two', 200), 'far')
    const leaving = await connectAgent(b, 'two', near)
    const before = await metric(b, 'sallyport_hops_total')
    for (let count = 0; count < 6; count++) assert.equal(await text(await visit(b, 'two')), 'near')
    assert.equal(await text(await visit(b, 'two', { method: 'POST', body: 'x' })), 'near')
    assert.equal(await metric(b, 'sallyport_hops_total'), before, 'nothing goes to the other node')
    assert.equal(await untilHeard(a, 'two', 200), 'far')

    await leaving.close()
    assert.equal(await text(await visit(b, 'two')), 'far', 'the hop is what is left')
  })

  it('is preferred to a local one whose app is down', async () => {
    const gone = await startApp(named('gone'))
    await new Promise((resolve) => apps.at(-1)!.close(resolve))
    const own = await connectAgent(b, 'two', gone)
    for (let count = 0; count < 4; count++) assert.equal(await text(await visit(b, 'two')), 'far')
    await own.close()
  })

  it('keeps its sticky visitors, whichever node they come to, also behind forward-internal', async () => {
    await connectAgent(a, 'sticky', await startApp(named('at a')))
    await connectAgent(b, 'sticky', await startApp(named('at b')))
    await untilHeard(a, 'sticky', 200)
    for (const host of ['sticky', 'to-inner']) {
      const first = await visit(a, host)
      assert.equal(await text(first), 'at a')
      const [cookie = ''] = first.headers['set-cookie']?.[0]?.split(';') ?? []
      for (let i = 0; i < 3; i++) {
        const again = await visit(b, host, { headers: { cookie } })
        assert.equal(await text(again), 'at a', host)
        assert.equal(again.headers['set-cookie'], undefined)
      }
      assert.equal(await text(await visit(b, host)), 'at b', host)
    }
  })

  it('forwards to the internal endpoint of an agent at another node, with its policy', async () => {
    const endpoint = { url: 'https://mine.internal', responseHeaderAdd: ['X-Policy: of the agent'] }
    const agent = await connectAgent(a, '', await startApp(named('mine')), { labels: undefined, endpoint })
    assert.equal(await untilHeard(b, 'to-mine', 200), 'mine')
    const hops = await metric(b, 'sallyport_hops_total')
    const answer = await visit(b, 'to-mine', { method: 'POST', body: randomBytes(100_000) })
    assert.deepEqual([await text(answer), answer.headers['x-policy']], ['mine', 'of the agent'])
    assert.equal((await metric(b, 'sallyport_hops_total')) - hops, 1)
    await agent.close()
    await untilHeard(b, 'to-mine', 503)
  })

  it('has the reports on its app known here', async () => {
    let healthy = true
    const app = named('three', (_, response) => void response.writeHead(healthy ? 200 : 503).end('three'))
    const agent = await connectAgent(a, 'three', await startApp(app), {
      healthPath: '/',
      healthIntervalMs: 100,
      healthUnhealthy: 1,
    })
    await untilHeard(b, 'three', 200)
    healthy = false
    while ((await metric(b, 'sallyport_tunnels_unhealthy')) === 0);
    assert.equal(await metric(a, 'sallyport_tunnels_unhealthy'), 1)
    await agent.close()
  })

  it('reaches an app that speaks HTTP/2', async () => {
    const app = createHttp2Server((request, response) => void request.pipe(response))
    const agent = await connectAgent(a, 'three', await startApp(app), { upstreamProtocol: 'http2' })
    await untilHeard(b, 'three', 200)
    const body = randomBytes(300_000)
    const response = await visit(b, 'three', { method: 'POST', body })
    assert.ok((await buffer(response)).equals(body))
    await agent.close()
  })

  it('has its endpoint known here, with its policy, and no second agent can take it', async () => {
    const upstream = await startApp(named('brought'))
    const endpoint = { domain: 'brought.localhost', responseHeaderAdd: ['X-Policy: of the agent'] }
    const agent = await connectAgent(a, '', upstream, { labels: undefined, endpoint })
    assert.equal(await untilHeard(b, 'brought', 200), 'brought')
    assert.equal((await visit(b, 'brought')).headers['x-policy'], 'of the agent')
    const second = startAgent({
      server: `http://127.0.0.1:${b.addresses.http?.port}`,
      authtoken: token,
      log: createLog({ level: 'silent' }),
      tunnels: [{ upstream, endpoint }],
      connections: 1,
    })
    agents.push(second)
    const [{ error }] = (await once(second, 'offline')) as [{ error: Error }]
    assert.match(error.message, /another agent serves/)
    second.destroy()
    await agent.close()
    await untilHeard(b, 'brought', 503)
  })

  describe('the link of a node', () => {
    let listing: Listing
    let app: Server
    let seen = 0
    before(async () => {
      app = named('three')
      app.on('connection', () => seen++)
      const events: DirectoryEvent[] = []
      await connectAgent(a, 'three', await startApp(app))
      await untilHeard(b, 'three', 200)
      // A third node's message.
      table.at('nod_c').join('/nowhere', (event) => events.push(event))
      table.at('nod_c').leave()
      const listed = events.flatMap((event) => (event.type === 'listed' ? event.listing : []))
      listing = listed.find(({ offer }) => offer.labels[0]?.[1] === 'edg_three')!
    })

    /** A node's answer to a stream that begins with these bytes; undefined if the stream is reset. */
    async function answer(link: string, header: Buffer): Promise<StreamReply | undefined> {
      const socket = connect(link)
      await once(socket, 'connect')
      socket.write(secret)
      const mux = new YamuxSession(new SocketCarrier(socket), { role: 'client' })
      try {
        const stream: YamuxStream = mux.openStream()
        stream.on('error', () => {}) // 'close' follows
        stream.write(header)
        const chunk = await new Promise<Buffer | undefined>((resolve) => {
          stream.once('data', resolve)
          stream.once('close', () => resolve(undefined))
        })
        return chunk && decodeStreamReply(chunk)?.reply
      } finally {
        mux.destroy()
      }
    }

    it('serves from a tunnel that ends there', async () => {
      assert.deepEqual(await answer(linkOf('a'), encodeHopHeader({ ...listing, visitor: '192.0.2.1' })), { ok: true })
    })

    it('S2: continues if the system cannot hand it a connection', async () => {
      const servers: NetServer[] = []
      const onSocket = (message: unknown): void =>
        void servers.push((message as { socket: ServedSocket }).socket.server)
      diagnostics.subscribe('net.server.socket', onSocket)
      await answer(linkOf('a'), encodeHopHeader({ ...listing, visitor: '192.0.2.1' }))
      diagnostics.unsubscribe('net.server.socket', onSocket)
      const server = servers.find((one) => one.address() === linkOf('a'))
      // Twice: the first one may have been waited for since the start.
      for (let time = 0; time < 2; time++) server?.emit('error', new Error('accept EMFILE'))
      assert.deepEqual(await answer(linkOf('a'), encodeHopHeader({ ...listing, visitor: '192.0.2.1' })), { ok: true })
      assert.equal(logs.a.filter((line) => line.includes('link listener failed')).length, 2)
    })

    it('passes nothing on to a third node: there may be only one hop', async () => {
      const hops = await metric(b, 'sallyport_hops_total')
      const before = seen
      const reply = await answer(linkOf('b'), encodeHopHeader({ ...listing, visitor: '192.0.2.1' }))
      assert.equal(reply?.ok === false && reply.code, 'tunnel_unknown')
      const second = encodeHopHeader({ ...listing, visitor: '192.0.2.1' })
      second[1] = 2
      assert.equal(await answer(linkOf('a'), second), undefined, 'a stream that has taken a hop before is reset')
      assert.equal(await metric(b, 'sallyport_hops_total'), hops)
      assert.equal(seen, before, 'nothing reached the app')
    })

    it('attack 27: takes nobody without the secret of the nodes', async () => {
      const before = seen
      const socket = connect(linkOf('a'))
      await once(socket, 'connect')
      socket.end(Buffer.concat([randomBytes(32), Buffer.from('more')]))
      socket.resume()
      await once(socket, 'close')
      assert.equal(socket.bytesRead, 0)
      assert.equal(seen, before)
      assert.ok(logs.a.some((line) => line.includes('without its secret')))
      assert.ok(
        !logs.a.some((line) => line.includes(secret.toString('hex')) || line.includes(secret.toString('base64'))),
      )
    })
  })

  it('S2: sends no unchecked policy to other nodes, however deep it nests', async () => {
    const agent = await HandAgent.connect({ port: a.addresses.http?.port ?? 0 }, token)
    try {
      agent.hello({ instance_id: 'with-an-abyss' })
      await agent.next('welcome')
      const offer = JSON.stringify({ type: 'bind', tunnel_id: 1, labels: [['app', 'abyss']], forwards_to: 'x' })
      // Deeper than JSON.stringify() can follow.
      agent.sendText(`${offer.slice(0, -1)},"policy":${'['.repeat(30_000)}${']'.repeat(30_000)}}`)
      await agent.next('bound')
    } finally {
      agent.close()
    }
    const said = async (relay: Relay): Promise<string> =>
      (await text(await visit(relay, 'one'))).replace(/req_[0-9a-z]+/, 'req_…')
    assert.equal(await said(a), await said(b))
  })

  it('forgets the tunnels of a node that has gone, and learns them again when it is back', async () => {
    await untilHeard(b, 'two', 200)
    await a.destroy()
    assert.equal((await visit(b, 'two')).statusCode, 503)
    a = await startNode('a')
    await connectAgent(a, 'two', await startApp(named('back')))
    assert.equal(await untilHeard(b, 'two', 200), 'back')
  })
})

/** As between processes, which exchange all messages as JSON. */
function overChannel(directory: Directory): Directory {
  return { ...directory, tell: (change) => directory.tell(JSON.parse(JSON.stringify(change)) as DirectoryChange) }
}

/** In node:net, but not in its types. */
type ServedSocket = Socket & { server: NetServer }

interface VisitOptions {
  method?: string
  path?: string
  headers?: OutgoingHttpHeaders
  body?: string | Buffer
}
