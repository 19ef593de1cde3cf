// Edges that are swapped while visitors come, again and again: visitors notice nothing, and no part of an edge is left
// behind. A whole relay, an agent, a provider and an issuer of tokens in this process, so that the test can inspect its
// heap. `npm test` swaps a thousand edges, `npm run test:long` ten thousand and more.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { get as httpGet } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

import { ConfiguredEdges } from '../../packages/server/src/edge/configured-edges.ts'
import { EdgeBook } from '../../packages/server/src/edge/edge-book.ts'
import type { Edge } from '../../packages/server/src/edge/edge.ts'
import { startHostileProvider } from '../../packages/server/src/oidc/hostile-provider.test-support.ts'
import type { HostileProvider } from '../../packages/server/src/oidc/hostile-provider.test-support.ts'
import type { Registration } from '../../packages/server/src/oidc/registration/registration.ts'
import { Registrations } from '../../packages/server/src/oidc/registrations.ts'
import type {
  EdgeConfig,
  FailoverBackendConfig,
  RouteConfig,
  StickyConfig,
  WeightedBackendConfig,
} from '../../packages/server/src/model/edge-config.ts'
import type { Labels } from '@sallyport/protocol'
import { parseConfig } from '@sallyport/server'

import { Browser } from '../support/browser/browser.ts'
import { TokenIssuer } from '../support/identity-provider/token-issuer.ts'
import { Load } from '../support/load.ts'
import { freePort } from '../support/processes.ts'
import { httpApp, startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { until, within } from '../support/until.ts'

const SWAPS = Number(process.env.SALLYPORT_SWAPS ?? 1000)
const SETS_AT_ONCE = 5 // in one turn of the event loop
const VARIANTS = 7
const HEAP_MAX_BYTES = 4 * 1024 * 1024 // it settles about two MiB higher, however many are swapped

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/**
 * Reports the calls of a class's method. Unlike node:test's mock, it keeps none of them: they would count as left
 * behind.
 */
function watch<T extends object, Of extends unknown[]>(
  prototype: T,
  name: keyof T,
  tell: (self: T, ...of: Of) => void,
): () => void {
  const original = prototype[name] as (...of: Of) => void // as typed by `tell`
  const watched = function (this: T, ...of: Of): void {
    tell(this, ...of)
    original.apply(this, of)
  }
  Object.assign(prototype, { [name]: watched })
  return () => void Object.assign(prototype, { [name]: original })
}

/** The objects made for edges, each noted when it was made, and how many of them still exist. */
class Made {
  readonly #refs = new Map<string, WeakRef<object>[]>()

  note(kind: string, made: object): void {
    const refs = this.#refs.get(kind)
    if (refs) refs.push(new WeakRef(made))
    else this.#refs.set(kind, [new WeakRef(made)])
  }

  noteEdge(edge: Edge): void {
    this.note('edges', edge)
    for (const { selection } of edge.groups) this.note('selections', selection)
    for (const { policy, backend } of edge.routes) {
      this.note('policies', policy)
      this.note('backends', backend)
      this.note('retry budgets', backend.budget)
    }
  }

  /** The objects that are alive after a collection, each once. */
  count(): Record<string, number> {
    collectGarbage()
    for (const [kind, refs] of this.#refs) {
      const alive = new Set(refs.map((ref) => ref.deref()).filter((each) => each !== undefined))
      this.#refs.set(
        kind,
        Array.from(alive, (each) => new WeakRef(each)),
      )
    }
    return Object.fromEntries(Array.from(this.#refs, ([kind, { length }]) => [kind, length]))
  }
}

/** Running intervals, including those that keep no process alive. */
class Intervals {
  readonly running = new Set<unknown>()
  readonly #restore: () => void

  constructor() {
    const [begin, end] = [globalThis.setInterval, globalThis.clearInterval]
    globalThis.setInterval = ((...of: Parameters<typeof setInterval>) => {
      const interval = begin(...of)
      this.running.add(interval)
      return interval
    }) as typeof setInterval
    globalThis.clearInterval = (interval) => {
      this.running.delete(interval)
      end(interval)
    }
    this.#restore = () => Object.assign(globalThis, { setInterval: begin, clearInterval: end })
  }

  close(): void {
    this.#restore()
  }
}

describe('edges that are swapped (the house, 4)', { timeout: 600_000 }, () => {
  let stack: Stack
  let issuer: TokenIssuer
  let provider: HostileProvider
  let port: number
  let book: EdgeBook
  let configured: ConfiguredEdges
  let variants: EdgeConfig[][]
  const made = new Made()
  const intervals = new Intervals()
  /** Requests that the app has begun to answer, and continues when told to. */
  const held: ServerResponse[] = []
  const restoring = [
    watch(EdgeBook.prototype, 'set', (self, _: unknown, edges: readonly Edge[]) => {
      book = self
      const known = new Set(self.known())
      for (const edge of edges) if (!known.has(edge)) made.noteEdge(edge)
    }),
    // They are swapped here as in the relay.
    watch(ConfiguredEdges.prototype, 'set', (self) => (configured = self)),
    watch(Registrations.prototype, 'publish', (_, __: unknown, registrations: readonly Registration[]) => {
      for (const registration of registrations) {
        made.note('sign-ins', registration)
        made.note('providers', registration.provider)
      }
    }),
  ]

  before(async () => {
    ;[port, issuer, provider] = await Promise.all([freePort(), TokenIssuer.start(), startHostileProvider()])
    const app = httpApp((request, response) => {
      response.write(String(request.headers['x-version']))
      if (request.url === '/held') held.push(response)
      else response.end()
    })
    // The rules of the held requests change; so they must not get old enough to be cut.
    stack = await startStack({ port, app, edges: edgesOf(0), recheckGraceMs: 3_600_000 })
    variants = Array.from({ length: VARIANTS }, (_, variant) => configOf(variant))
  })
  after(async () => {
    await stack.close()
    await provider.close()
    issuer.close()
    for (const restore of restoring) restore()
    intervals.close()
  })

  /** Four edges that differ between variants, and one that does not. */
  function edgesOf(variant: number): string {
    const version = { type: 'add-headers', config: { headers: { 'x-version': `of ${variant}` } } }
    const policy = (...actions: object[]): object => ({ on_http_request: [{ actions: [...actions, version] }] })
    const labels = { edge: 'edg_app' }
    const gone = { edge: 'edg_gone' }
    const edges = [
      {
        id: 'edg_open',
        hosts: ['open.localhost', `v${variant}.localhost`],
        routes: [
          {
            path_prefix: '/',
            backend: {
              weighted: [
                { backend: { labels }, weight: 9 },
                { backend: { labels: gone }, weight: 1 },
              ],
              sticky: { cookie: 'pin' },
            },
            policy: policy({ type: 'restrict-ips', config: { allow: ['127.0.0.0/8', `10.0.0.${variant}`] } }),
          },
          { exact_path: '/other', backend: { failover: [{ labels: gone }, { fixed_response: { status: 204 } }] } },
        ],
      },
      {
        id: 'edg_password',
        hosts: ['password.localhost'],
        backend: { labels },
        policy: policy({ type: 'basic-auth', config: { credentials: ['ada:a long password'] } }),
      },
      {
        id: 'edg_token',
        hosts: ['token.localhost'],
        backend: { labels },
        policy: policy({
          type: 'jwt-validation',
          config: {
            issuer: { allow_list: [{ value: issuer.url }] },
            audience: { allow_list: [{ value: 'api://docs' }] },
          },
        }),
      },
      {
        id: 'edg_sign_in',
        hosts: ['sign-in.localhost'],
        backend: { labels },
        policy: policy({
          type: 'openid-connect',
          config: { issuer_url: provider.issuer, client_id: 'relay', client_secret: 'a secret of some length' },
        }),
      },
      { id: 'edg_same', hosts: ['same.localhost'], backend: { labels } },
    ]
    return edges.map((edge) => `- ${JSON.stringify(edge)}`).join('\n') // JSON is YAML
  }

  function configOf(variant: number): EdgeConfig[] {
    const edges = edgesOf(variant).replaceAll(/^/gm, '  ')
    const yaml = `domain: localhost\npublic_url: http://relay.localhost:${port}\nlisten: { http: "127.0.0.1:0" }\nedges:\n${edges}`
    return [...parseConfig(yaml, { source: 'test', env: {} }).edges]
  }

  /** Has the first edge ask for labels that no edge has asked for before. */
  function withGoneLabels([open, ...others]: EdgeConfig[], labels: Labels): EdgeConfig[] {
    const [first, other] = open!.routes as [RouteConfig, RouteConfig]
    const { weighted, sticky } = first.backend as WeightedBackendConfig & { sticky: StickyConfig }
    const { failover } = other.backend as FailoverBackendConfig
    const [lasting, gone] = [weighted[0]!, { ...weighted[1]!, backend: { labels } }]
    const routes = [
      { ...first, backend: { weighted: [lasting, gone], sticky } },
      { ...other, backend: { failover: [{ labels }, failover[1]!] } },
    ]
    return [{ ...open!, routes }, ...others]
  }

  const originOf = (name: string): string => `http://${name}.localhost:${port}`

  /** Sends a request that the app holds, and waits for the head of the answer. */
  async function hold(name: string, headers: Record<string, string>): Promise<IncomingMessage> {
    const host = `${name}.localhost`
    const request = httpGet({ port, host: '127.0.0.1', path: '/held', headers: { ...headers, host }, agent: false })
    const [response] = (await within(`an answer of ${name}`, once(request, 'response'))) as [IncomingMessage]
    assert.equal(response.statusCode, 200)
    return response
  }

  /**
   * Swaps edges with variants up to a total number, a few in one turn of the event loop.
   * @param between called between two turns
   */
  async function swap(count: number, between: (turn: number) => Promise<void>): Promise<void> {
    const sets = Math.ceil(count / (variants[0]!.length - 1))
    for (let set = 1; set <= sets; set++) {
      configured.set(withGoneLabels(variants[set % VARIANTS]!, new Map([['edge', `edg_gone_${set}`]])))
      if (set % SETS_AT_ONCE === 0) await between(set / SETS_AT_ONCE)
    }
    configured.set(variants[0]!)
  }

  /** The remaining objects of edges, and running intervals. */
  const count = (): Record<string, number> => ({ ...made.count(), intervals: intervals.running.size })

  it(`${SWAPS} of them, under load, leave nothing behind, unnoticed by visitors`, async () => {
    const warnings: string[] = []
    const onWarning = (warning: Error): void => void warnings.push(`${warning.name}: ${warning.message}`)
    process.on('warning', onWarning)
    const browser = new Browser()
    assert.equal((await browser.open(`${originOf('sign-in')}/`)).body, 'of 0', 'signed in')
    const credentials: Record<string, Record<string, string>> = {
      open: {},
      password: { authorization: `Basic ${Buffer.from('ada:a long password').toString('base64')}` },
      token: { authorization: `Bearer ${await issuer.token({ exp: Math.floor(Date.now() / 1000) + 3600 })}` },
      'sign-in': { cookie: browser.cookieHeader(originOf('sign-in')) },
      same: {},
    }
    const names = Object.keys(credentials)
    const visitAll = (): Load[] =>
      names.map((name) => new Load({ origin: originOf(name), visitors: 2, headers: credentials[name]! }))

    const play = async (swaps: number): Promise<void> => {
      const loads = visitAll()
      await Promise.all(loads.map((load) => load.more(4)))
      const waiting = await Promise.all(names.map((name) => hold(name, credentials[name]!)))
      await swap(swaps, (turn) => loads[turn % loads.length]!.more(1))
      await Promise.all(loads.map((load) => load.more(4)))
      for (const response of held.splice(0)) response.end(', held')
      const [open, ...others] = await Promise.all(waiting.map((response) => text(response)))
      assert.match(open!, /^of \d, held$/)
      assert.ok(
        others.every((body) => body.endsWith(', held')),
        'what was under way ends as it began',
      )
      for (const [index, load] of loads.entries()) {
        const answers = new Set((await load.stop()).map(({ status, body }) => `${status} ${body.replace(/\d/, 'x')}`))
        assert.deepEqual([...answers], [names[index] === 'same' ? '200 undefined' : '200 of x'], names[index])
      }
      stack.log.length = 0
      issuer.asked.length = 0
    }

    const sameEdge = (): Edge | undefined => [...book.known()].find(({ id }) => id === 'edg_same')
    const same = sameEdge()
    await play(40) // afterwards objects that are made once, and compiled code, exist
    await play(40)
    let usual: Record<string, number> = {}
    await until('what the first swaps have left is gone', () => (usual = count())['edges'] === variants[0]!.length, {
      pauseMs: 100,
    })
    const heap = process.memoryUsage().heapUsed
    await play(SWAPS)

    const more = (): string[] => {
      const now = count()
      const kinds = Object.keys(now).filter((kind) => now[kind]! > usual[kind]!)
      return kinds.map((kind) => `${now[kind]} ${kind}, not ${usual[kind]}`)
    }
    let left = more()
    await until('nothing of swapped edges is left', () => (left = more()).length === 0, {
      pauseMs: 100,
      deadlineMs: 10_000,
    }).catch((error: unknown) => assert.fail(`${String(error)}: ${left.join('; ')}`))
    const grown = process.memoryUsage().heapUsed - heap
    assert.ok(grown < HEAP_MAX_BYTES, `the heap has grown by ${grown} bytes`)
    assert.deepEqual(warnings, [], 'of listeners, for example')
    process.off('warning', onWarning)
    assert.equal(sameEdge(), same, 'an edge that is configured as before is the same')
    const now = [...book.known()]
    configured.set(configOf(0))
    assert.deepEqual(
      [...book.known()].map((edge, index) => edge === now[index]),
      Array(5).fill(true),
      'read anew',
    )
    assert.equal((await browser.fetch(`${originOf('sign-in')}/`)).body, 'of 0', 'the session is there still')
  })
})
