// Which agent gets a visitor, in one process with real sockets: shares by weight, stickiness, failover, apps that are
// down, checks of agents, and that nothing is sent twice unless it may be.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request as httpRequest } from 'node:http'
import type { IncomingMessage, OutgoingHttpHeaders, RequestListener, Server } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import { connect, createServer as createNetServer } from 'node:net'
import type { AddressInfo, Server as NetServer, Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'

import { startAgent } from '@sallyport/agent'
import type { Agent, TunnelOptions } from '@sallyport/agent'
import { createLog } from '@sallyport/server'
import { WebSocket, WebSocketServer } from 'ws'

import { RawClient } from '../support/raw-client.ts'
import { httpApp, startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { until } from '../support/until.ts'

interface Answer {
  status: number
  headers: IncomingMessage['headers']
  body: string
  /** The sticky cookie of the answer, as the visitor sends it back. */
  cookie: string | undefined
}

/** An app that answers with its name, until it is stopped; it can come back on the same port. */
class NamedApp {
  readonly name: string
  seen: string[] = []
  /** Connections, with or without a request. */
  connections = 0
  bytes = 0
  listener: RequestListener = (_, response) => void response.end(this.name)
  #server: Server
  #port = 0

  constructor(name: string) {
    this.name = name
    this.#server = this.#make()
  }

  get upstream(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  async start(): Promise<this> {
    this.#server.listen(this.#port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as AddressInfo).port // it listens on a port
    return this
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
    this.#server = this.#make()
  }

  #make(): Server {
    const server = createServer((request, response) => {
      this.seen.push(`${request.method} ${request.url}`)
      request.resume()
      this.listener(request, response)
    })
    server.on('connection', (socket) => {
      this.connections += 1
      socket.on('data', (chunk: Buffer) => (this.bytes += chunk.length))
    })
    return server
  }
}

/** The network between an agent and the relay; it can be cut, and works again at once. */
class Cable {
  readonly #server: NetServer
  readonly #sockets = new Set<Socket>()
  #pairs: [agent: Socket, relay: Socket][] = []

  constructor(relayPort: number) {
    this.#server = createNetServer((socket) => {
      const relay = connect(relayPort, '127.0.0.1')
      for (const each of [socket, relay]) {
        this.#sockets.add(each)
        each
          .setNoDelay(true)
          .on('error', () => {})
          .on('close', () => this.#sockets.delete(each))
      }
      this.#pairs.push([socket, relay])
      socket.pipe(relay).pipe(socket)
    })
  }

  async open(): Promise<string> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}` // it listens on a port
  }

  /** From now on the agent's bytes are held back, but the relay's arrive. */
  mute(): void {
    for (const [agent, relay] of this.#pairs) agent.unpipe(relay)
  }

  cut(): void {
    this.#pairs = []
    for (const socket of this.#sockets) socket.destroy()
  }

  close(): void {
    this.#server.close()
    this.cut()
  }
}

/** A relay, and agents that a test adds one by one. */
class Field {
  readonly stack: Stack
  readonly #token: string
  readonly #agents: Agent[] = []
  readonly #apps: NamedApp[] = []
  readonly #cables = new Map<Agent, Cable>()

  private constructor(stack: Stack, token: string) {
    this.stack = stack
    this.#token = token
  }

  static async open(edges: string, config = ''): Promise<Field> {
    const stack = await startStack({ app: httpApp(() => {}), agents: 0, edges, config })
    const { token } = await stack.relay.authtokens.create({ acl: [] })
    return new Field(stack, token)
  }

  async app(name: string): Promise<NamedApp> {
    const app = new NamedApp(name)
    this.#apps.push(app)
    return app.start()
  }

  /** Starts an agent for an app and waits until it is online. */
  async agent(
    upstream: string,
    label: string,
    options: Partial<TunnelOptions> = {},
    connections?: number,
  ): Promise<Agent> {
    const cable = new Cable(this.stack.port)
    const agent = startAgent({
      server: await cable.open(),
      authtoken: this.#token,
      log: createLog({ level: 'silent' }),
      tunnels: [{ upstream, labels: [label], ...options }],
      random: () => 0,
      connections,
    })
    this.#agents.push(agent)
    this.#cables.set(agent, cable)
    await once(agent, 'online')
    return agent
  }

  async join(
    name: string,
    label: string,
    options: Partial<TunnelOptions> = {},
  ): Promise<{ app: NamedApp; agent: Agent }> {
    const app = await this.app(name)
    return { app, agent: await this.agent(app.upstream, label, options) }
  }

  cableOf(agent: Agent): Cable {
    return this.#cables.get(agent)! // each agent has one
  }

  /** Breaks an agent's connection; resolves when it is online again. */
  async interrupt(agent: Agent): Promise<void> {
    const back = once(agent, 'online')
    this.cableOf(agent).cut()
    await back
  }

  async ask(host: string, path = '/', { method = 'GET', headers = {}, body = '' }: AskOptions = {}): Promise<Answer> {
    const request = httpRequest({
      port: this.stack.port,
      host: '127.0.0.1',
      agent: false,
      path,
      method,
      headers: { ...headers, host },
    })
    request.end(body)
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    const cookie = response.headers['set-cookie']?.find((line) => line.includes('sallyport.'))?.split(';')[0]
    return { status: response.statusCode ?? 0, headers: response.headers, body: await text(response), cookie }
  }

  /** The apps that answer, one request after another. */
  async names(host: string, count: number, headers: OutgoingHttpHeaders = {}): Promise<string[]> {
    const names: string[] = []
    for (let asked = 0; asked < count; asked++) names.push((await this.ask(host, '/', { headers })).body)
    return names
  }

  async metrics(): Promise<string> {
    const response = await fetch(`http://127.0.0.1:${this.stack.relay.addresses.admin?.port}/metrics`)
    return response.text()
  }

  entries(message: string): Record<string, unknown>[] {
    const lines = this.stack.log.filter((line) => line.includes(`"msg":${JSON.stringify(message)}`))
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>) // pino writes objects
  }

  /** Waits until the relay has logged a message a number of times. */
  async logged(message: string, count = 1): Promise<Record<string, unknown>[]> {
    await until(`the relay logs ${count} × ${message}`, () => this.entries(message).length >= count)
    return this.entries(message)
  }

  async close(): Promise<void> {
    for (const agent of this.#agents) agent.destroy()
    for (const cable of this.#cables.values()) cable.close()
    for (const app of this.#apps) await app.stop()
    await this.stack.close()
  }
}

interface AskOptions {
  method?: string
  headers?: OutgoingHttpHeaders
  body?: string
}

/** How often each name is in a list. */
function tally(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1
  return counts
}

/** A port on which nothing listens. */
async function closedPort(): Promise<string> {
  const server: NetServer = createNetServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return `http://127.0.0.1:${port}`
}

describe('sharing visitors', { timeout: 60_000 }, () => {
  let field: Field
  before(async () => {
    field = await Field.open(`
- { id: edg_least, hosts: [least.localhost], backend: { labels: { app: x } } }
- { id: edg_turn, hosts: [turn.localhost], backend: { labels: { app: x }, balance: round_robin } }
- { id: edg_chance, hosts: [chance.localhost], backend: { labels: { app: x }, balance: random } }
- id: edg_weighted
  hosts: [weighted.localhost]
  backend:
    weighted:
      - { backend: { labels: { app: x } }, weight: 4 }
      - { backend: { fixed_response: { status: 200, body: new } }, weight: 1 }
      - { backend: { labels: { app: nobody } }, weight: 100 }
`)
    await field.join('a', 'app=x', { weight: 3 })
    await field.join('b', 'app=x')
    await field.join('standby', 'app=x', { weight: 0 })
  })
  after(() => field.close())

  it('gives each tunnel its share by weight', async () => {
    assert.deepEqual(tally(await field.names('least.localhost', 40)), { a: 30, b: 10 })
    assert.deepEqual(tally(await field.names('turn.localhost', 40)), { a: 30, b: 10 })
  })

  it('gives shares by chance', async () => {
    const { a = 0, b = 0, standby = 0 } = tally(await field.names('chance.localhost', 300))
    assert.equal(a + b, 300)
    assert.equal(standby, 0)
    assert.ok(b > 30 && b < 130, `${b} of 300, where 75 are expected`)
  })

  it('gives weighted backends their shares, and the share of a missing one to the others', async () => {
    const { new: fresh = 0, ...others } = tally(await field.names('weighted.localhost', 300))
    assert.deepEqual(Object.keys(others).toSorted(), ['a', 'b'])
    assert.ok(fresh > 25 && fresh < 110, `${fresh} of 300, where 60 are expected`)
  })

  it('lets a standby serve when the others have gone', async () => {
    const lone = await Field.open('- { id: edg_app, hosts: [app.localhost] }')
    try {
      await lone.join('standby', 'edge=edg_app', { weight: 0 })
      const { agent } = await lone.join('main', 'edge=edg_app')
      assert.deepEqual(tally(await lone.names('app.localhost', 4)), { main: 4 })
      await agent.close()
      assert.deepEqual(tally(await lone.names('app.localhost', 4)), { standby: 4 })
    } finally {
      await lone.close()
    }
  })
})

describe('sticky visitors', { timeout: 60_000 }, () => {
  let field: Field
  const agents = new Map<string, { app: NamedApp; agent: Agent }>()
  before(async () => {
    field = await Field.open(`
- { id: edg_shop, hosts: [shop.localhost], backend: { labels: { app: shop }, sticky: { cookie: shop } } }
- { id: edg_other, hosts: [other.localhost], backend: { labels: { app: shop }, sticky: { cookie: shop, max_age: 1h } } }
- { id: edg_plain, hosts: [plain.localhost], backend: { labels: { app: shop } } }
- id: edg_tls
  hosts: [tls.localhost]
  origin: https://tls.localhost
  backend: { labels: { app: shop }, sticky: { cookie: shop } }
- id: edg_canary
  hosts: [canary.localhost]
  backend:
    weighted:
      - { backend: { labels: { app: shop } }, weight: 1 }
      - { backend: { labels: { app: canary } }, weight: 1 }
    sticky: { cookie: canary }
`)
    for (const name of ['a', 'b', 'c']) agents.set(name, await field.join(name, 'app=shop'))
    await field.join('new', 'app=canary')
  })
  after(() => field.close())

  it('come back to the tunnel that served them, and get the cookie once', async () => {
    const first = await field.ask('shop.localhost')
    assert.match(
      first.headers['set-cookie']?.[0] ?? '',
      /^sallyport\.shop\.tunnel=[\w-]{22}; Path=\/; HttpOnly; SameSite=Lax$/,
    )
    const again = await field.ask('shop.localhost', '/', { headers: { cookie: `x=1; ${first.cookie}; y=2` } })
    assert.equal(again.cookie, undefined)
    assert.deepEqual(tally(await field.names('shop.localhost', 9, { cookie: first.cookie })), { [first.body]: 9 })
    assert.deepEqual(tally(await field.names('shop.localhost', 9)), { a: 3, b: 3, c: 3 })
  })

  it('have a cookie that a browser sends over https only, and keeps for the configured time', async () => {
    const tls = await field.ask('tls.localhost')
    assert.match(
      tls.headers['set-cookie']?.[0] ?? '',
      /^__Host-sallyport\.shop\.tunnel=[\w-]{22}; Path=\/; HttpOnly; SameSite=Lax; Secure$/,
    )
    assert.deepEqual(tally(await field.names('tls.localhost', 5, { cookie: tls.cookie })), { [tls.body]: 5 })
    const lasting = await field.ask('other.localhost')
    assert.match(lasting.headers['set-cookie']?.[0] ?? '', /; Max-Age=3600;/)
  })

  it('get no cookie if stickiness is off', async () => {
    assert.equal((await field.ask('plain.localhost')).headers['set-cookie'], undefined)
  })

  it('cannot choose a tunnel with a cookie that is forged, of another edge, or longer', async () => {
    const { cookie = '', body } = await field.ask('shop.localhost')
    const value = cookie.split('=')[1] ?? ''
    const tunnelId = String(field.entries('tunnel online')[0]?.['tunnelId'])
    const forged = ['', 'a', '__proto__', tunnelId, `${value}x`, value.slice(0, -1), value.toLowerCase(), '"', '%00']
    for (const each of forged) {
      const names = await field.names('shop.localhost', 3, { cookie: `sallyport.shop.tunnel=${each}` })
      assert.deepEqual(names.toSorted(), ['a', 'b', 'c'], each)
    }
    const elsewhere = await field.names('other.localhost', 3, { cookie })
    assert.deepEqual(elsewhere.toSorted(), ['a', 'b', 'c'], 'of another edge')
    assert.equal(
      (await field.ask('shop.localhost', '/', { headers: { cookie } })).body,
      body,
      'the true one still counts',
    )
  })

  it('attack 15: have a cookie that the app neither sees nor sets', async () => {
    const { cookie = '', body } = await field.ask('shop.localhost')
    const { app } = agents.get(body)!
    let seen: string | undefined
    app.listener = (request, response) => {
      seen = request.headers.cookie
      response.setHeader('Set-Cookie', [
        'sallyport.shop.tunnel=planted; Path=/',
        '__Host-sallyport.shop.tunnel=planted',
        'own=1',
      ])
      response.end(app.name)
    }
    try {
      const answer = await field.ask('shop.localhost', '/', { headers: { cookie: `own=0; ${cookie}` } })
      assert.equal(seen, 'own=0')
      assert.deepEqual(answer.headers['set-cookie'], ['own=1'])
    } finally {
      app.listener = (_, response) => void response.end(app.name)
    }
  })

  it('stay with one side of a weighted backend', async () => {
    for (let visitor = 0; visitor < 6; visitor++) {
      const { cookie, body } = await field.ask('canary.localhost')
      assert.deepEqual(tally(await field.names('canary.localhost', 6, { cookie })), { [body]: 6 })
    }
  })

  it('find their tunnel again after its agent has reconnected, and another one when it has gone', async () => {
    const { cookie, body } = await field.ask('shop.localhost')
    const { agent } = agents.get(body)!
    await field.interrupt(agent)
    assert.deepEqual(tally(await field.names('shop.localhost', 5, { cookie })), { [body]: 5 })

    await agent.close()
    const moved = await field.ask('shop.localhost', '/', { headers: { cookie } })
    assert.equal(moved.status, 200)
    assert.notEqual(moved.body, body)
    assert.notEqual(moved.cookie, undefined, 'they are told where they are now')
    assert.deepEqual(tally(await field.names('shop.localhost', 5, { cookie: moved.cookie })), { [moved.body]: 5 })
  })

  it('leave a tunnel whose app is down, and do not try it again on each request', async () => {
    const own = await Field.open(
      '- { id: edg_a, hosts: [a.localhost], backend: { labels: { app: a }, sticky: { cookie: a } } }',
    )
    try {
      const { app, agent } = await own.join('a', 'app=a')
      const { cookie } = await own.ask('a.localhost')
      await own.join('b', 'app=a')
      let refused = 0
      agent.on('served', ({ ok, visitor }) => {
        if (!ok && visitor) refused += 1 // the relay's own probes have no visitor
      })
      await app.stop()
      const moved = await own.ask('a.localhost', '/', { headers: { cookie } })
      assert.equal(moved.body, 'b')
      assert.notEqual(moved.cookie, undefined)
      assert.deepEqual(tally(await own.names('a.localhost', 5, { cookie })), { b: 5 })
      assert.equal(refused, 1)
    } finally {
      await own.close()
    }
  })

  it('get the cookie with the answer to a WebSocket, too', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    await once(server, 'listening')
    server.on('connection', (socket) => socket.close())
    const own = await Field.open(
      '- { id: edg_ws, hosts: [ws.localhost], backend: { labels: { app: ws }, sticky: { cookie: ws } } }',
    )
    try {
      await own.agent(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, 'app=ws')
      const socket = new WebSocket(`ws://127.0.0.1:${own.stack.port}/`, { headers: { host: 'ws.localhost' } })
      const [response] = (await once(socket, 'upgrade')) as [IncomingMessage]
      assert.match(response.headers['set-cookie']?.[0] ?? '', /^sallyport\.ws\.tunnel=/)
      await once(socket, 'close')
    } finally {
      await own.close()
      server.close()
    }
  })
})

describe('failover and fixed responses', { timeout: 60_000 }, () => {
  it('goes to the next backend while the previous one has no working tunnel, and back', async () => {
    const field = await Field.open(`
- id: edg_app
  hosts: [app.localhost]
  backend:
    failover:
      - { labels: { site: main } }
      - { labels: { site: spare } }
      - { fixed_response: { status: 503, headers: { Retry-After: "60", Content-Type: text/html }, body: "<p>Soon.</p>" } }
`)
    try {
      const down = await field.ask('app.localhost')
      assert.deepEqual([down.status, down.body], [503, '<p>Soon.</p>'])
      assert.deepEqual([down.headers['retry-after'], down.headers['content-type']], ['60', 'text/html'])
      const spare = await field.join('spare', 'site=spare')
      assert.equal((await field.ask('app.localhost')).body, 'spare')
      const main = await field.join('main', 'site=main')
      assert.deepEqual(tally(await field.names('app.localhost', 5)), { main: 5 })

      await main.app.stop()
      assert.equal((await field.ask('app.localhost')).body, 'spare', 'the app of the first is down')
      await spare.app.stop()
      assert.equal((await field.ask('app.localhost', '/', { method: 'POST', body: 'x' })).body, '<p>Soon.</p>')
      await main.app.start()
      await field.logged('tunnel taken back')
      assert.equal((await field.ask('app.localhost')).body, 'main')
    } finally {
      await field.close()
    }
  })

  it('moves between apps that speak HTTP/2 and HTTP/1.1, while nothing of the request is read', async () => {
    const field = await Field.open(`
- { id: edg_down2, hosts: [down2.localhost], backend: { failover: [{ labels: { app: down2 } }, { labels: { app: up1 } }] } }
- { id: edg_down1, hosts: [down1.localhost], backend: { failover: [{ labels: { app: down1 } }, { labels: { app: up2 } }] } }
`)
    const up2 = createHttp2Server((_, response) => response.end('up2'))
    try {
      up2.listen(0, '127.0.0.1')
      await once(up2, 'listening')
      const { port } = up2.address() as AddressInfo // it listens on a port
      const http2 = { upstreamProtocol: 'http2' } as const
      await field.agent(`http://127.0.0.1:${port}`, 'app=up2', http2)
      await field.join('up1', 'app=up1')
      await field.agent('http://127.0.0.1:1', 'app=down1')
      await field.agent('http://127.0.0.1:1', 'app=down2', http2)
      const post = { method: 'POST', body: 'x' }
      // A tunnel whose app is known to be down is skipped, so each pair shows only its first request.
      assert.equal((await field.ask('down2.localhost', '/', post)).body, 'up1')
      assert.equal((await field.ask('down1.localhost')).body, 'up2')
    } finally {
      await field.close()
      up2.close()
    }
  })

  it('answers by itself, with the response policies of the route, HEAD and upgrades included', async () => {
    const field = await Field.open(`
- id: edg_fixed
  hosts: [fixed.localhost]
  routes:
    - exact_path: /old
      backend: { fixed_response: { status: 301, headers: { Location: "https://new.example/" } } }
    - path_prefix: /
      backend: { fixed_response: { status: 200, headers: { X-A: "1", X-B: "2" }, body: hello } }
      policy:
        on_http_response:
          - actions:
              - { type: remove-headers, config: { headers: [x-a] } }
              - { type: set-headers, config: { headers: { X-B: "3", X-C: "4" } } }
`)
    try {
      const { status, body, headers } = await field.ask('fixed.localhost', '/x')
      assert.deepEqual([status, body, headers['content-type']], [200, 'hello', 'text/plain; charset=utf-8'])
      assert.deepEqual([headers['x-a'], headers['x-b'], headers['x-c']], [undefined, '3', '4'])
      const moved = await field.ask('fixed.localhost', '/old')
      assert.deepEqual([moved.status, moved.headers.location, moved.body], [301, 'https://new.example/', ''])
      const head = await field.ask('fixed.localhost', '/', { method: 'HEAD' })
      assert.deepEqual([head.headers['content-length'], head.body], ['5', ''])
      const visitor = new RawClient(field.stack.port)
      visitor.write(
        'GET / HTTP/1.1\r\nHost: fixed.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
          'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
      )
      assert.match(await visitor.untilOver(), /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nhello$/)
      visitor.close()
    } finally {
      await field.close()
    }
  })
})

describe('apps that are down', { timeout: 60_000 }, () => {
  it('no visitor notices if one of two is, not even with a POST, and nothing is sent twice', async () => {
    const field = await Field.open('- { id: edg_app, hosts: [app.localhost] }')
    try {
      const { app: a } = await field.join('a', 'edge=edg_app')
      const { app: b } = await field.join('b', 'edge=edg_app')
      const ask = async (index: number): Promise<Answer> =>
        field.ask('app.localhost', `/${index}`, index % 2 ? { method: 'POST', body: `body ${index}` } : {})
      for (let index = 0; index < 10; index++) assert.equal((await ask(index)).status, 200)
      await a.stop()
      const answers = await Promise.all(Array.from({ length: 40 }, (_, index) => ask(100 + index)))
      assert.deepEqual(tally(answers.map(({ status }) => String(status))), { 200: 40 })
      assert.equal(new Set(b.seen).size, b.seen.length, 'each request once')
      const [aside] = await field.logged('tunnel put aside')
      assert.equal(aside?.['code'], 'app_refused')

      await a.start()
      a.connections = a.bytes = 0
      await field.logged('tunnel taken back')
      assert.deepEqual([a.connections, a.bytes], [1, 0], 'the probe connects and sends nothing')
      assert.deepEqual(tally(await field.names('app.localhost', 6)), { a: 3, b: 3 })
    } finally {
      await field.close()
    }
  })

  it('the answer counts the tried tunnels if all are, and a visitor may be the first to find one back', async () => {
    const field = await Field.open('- { id: edg_app, hosts: [app.localhost] }')
    try {
      const { app } = await field.join('a', 'edge=edg_app')
      await app.stop()
      const one = await field.ask('app.localhost', '/', { headers: { accept: 'text/html' } })
      assert.equal(one.status, 502)
      assert.match(one.body, /1 tunnel was tried/)
      await field.agent(await closedPort(), 'edge=edg_app')
      await field.agent(await closedPort(), 'edge=edg_app')
      for (const round of ['discovering', 'knowing']) {
        const all = await field.ask('app.localhost', '/', { headers: { accept: 'text/html' } })
        assert.match(all.body, /All apps are down: 3 tunnels were tried/, round)
        assert.equal(all.headers['sallyport-error-code'], 'ERR_APP_DOWN')
      }
      const problem = JSON.parse((await field.ask('app.localhost')).body) as { detail: string }
      assert.match(problem.detail, /3 tunnels were tried/)
      await app.start()
      assert.equal((await field.ask('app.localhost')).body, 'a')
    } finally {
      await field.close()
    }
  })

  it('retries stop when the budget of a route is spent', async () => {
    const field = await Field.open('- { id: edg_app, hosts: [app.localhost] }')
    try {
      for (let agent = 0; agent < 4; agent++) await field.agent(await closedPort(), 'edge=edg_app')
      const tried: number[] = []
      for (let asked = 0; asked < 60; asked++) {
        const { body } = await field.ask('app.localhost')
        tried.push(Number(/(\d+) tunnels? w(?:as|ere) tried/.exec(body)?.[1]))
      }
      assert.deepEqual(tried.slice(0, 20), Array(20).fill(4))
      assert.deepEqual(
        tried.slice(-10).every((count) => count < 4),
        true,
        tried.join(' '),
      )
      const retries = tried.reduce((sum, count) => sum + count - 1, 0)
      assert.ok(retries <= 100 + 60 * 0.2 + 10, `${retries} retries of 60 requests`)
      const metrics = await field.metrics()
      assert.match(metrics, new RegExp(`^sallyport_retries_total\\{outcome="granted"\\} ${retries}$`, 'm'))
      assert.match(metrics, /^sallyport_retries_total\{outcome="refused"\} [1-9]\d*$/m)
      assert.match(metrics, /^sallyport_tunnels_aside 4$/m)
    } finally {
      await field.close()
    }
  })

  it('attack 41: a POST is sent once, whatever happens to the app or the agent meanwhile', async () => {
    const field = await Field.open('- { id: edg_app, hosts: [app.localhost] }')
    try {
      const members = [await field.join('a', 'edge=edg_app'), await field.join('b', 'edge=edg_app')]
      const [a, b] = members as [(typeof members)[0], (typeof members)[0]]
      const times = (path: string): number =>
        members.reduce((sum, { app }) => sum + app.seen.filter((each) => each === `POST ${path}`).length, 0)
      for (const { app } of members) app.listener = (request) => void request.socket.destroy()
      for (let index = 0; index < 4; index++) {
        const { status } = await field.ask('app.localhost', `/hangs-up/${index}`, { method: 'POST', body: 'x' })
        assert.equal(status, 502)
        assert.equal(times(`/hangs-up/${index}`), 1)
      }
      // Both agents are cut while their app works on a POST.
      const arrived = members.map(({ app }) => new Promise<void>((resolve) => (app.listener = () => resolve())))
      const answers = [0, 1].map((index) => field.ask('app.localhost', `/cut/${index}`, { method: 'POST', body: 'x' }))
      await Promise.all(arrived)
      for (const { agent } of [a, b]) agent.destroy()
      for (const answer of answers) assert.equal((await answer).status, 502)
      for (const index of [0, 1]) assert.equal(times(`/cut/${index}`), 1)
    } finally {
      await field.close()
    }
  })
})

describe('an agent that is lost before it has replied', { timeout: 60_000 }, () => {
  /** The app has the request, but the relay cannot know that. */
  async function lose(method: string): Promise<{ answer: Answer; sibling: string[] }> {
    const field = await Field.open('- { id: edg_app, hosts: [app.localhost] }')
    try {
      const app = await field.app('a')
      const agent = await field.agent(app.upstream, 'edge=edg_app', {}, 1)
      const arrived = new Promise<void>((resolve) => (app.listener = () => resolve()))
      field.cableOf(agent).mute()
      const asked = field.ask('app.localhost', '/once', { method })
      await arrived
      const sibling = await field.join('b', 'edge=edg_app')
      field.cableOf(agent).cut()
      const answer = await asked
      assert.deepEqual(app.seen, [`${method} /once`])
      return { answer, sibling: sibling.app.seen }
    } finally {
      await field.close()
    }
  }

  it('does not harm a GET: it goes to a sibling', async () => {
    const { answer, sibling } = await lose('GET')
    assert.deepEqual([answer.status, answer.body, sibling], [200, 'b', ['GET /once']])
  })

  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
    it(`attack 41: fails a ${method}, which may have been acted on`, async () => {
      const { answer, sibling } = await lose(method)
      assert.deepEqual([answer.status, sibling], [502, []])
      assert.equal(answer.headers['sallyport-error-code'], 'ERR_TUNNEL_LOST')
    })
  }
})

