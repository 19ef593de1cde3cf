import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it, mock } from 'node:test'

import { createLog } from '../../log.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { PolicyConfig } from '../../model/edge-config.ts'
import type { LiveSession, SessionGate, SessionUse } from '../../session/live-session.ts'
import { Edge } from '../edge.ts'
import type { EdgeInit } from '../edge.ts'
import { EdgeBook } from '../edge-book.ts'
import { EdgeTable } from '../edge-table.ts'
import type { Route } from '../route.ts'
import { Recheck } from './recheck.ts'

const GRACE_MS = 10_000
const STEP_MS = 50
const OPEN: PolicyConfig = { on_http_request: [], on_http_response: [] }

function edgeOf(
  id: string,
  hosts: string[],
  more: Partial<EdgeInit> & { policy?: PolicyConfig; path?: string; gates?: Route['gates'] } = {},
): Edge {
  const config = {
    path_prefix: more.path ?? '/',
    policy: more.policy ?? OPEN,
    backend: { labels: new Map([['a', 'b']]) },
  }
  const { gates } = more
  const route = { config, gates, policy: (_: Exchange, forward: () => Promise<void>) => forward() }
  return new Edge({ id, hosts, originOf: (host) => `http://${host}`, routes: [route as unknown as Route], ...more }) // its backend is not asked
}

describe('Recheck', () => {
  let now: number
  let book: EdgeBook
  let recheck: Recheck
  const underWay = new Set<Exchange>()
  const uses = new Set<[LiveSession, SessionUse]>()
  const cuts: string[] = []

  beforeEach(() => {
    now = 1_000_000
    mock.method(performance, 'now', () => now)
    mock.timers.enable({ apis: ['setTimeout'] })
    book = new EdgeBook(new EdgeTable())
    recheck = new Recheck({
      book,
      forwarder: { underWay: () => underWay.values(), noteChange: () => {}, whenLate: () => {} } as never, // it walks only
      sessionUses: () => uses.values(),
      log: createLog({ level: 'silent' }),
      onFault: (thrown) => assert.fail(String(thrown)),
    })
  })
  afterEach(() => {
    recheck.close()
    underWay.clear()
    uses.clear()
    cuts.length = 0
    mock.timers.reset()
    mock.restoreAll()
  })

  function come(edge: Edge, host: string, { path = '/', upgrade = false } = {}): Exchange {
    const exchange = {
      host,
      visitorTarget: path,
      startedAt: now,
      route: edge.routeFor(path),
      routes: edge,
      cutReason: undefined as Error | undefined,
      upgrade: upgrade ? {} : undefined,
      cut(reason: Error) {
        this.cutReason = reason
        cuts.push(`${host}${path}: ${reason.message}`)
      },
    }
    const seen = exchange as unknown as Exchange // a look reads only this
    underWay.add(seen)
    return seen
  }

  function pass(ms: number): void {
    for (let left = ms; left > 0; left -= STEP_MS) {
      now += STEP_MS
      mock.timers.tick(STEP_MS)
    }
  }

  it('cuts exchanges of a closed edge, of a host that another edge has, and of a path that leads nowhere', () => {
    const [one, two, three] = [
      edgeOf('edg_1', ['1.example']),
      edgeOf('edg_2', ['2.example', '3.example']),
      edgeOf('edg_4', ['4.example']),
    ]
    book.set('store', [one, two, three])
    come(one, '1.example')
    come(two, '2.example', { upgrade: true })
    come(two, '3.example')
    come(three, '4.example', { path: '/x' })
    come(three, '4.example', { path: '/y/z' })
    pass(GRACE_MS)
    book.put('store', edgeOf('edg_1', ['1.example'], { closed: 'disabled' }))
    book.put('store', edgeOf('edg_2', ['2.example']))
    book.put('file', edgeOf('edg_3', ['3.example']))
    book.put('store', edgeOf('edg_4', ['4.example'], { path: '/y' }))
    pass(GRACE_MS)
    assert.deepEqual(cuts, [], 'a look comes somewhat later than the change')
    pass(1000)
    const lost = 'its edge does not serve it any more'
    assert.deepEqual(cuts, [`1.example/: ${lost}`, `3.example/: ${lost}`, `4.example/x: ${lost}`])
  })

  it('asks the sign-in at the same place; the session is subject to that one from then on', () => {
    const scope = 'edg_1'
    const gateFor = (...groups: string[]): SessionGate => ({
      rules: { scope, idleMs: 1e6, maxMs: 1e6 },
      admits: ({ row }) => groups.includes(row.subject),
      takesOriginOf: () => true,
    })
    const config = (scopes: string[]): object => ({ issuer_url: 'https://idp.example', scopes })
    const signedIn = (scopes: string[], ...gates: SessionGate[][]): Edge => {
      const actions = gates.map(() => ({ type: 'openid-connect', config: config(scopes) }))
      const policy = { on_http_request: [{ actions }], on_http_response: [] } as unknown as PolicyConfig // nobody reads more
      return edgeOf('edg_1', ['1.example'], { policy, gates })
    }
    const first = [gateFor('ada', 'eve'), gateFor('ada', 'eve')] as const
    const edge = signedIn(['a'], [first[0]], [first[1]])
    book.put('file', edge)
    const timely = { created: Date.now(), lastSeen: Date.now(), expires: Infinity }
    const useOf = (subject: string): SessionUse => {
      const use = { exchange: come(edge, '1.example', { upgrade: true }), route: first[1], place: 0 }
      uses.add([{ scope, row: { subject }, ...timely } as LiveSession, use]) // a look reads only this
      return use
    }
    const [ada, eve] = [useOf('ada'), useOf('eve')]
    const [second, third] = [gateFor('ada'), gateFor('eve')]
    const present = signedIn(['b'], [gateFor()], [gateFor('bob'), second])
    book.put('file', present)
    pass(1000)
    assert.deepEqual(
      [eve.exchange.cutReason?.message, cuts.length],
      ['the policy has changed, and does not admit this session', 1],
    )
    assert.deepEqual([ada.route, ada.exchange.routes, ada.exchange.route], [second, present, present.routes[0]])
    book.put('file', signedIn(['c'], [gateFor('ada')], [third]))
    pass(1000)
    assert.equal(cuts.length, 2)
  })

  it('looks at nothing while edges stay, and once for many changes', () => {
    let looks = 0
    const edge = edgeOf('edg_1', ['1.example'])
    book.put('file', edge)
    pass(1000)
    come(edge, '1.example', { upgrade: true })
    mock.method(underWay, 'values', () => {
      looks++
      return new Set<Exchange>().values()
    })
    book.put('file', edge)
    pass(60_000)
    assert.equal(looks, 0)
    for (let change = 0; change < 100; change++) book.put('file', edgeOf('edg_1', ['1.example']))
    pass(60_000)
    assert.equal(looks, 1)
    recheck.close()
    book.close()
    pass(60_000)
    assert.equal(looks, 1)
  })
})
