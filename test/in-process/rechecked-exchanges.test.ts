// Exchanges under way while edges change (issue 15, "Live"): in each way that a visitor can come, those that a tightened policy
// would refuse are cut, and the others stay. The visitor's side and the app's side are both looked at.

import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import type { ClientHttp2Session, OutgoingHttpHeaders } from 'node:http2'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { after, afterEach, before, describe, it } from 'node:test'

import { parseConfig } from '@sallyport/server'

import { startHostileProvider } from '../../packages/server/src/oidc/hostile-provider.test-support.ts'
import type { HostileProvider } from '../../packages/server/src/oidc/hostile-provider.test-support.ts'
import { Browser } from '../support/browser/browser.ts'
import { freePort } from '../support/processes.ts'
import { RawClient } from '../support/raw-client.ts'
import { acceptWebSocket, webSocketRequest } from '../support/raw-web-socket.ts'
import { httpApp, startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { until } from '../support/until.ts'

const GRACE_MS = 1500 // short, and long enough for a look before it is up
const UPGRADES = ['a WebSocket', 'a WebSocket over HTTP/2'] as const
const WAYS = ['HTTP/1.1', 'HTTP/2', ...UPGRADES] as const
type Way = (typeof WAYS)[number]

const LABELS = { labels: { edge: 'edg_app' } }
const GONE = { labels: { edge: 'edg_gone' } }
const password = (word: string): object => ({
  type: 'basic-auth',
  config: { credentials: [`ada:${word} of some length`] },
})
const basic = (word: string): string => `Basic ${Buffer.from(`ada:${word} of some length`).toString('base64')}`
const addHeader = (value: string): object => ({ type: 'add-headers', config: { headers: { 'x-version': value } } })
const policy = (...actions: object[]): object => ({ policy: { on_http_request: [{ actions }] } })

/** A visitor whose exchange is under way. */
interface Guest {
  readonly name: string
  readonly openedAt: number
  /** Whether its connection, or its stream of HTTP/2, has ended. */
  isOver(): boolean
  received(): string
  close(): void
}

describe('exchanges under way while their edge changes', { timeout: 120_000 }, () => {
  let stack: Stack
  let provider: HostileProvider
  let port: number
  /** The app's side of each exchange, by its path. */
  const atApp = new Map<string, Duplex | ServerResponse>()
  const guests: Guest[] = []
  let edgesNow: object[]
  let release = (): void => {}
  let isAsked = false

  before(async () => {
    ;[port, provider] = await Promise.all([freePort(), startHostileProvider()])
    const app = httpApp((request, response) => {
      if (request.url === '/asked') {
        isAsked = true
        release = () => void response.end()
        return
      }
      if (request.url === '/') return void response.end('the app')
      response.write('half, ')
      atApp.set(request.url ?? '', response)
    })
    app.on('upgrade', (request, socket) => {
      acceptWebSocket(request, socket)
      atApp.set(request.url ?? '', socket)
    })
    edgesNow = edgesOf({})
    stack = await startStack({
      port,
      app,
      edges: yamlOf(edgesNow),
      listen: 'http2: all',
      recheckGraceMs: GRACE_MS,
    })
  })
  after(async () => {
    await stack.close()
    await provider.close()
  })
  afterEach(async () => {
    for (const guest of guests.splice(0)) guest.close()
    atApp.clear()
    await reload({})
  })

  interface Variant {
    pass?: object
    other?: object
    signIn?: object
    inner?: object
    asking?: object
    without?: readonly string[]
    below?: boolean
  }

  function edgesOf(variant: Variant): object[] {
    const { pass = {}, other = {}, signIn = {}, inner = {}, asking = {}, without = [], below = false } = variant
    const oidc = {
      issuer_url: provider.issuer,
      client_id: 'relay',
      client_secret: 'a secret of some length',
      ...signIn,
    }
    const ask = { type: 'http-request', config: { url: 'http://asked.internal/asked' } }
    const edges = [
      {
        id: 'edg_pass',
        hosts: ['pass.localhost'],
        routes: [
          { path_prefix: '/', backend: LABELS, ...policy(password('first')), ...pass },
          { path_prefix: '/other', backend: LABELS, ...policy(password('first'), addHeader('1')), ...other },
          ...(below ? [{ path_prefix: '/below', backend: LABELS, ...policy({ type: 'deny' }) }] : []),
        ],
      },
      {
        id: 'edg_in',
        hosts: ['in.localhost'],
        backend: LABELS,
        ...policy({ type: 'openid-connect', config: oidc }, addHeader('1')),
      },
      { id: 'edg_same', hosts: ['same.localhost'], backend: LABELS, ...policy(password('first')) },
      { id: 'edg_back', hosts: ['back.localhost'], backend: LABELS },
      {
        id: 'edg_front',
        hosts: ['front.localhost'],
        ...policy({ type: 'forward-internal', config: { url: 'http://inner.internal' } }),
      },
      { id: 'edg_inner', hosts: ['inner.internal'], backend: LABELS, ...inner },
      { id: 'edg_asking', hosts: ['asking.localhost'], backend: LABELS, ...policy(ask), ...asking },
      { id: 'edg_asked', hosts: ['asked.internal'], backend: LABELS },
    ]
    return edges.filter(({ id }) => !without.includes(id))
  }

  const yamlOf = (edges: readonly object[]): string => edges.map((edge) => `- ${JSON.stringify(edge)}`).join('\n') // JSON is YAML

  async function reload(variant: Variant): Promise<void> {
    edgesNow = edgesOf(variant)
    const edges = yamlOf(edgesNow).replaceAll(/^/gm, '  ')
    const yaml = `domain: localhost\npublic_url: http://relay.localhost:${port}\nlisten: { http: "127.0.0.1:0" }\nedges:\n${edges}`
    await stack.relay.reload(parseConfig(yaml, { source: 'test', env: {} }))
  }

  // ── visitors ───────────────────────────────────────────────────────────────────────────────────────────────────────

  let count = 0

  /** Begins an exchange that lasts. Resolves when the app has it and the visitor has the head of the answer. */
  async function come(
    way: Way,
    name: string,
    { headers = {}, path = '/' }: { headers?: OutgoingHttpHeaders; path?: string } = {},
  ): Promise<Guest> {
    const target = `${path}${path.endsWith('/') ? '' : '/'}${++count}`
    const guest = begin(way, `${name}.localhost`, target, headers)
    guests.push(guest)
    await until(`${way} at ${name}`, () => atApp.has(target) && /half|101 Switching|:status 200/.test(guest.received()))
    return guest
  }

  function begin(way: Way, host: string, target: string, headers: OutgoingHttpHeaders): Guest {
    const about = { name: target, openedAt: performance.now() }
    if (way === 'HTTP/1.1' || way === 'a WebSocket') {
      const client = new RawClient(port)
      client.socket.on('error', () => {}) // it is cut
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${String(value)}`)
      const plain = [`GET ${target} HTTP/1.1`, `Host: ${host}`, ...lines, '', ''].join('\r\n')
      client.write(way === 'HTTP/1.1' ? plain : webSocketRequest(host, lines, target))
      return { ...about, isOver: () => client.isOver, received: () => client.text, close: () => client.close() }
    }
    const session = connectHttp2(`http://127.0.0.1:${port}`)
    session.on('error', () => {})
    return { ...about, ...streamOf(session, way, { ':authority': host, ':path': target, ...headers }) }
  }

  function streamOf(
    session: ClientHttp2Session,
    way: Way,
    headers: OutgoingHttpHeaders,
  ): Pick<Guest, 'isOver' | 'received' | 'close'> {
    let [text, isOver] = ['', false]
    const webSocket = {
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':scheme': 'http',
      'sec-websocket-version': '13',
    }
    session.once('remoteSettings', () => {
      const stream = session.request(way === 'HTTP/2' ? headers : { ...webSocket, ...headers })
      stream.on('error', () => {}) // it is cut
      stream.on('response', (head) => (text += `:status ${head[':status']} `))
      stream.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
      stream.on('close', () => (isOver = true))
    })
    return { isOver: () => isOver, received: () => text, close: () => session.destroy() }
  }

  const comeAll = (
    ways: readonly Way[],
    ...more: [string, { headers?: OutgoingHttpHeaders; path?: string }?]
  ): Promise<Guest[]> => Promise.all(ways.map((way) => come(way, ...more)))

  const isCut = (guest: Guest): boolean => guest.isOver() && atApp.get(guest.name)?.destroyed === true
  const areCut = (some: readonly Guest[], what: string): Promise<void> =>
    until(`${what} are cut, on both sides`, () => some.every(isCut))

  /** Bytes of the app still get to each visitor. */
  async function areOpen(some: readonly Guest[], what: string): Promise<void> {
    const words = `still here ${++count};`
    for (const { name } of some) atApp.get(name)?.write(words)
    await until(`${what} are open, on both sides`, () =>
      some.every((guest) => !guest.isOver() && guest.received().includes(words)),
    )
  }

  const ageOf = (some: readonly Guest[]): number =>
    performance.now() - Math.max(...some.map(({ openedAt }) => openedAt))

  // ── tests ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  it('without a session: upgrades are cut at once, long answers when their time is up; ordinary ones finish', async () => {
    const headers = { authorization: basic('first') }
    const [plain, upgraded, other, same, front] = await Promise.all([
      comeAll(['HTTP/1.1', 'HTTP/2'], 'pass', { headers }),
      comeAll(UPGRADES, 'pass', { headers }),
      comeAll(WAYS, 'pass', { headers, path: '/other' }),
      comeAll(WAYS, 'same', { headers }),
      comeAll(WAYS, 'front'),
    ])
    const short = await come('HTTP/1.1', 'pass', { headers })
    const lines = stack.log.length
    await reload({
      pass: policy(password('second')),
      other: { backend: GONE, allow_upgrades: ['spdy/3.1'], ...policy(password('first'), addHeader('2')) },
    })
    const response = atApp.get(short.name) as ServerResponse
    response.end('whole')
    await until('the short answer', () => /half, [^]*whole/.test(short.received()))
    await areCut(upgraded, 'WebSockets')
    if (ageOf(plain) < GRACE_MS) assert.ok(!plain.some((guest) => guest.isOver()), 'a young answer may go on')
    await areCut(plain, 'answers')
    assert.ok(ageOf(plain) >= GRACE_MS)
    await areOpen([...other, ...same, ...front], 'exchanges of routes with the same rules')
    const told = stack.log.slice(lines).filter((line) => line.includes('"detail":"the policy has changed"'))
    assert.equal(told.length, plain.length + upgraded.length)
    for (const line of told) assert.match(line, /"host":"pass\.localhost".*"status":(200|101)/)
  })

  it('the sign-in of a signed-in visitor is asked: only visitors whom it refuses are cut', async () => {
    const friend = 'https://friend.example'
    await reload({ signIn: { allowed_origins: [friend] } })
    const origin = `http://in.localhost:${port}`
    const cookieOf = async (email: string): Promise<OutgoingHttpHeaders> => {
      provider.behave.idToken = () => provider.idToken({ sub: email, email })
      const browser = new Browser()
      assert.equal((await browser.open(`${origin}/`)).body, 'the app')
      return { cookie: browser.cookieHeader(origin) }
    }
    const [adas, eves] = [await cookieOf('ada@example.com'), await cookieOf('eve@example.com')]
    const ada = await comeAll(WAYS, 'in', { headers: adas })
    const eve = await comeAll(WAYS, 'in', { headers: eves })
    const fromFriend = await comeAll(UPGRADES, 'in', { headers: { ...adas, origin: friend } })
    await reload({ signIn: { allowed_origins: [friend], allow: { emails: ['ada@example.com'] } } })
    await areCut(eve, 'exchanges of eve')
    await areOpen([...ada, ...fromFriend], 'exchanges of ada')
    await reload({ signIn: { allow: { emails: ['ada@example.com'] } } })
    await areCut(fromFriend, 'WebSockets from a page elsewhere')
    await areOpen(ada, 'other exchanges of ada')
    await reload({ signIn: { allow: { emails: ['bob@example.com'] } } })
    await areCut(ada, 'exchanges of ada')
    assert.ok(
      stack.log.some((line) => line.includes('"detail":"the policy has changed, and does not admit this session"')),
    )
  })

  it('an edge that is removed cuts everything after a while; one that comes back meanwhile, nothing', async () => {
    const headers = { authorization: basic('first') }
    const [pass, back] = await Promise.all([comeAll(WAYS, 'pass', { headers }), comeAll(WAYS, 'back')])
    await sleep(Math.max(0, GRACE_MS - ageOf(pass))) // a long-running exchange gets as much time
    const removedAt = performance.now()
    await reload({ without: ['edg_pass', 'edg_back'] })
    await sleep(500) // a look
    assert.ok(![...pass, ...back].some((guest) => guest.isOver()))
    await reload({ without: ['edg_pass'] })
    await areCut(pass, 'exchanges of the removed edge')
    assert.ok(performance.now() - removedAt >= GRACE_MS)
    await areOpen(back, 'those of the other edge')
    assert.ok(stack.log.some((line) => line.includes('"detail":"its edge does not serve it any more"')))
  })

  it('counts the policy of an internal endpoint, a new route below the old one, and a policy that was still running', async () => {
    const headers = { authorization: basic('first') }
    const [front, below, beside] = await Promise.all([
      comeAll(UPGRADES, 'front'),
      comeAll(UPGRADES, 'pass', { headers, path: '/below/it' }),
      comeAll(UPGRADES, 'pass', { headers }),
    ])
    const late = begin('a WebSocket', 'asking.localhost', '/late', {})
    guests.push(late)
    await until('the policy asks', () => isAsked)
    await reload({ inner: policy({ type: 'deny' }), asking: policy({ type: 'deny' }), below: true })
    await areCut([...front, ...below], 'WebSockets')
    assert.ok(!late.isOver() && !atApp.has('/late'))
    release()
    await until('the late one', () => atApp.has('/late'))
    await areCut([late], 'those of a policy that ran during the change')
    await areOpen(beside, 'those of the old route')
  })
})