describe('checks of agents', { timeout: 60_000 }, () => {
  const quick = {
    healthPath: '/healthz',
    healthIntervalMs: 100,
    healthTimeoutMs: 2000,
    healthUnhealthy: 2,
    healthHealthy: 2,
  }

  const ill: RequestListener = (request, response) =>
    void response.writeHead(request.url === '/healthz' ? 503 : 200).end('ill')

  it('take a tunnel out while its app is ill, and back when it is well', async () => {
    const field = await Field.open('- { id: edg_app, hosts: [app.localhost] }')
    try {
      await field.join('b', 'edge=edg_app')
      const app = await field.app('a')
      const well = app.listener
      app.listener = ill
      const agent = await field.agent(app.upstream, 'edge=edg_app', quick)
      await field.logged('tunnel unhealthy')
      assert.deepEqual(tally(await field.names('app.localhost', 4)), { b: 4 })

      app.listener = well
      await field.logged('tunnel healthy')
      assert.deepEqual(tally(await field.names('app.localhost', 4)), { a: 2, b: 2 })

      app.listener = ill
      const [, again] = await field.logged('tunnel unhealthy', 2)
      assert.equal(again?.['reason'], 'GET /healthz answered 503')
      assert.deepEqual(tally(await field.names('app.localhost', 4)), { b: 4 })
      assert.deepEqual(agent.status.tunnels[0]?.health, { healthy: false, detail: 'GET /healthz answered 503' })
    } finally {
      await field.close()
    }
  })

  it('let no visitor reach an app that is not yet checked, unless there is no other', async () => {
    const field = await Field.open('- { id: edg_app, hosts: [app.localhost] }')
    try {
      const app = await field.app('slow')
      let held: (() => void) | undefined
      app.listener = (request, response) => {
        if (request.url !== '/healthz' || held) return void response.end('slow')
        held = () => void response.end()
      }
      await field.agent(app.upstream, 'edge=edg_app', quick)
      const [first] = await field.logged('tunnel unhealthy')
      assert.equal(first?.['reason'], 'not checked yet')
      assert.equal((await field.ask('app.localhost')).body, 'slow', 'it is the only one')
      await field.join('ready', 'edge=edg_app')
      assert.deepEqual(tally(await field.names('app.localhost', 4)), { ready: 4 })
      await until('the agent asks for the health of the app', () => held !== undefined)
      held?.()
      await field.logged('tunnel healthy')
      assert.deepEqual(tally(await field.names('app.localhost', 4)), { ready: 2, slow: 2 })
    } finally {
      await field.close()
    }
  })

  it('are reported again after a reconnect', async () => {
    const field = await Field.open('- { id: edg_app, hosts: [app.localhost] }')
    try {
      await field.join('b', 'edge=edg_app')
      const app = await field.app('a')
      app.listener = ill
      const agent = await field.agent(app.upstream, 'edge=edg_app', quick)
      await field.logged('tunnel unhealthy')
      await field.interrupt(agent)
      await field.logged('tunnel unhealthy', 2)
      assert.deepEqual(tally(await field.names('app.localhost', 4)), { b: 4 })
    } finally {
      await field.close()
    }
  })
})

