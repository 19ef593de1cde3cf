import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it, mock } from 'node:test'

import { createLog } from '../../log.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { PolicyConfig } from '../../model/edge-config.ts'
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
  more: Partial<EdgeInit> & { policy?: PolicyConfig; path?: string } = {},
): Edge {
  const config = {
    path_prefix: more.path ?? '/',
    policy: more.policy ?? OPEN,
    backend: { labels: new Map([['a', 'b']]) },
  }
  const route = { config, policy: (_: Exchange, forward: () => Promise<void>) => forward() }
  return new Edge({ id, hosts, originOf: (host) => `http://${host}`, routes: [route as unknown as Route], ...more }) // its backend is not asked
}

describe('Recheck', () => {
  let now: number
  let book: EdgeBook
  let recheck: Recheck
  const underWay = new Set<Exchange>()
  const cuts: string[] = []

  beforeEach(() => {
    now = 1_000_000
    mock.method(performance, 'now', () => now)
    mock.timers.enable({ apis: ['setTimeout'] })
    book = new EdgeBook(new EdgeTable())
    recheck = new Recheck({
      book,
      forwarder: { underWay: () => underWay.values(), noteChange: () => {}, whenLate: () => {} } as never, // it walks only
      sessionUses: () => [],
      log: createLog({ level: 'silent' }),
      onFault: (thrown) => assert.fail(String(thrown)),
    })
  })
  afterEach(() => {
    recheck.close()
    underWay.clear()
    cuts.length = 0
    mock.timers.reset()
    mock.restoreAll()
  })

  function come(edge: Edge, host: string, { path = '/', upgrade = false } = {}): void {
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
    underWay.add(exchange as unknown as Exchange) // a look reads only this
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