describe('B15: long and mostly silent exchanges', { timeout: 60_000 }, () => {
  let field: Field
  before(async () => {
    field = await Field.open(`
- { id: edg_sockets, hosts: [sockets.localhost], backend: { labels: { app: sockets } } }
- { id: edg_events, hosts: [events.localhost], backend: { labels: { app: events } } }
- { id: edg_quiet, hosts: [quiet.localhost], backend: { labels: { app: quiet } } }
- { id: edg_events2, hosts: [events2.localhost], backend: { labels: { app: events2 } } }
`)
  })
  after(() => field.close())

  /** An app that also takes WebSockets, and keeps them. */
  async function socketApp(name: string): Promise<{ upstream: string; sockets: WebSocketServer; close: () => void }> {
    const server = createServer((_, response) => void response.end(name))
    const sockets = new WebSocketServer({ server })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const close = (): void => {
      for (const socket of sockets.clients) socket.terminate()
      server.close()
    }
    return { upstream: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, sockets, close } // it listens on a port
  }

  async function openSocket(): Promise<WebSocket> {
    const socket = new WebSocket(`ws://127.0.0.1:${field.stack.port}/`, { headers: { host: 'sockets.localhost' } })
    await once(socket, 'open')
    return socket
  }

  it('B15: fifty idle WebSockets at one tunnel leave it half of the requests; the next WebSockets go to the other', async () => {
    const [a, b] = [await socketApp('a'), await socketApp('b')]
    await field.agent(a.upstream, 'app=sockets')
    const visitors = await Promise.all(Array.from({ length: 50 }, openSocket))
    await field.agent(b.upstream, 'app=sockets')
    assert.deepEqual(tally(await field.names('sockets.localhost', 20)), { a: 10, b: 10 })
    visitors.push(...(await Promise.all(Array.from({ length: 10 }, openSocket))))
    assert.deepEqual([a.sockets.clients.size, b.sockets.clients.size], [50, 10])

    for (const visitor of visitors.slice(0, 45)) {
      visitor.terminate()
      await once(visitor, 'close')
    }
    await until('a has five WebSockets', () => a.sockets.clients.size === 5)
    visitors.push(...(await Promise.all(Array.from({ length: 3 }, openSocket))))
    assert.deepEqual([a.sockets.clients.size, b.sockets.clients.size], [8, 10], 'what is over is not counted any more')
    for (const visitor of visitors) visitor.terminate()
    a.close()
    b.close()
  })

  /** Opens event streams and waits for the head of each. */
  async function openStreams(host: string, count: number): Promise<IncomingMessage[]> {
    return Promise.all(
      Array.from({ length: count }, async () => {
        const request = httpRequest({
          port: field.stack.port,
          host: '127.0.0.1',
          agent: false,
          path: '/events',
          headers: { host },
        })
        request.on('error', () => {}) // it is destroyed in the end
        request.end()
        const [response] = (await once(request, 'response')) as [IncomingMessage]
        response.on('error', () => {})
        return response
      }),
    )
  }

  it('B15: twenty event streams do so, too', async () => {
    const { app } = await field.join('a', 'app=events')
    app.listener = (request, response) => {
      if (request.url !== '/events') return void response.end('a')
      response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' }).flushHeaders()
    }
    const streams = await openStreams('events.localhost', 20)
    await field.join('b', 'app=events')
    assert.deepEqual(tally(await field.names('events.localhost', 20)), { a: 10, b: 10 })
    for (const stream of streams) stream.destroy()
  })

  it('B15: so does any answer that has begun and stalls for five seconds', async () => {
    const { app } = await field.join('a', 'app=quiet')
    app.listener = (request, response) => {
      if (request.url !== '/events') return void response.end('a')
      response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders()
    }
    const streams = await openStreams('quiet.localhost', 4)
    await field.join('b', 'app=quiet')
    assert.deepEqual(tally(await field.names('quiet.localhost', 4)), { b: 4 })
    await until('a gets its share again', async () => tally(await field.names('quiet.localhost', 4))['a'] === 2)
    for (const stream of streams) stream.destroy()
  })

  it('B15: and so do those of apps that speak HTTP/2', async () => {
    const apps = ['a', 'b'].map((name) =>
      createHttp2Server((request, response) => {
        if (request.url !== '/events') return void response.end(name)
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        response.write(':\n\n')
      }),
    )
    const upstreams: string[] = []
    for (const app of apps) {
      app.listen(0, '127.0.0.1')
      await once(app, 'listening')
      upstreams.push(`http://127.0.0.1:${(app.address() as AddressInfo).port}`) // it listens on a port
    }
    const agents = [await field.agent(upstreams[0]!, 'app=events2', { upstreamProtocol: 'http2' })]
    const streams = await openStreams('events2.localhost', 20)
    agents.push(await field.agent(upstreams[1]!, 'app=events2', { upstreamProtocol: 'http2' }))
    assert.deepEqual(tally(await field.names('events2.localhost', 20)), { a: 10, b: 10 })
    for (const stream of streams) stream.destroy()
    for (const agent of agents) agent.destroy()
    for (const app of apps) app.close()
  })
})

describe('B15: an app that fails fast does not attract the visitors', { timeout: 60_000 }, () => {
  const ASIDE = 'tunnel put aside for its errors'
  let field: Field
  before(async () => {
    const hosts = ['errors', 'hangups', 'http2', 'shared', 'sticky', 'last']
    const edges = hosts.map((name) => `- { id: edg_${name}, hosts: [${name}.localhost], backend: { labels: { app: ${name} } } }`) // prettier-ignore
    edges[4] = '- { id: edg_sticky, hosts: [sticky.localhost], backend: { labels: { app: sticky }, sticky: { cookie: s } } }' // prettier-ignore
    field = await Field.open(edges.join('\n'))
  })
  after(() => field.close())

  const slowly: RequestListener = (_, response) => void setTimeout(() => response.end('b'), 100)

  /** Visitors, each of whom asks for one path again and again until told to stop. */
  async function visit(host: string, paths: readonly string[], what: string, isEnough: () => boolean): Promise<void> {
    const deadline = performance.now() + 20_000
    const visitor = async (path: string): Promise<void> => {
      while (!isEnough()) {
        assert.ok(performance.now() < deadline, `in vain: ${what}`)
        await field.ask(host, path)
      }
    }
    await Promise.all(paths.map(visitor))
  }

  const TWENTY = Array<string>(20).fill('/')

  /** Twenty visitors have the failing app put aside, and from then on all reach its sibling. */
  async function assertAside(host: string, seen: { a: () => number; b: () => number }): Promise<void> {
    const before = field.entries(ASIDE).length
    const isAside = (): boolean => field.entries(ASIDE).length > before
    await visit(host, TWENTY, 'a is put aside', isAside)
    const attracted = seen.a()
    assert.ok(attracted < 200, `${attracted} went to the one that fails before it was put aside`)
    const served = seen.b()
    await visit(host, TWENTY, 'b serves', () => seen.b() >= served + 60)
    assert.equal(seen.a(), attracted, 'nobody goes there any more')
    const entries = field.entries(ASIDE)
    assert.equal(entries.length, before + 1)
    assert.equal(entries.at(-1)?.['edgeId'], `edg_${host.split('.')[0]}`)
    assert.equal(entries.at(-1)?.['seconds'], 5)
    assert.match(await field.metrics(), /^sallyport_tunnels_failing [1-9]$/m)
  }

  const seenBy = (a: NamedApp, b: NamedApp) => ({ a: () => a.seen.length, b: () => b.seen.length })

  it('B15: one that answers 500 at once, while its sibling takes 100 ms, is put aside', async () => {
    const { app: a } = await field.join('a', 'app=errors')
    a.listener = (_, response) => void response.writeHead(500).end('a')
    const { app: b } = await field.join('b', 'app=errors')
    b.listener = slowly
    await assertAside('errors.localhost', seenBy(a, b))
  })

  it('B15: and so is one that takes each connection and hangs up', async () => {
    const { app: a } = await field.join('a', 'app=hangups')
    a.listener = (request) => void request.socket.destroy()
    const { app: b } = await field.join('b', 'app=hangups')
    b.listener = slowly
    await assertAside('hangups.localhost', seenBy(a, b))
  })

  it('B15: and so is one that speaks HTTP/2', async () => {
    const seen = { a: 0, b: 0 }
    const apps = [
      createHttp2Server((_, response) => (seen.a++, response.writeHead(503).end('a'))),
      createHttp2Server((_, response) => (seen.b++, setTimeout(() => response.end('b'), 100))),
    ]
    for (const app of apps) {
      app.listen(0, '127.0.0.1')
      await once(app, 'listening')
      const upstream = `http://127.0.0.1:${(app.address() as AddressInfo).port}` // it listens on a port
      await field.agent(upstream, 'app=http2', { upstreamProtocol: 'http2' })
    }
    await assertAside('http2.localhost', { a: () => seen.a, b: () => seen.b })
    for (const app of apps) app.close()
  })

  it('B15: a visitor whose requests fail everywhere puts none aside', async () => {
    const before = field.entries(ASIDE).length
    const seen: NamedApp[] = []
    for (const name of ['a', 'b']) {
      const { app } = await field.join(name, 'app=shared')
      app.listener = (request, response) => {
        if (request.url === '/broken') return void response.writeHead(500).end(name)
        setTimeout(() => response.end(name), 20)
      }
      seen.push(app)
    }
    // Each at its own speed, however busy the machine: by the clock there were once too few.
    const paths = ['/broken', '/broken', '/', '/', '/', '/', '/', '/']
    const hasFailed = (app: NamedApp): boolean => app.seen.filter((line) => line === 'GET /broken').length > 100
    await visit('shared.localhost', paths, 'both fail a hundred times', () => seen.every(hasFailed))
    assert.equal(field.entries(ASIDE).length, before)
  })

  it('B15: nor does one with a cookie for one tunnel', async () => {
    const before = field.entries(ASIDE).length
    for (const name of ['a', 'b']) {
      const { app } = await field.join(name, 'app=sticky')
      app.listener = (request, response) => {
        response.writeHead(request.url === '/broken' ? 500 : 200).end(name)
      }
    }
    const { cookie = '', body } = await field.ask('sticky.localhost')
    for (let asked = 0; asked < 100; asked++) {
      assert.equal((await field.ask('sticky.localhost', '/broken', { headers: { cookie } })).body, body)
      await field.ask('sticky.localhost')
    }
    assert.equal(field.entries(ASIDE).length, before)
  })

  it('B15: one that fails still serves when its sibling has gone', async () => {
    const { app: a } = await field.join('a', 'app=last')
    a.listener = (_, response) => void response.writeHead(500).end('a')
    const { app: b, agent } = await field.join('b', 'app=last')
    b.listener = slowly
    await assertAside('last.localhost', seenBy(a, b))
    await agent.close()
    const { status, body } = await field.ask('last.localhost')
    assert.deepEqual([status, body], [500, 'a'])
  })
})
