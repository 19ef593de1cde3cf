import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { Balancer } from './balancer.ts'
import type { Candidate } from './balancer.ts'

interface Fake extends Candidate {
  name: string
  inFlight: number
  lasting: number
}

function tunnel(name: string, state: Partial<Fake> = {}): Fake {
  return {
    name,
    inFlight: 0,
    lasting: 0,
    isOnline: true,
    isNear: state.isOnline ?? true,
    isWell: true,
    weight: 1,
    ...state,
  }
}

/** How often each one is picked. */
function shares(balancer: Balancer<Fake>, tunnels: readonly Fake[], picks: number): Record<string, number> {
  const counts: Record<string, number> = {}
  for (let pick = 0; pick < picks; pick++) {
    const name = balancer.pick(tunnels, 'well')?.name ?? 'nobody'
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}

const names = (balancer: Balancer<Fake>, tunnels: readonly Fake[], picks: number): string[] =>
  Array.from({ length: picks }, () => balancer.pick(tunnels, 'well')?.name ?? 'nobody')

describe('Balancer: fewest in flight', () => {
  it('takes idle tunnels in turn', () => {
    assert.deepEqual(names(new Balancer(), [tunnel('a'), tunnel('b'), tunnel('c')], 6), ['a', 'b', 'c', 'a', 'b', 'c'])
  })

  it('takes the one with the fewest exchanges in flight', () => {
    const tunnels = [tunnel('a', { inFlight: 3 }), tunnel('b', { inFlight: 1 }), tunnel('c', { inFlight: 2 })]
    assert.equal(new Balancer<Fake>().pick(tunnels, 'well')?.name, 'b')
  })

  it('shares ties in turn', () => {
    assert.deepEqual(names(new Balancer(), [tunnel('a', { inFlight: 2 }), tunnel('b', { inFlight: 2 })], 2), ['a', 'b'])
  })

  it('leaves out tunnels that are offline or were tried', () => {
    const [a, b, c] = [tunnel('a', { isOnline: false }), tunnel('b'), tunnel('c', { inFlight: 5 })]
    assert.equal(new Balancer<Fake>().pick([a, b, c], 'well', new Set([b]))?.name, 'c')
    assert.equal(new Balancer<Fake>().pick([a, b, c], 'any', new Set([b, c])), undefined)
    assert.equal(new Balancer<Fake>().pick([], 'any'), undefined)
  })

  it('takes a tunnel whose app is down only if any will do', () => {
    const tunnels = [tunnel('a', { isWell: false }), tunnel('b', { isOnline: false })]
    assert.equal(new Balancer<Fake>().pick(tunnels, 'well'), undefined)
    assert.equal(new Balancer<Fake>().pick(tunnels, 'any')?.name, 'a')
  })

  it('keeps the turns when tunnels leave', () => {
    const balancer = new Balancer<Fake>()
    const tunnels = [tunnel('a'), tunnel('b'), tunnel('c')]
    names(balancer, tunnels, 3)
    assert.equal(balancer.pick(tunnels.slice(0, 1), 'well')?.name, 'a')
  })

  it('counts exchanges in flight against the weight', () => {
    const tunnels = [tunnel('a', { weight: 3, inFlight: 3 }), tunnel('b', { weight: 1, inFlight: 2 })]
    assert.equal(new Balancer<Fake>().pick(tunnels, 'well')?.name, 'a')
    tunnels[0]!.inFlight = 9
    assert.equal(new Balancer<Fake>().pick(tunnels, 'well')?.name, 'b')
  })

  it('shares one request after another by weight, well mixed', () => {
    const tunnels = [tunnel('a', { weight: 3 }), tunnel('b', { weight: 1 })]
    const balancer = new Balancer<Fake>()
    assert.deepEqual(names(balancer, tunnels, 4), ['a', 'a', 'b', 'a'])
    assert.deepEqual(shares(balancer, tunnels, 400), { a: 300, b: 100 })
  })

  it('keeps exchanges in flight in proportion to the weights', () => {
    const tunnels = [tunnel('a', { weight: 5 }), tunnel('b', { weight: 2 }), tunnel('c')]
    const balancer = new Balancer<Fake>()
    for (let count = 0; count < 80; count++) balancer.pick(tunnels, 'well')!.inFlight += 1
    assert.deepEqual(
      tunnels.map(({ inFlight }) => inFlight),
      [50, 20, 10],
    )
  })
})

describe('B15: long exchanges are counted separately', () => {
  it('B15: a request goes to the tunnel with the fewest requests, however many WebSockets it has', () => {
    const tunnels = [tunnel('a', { lasting: 50 }), tunnel('b')]
    assert.deepEqual(shares(new Balancer(), tunnels, 40), { a: 20, b: 20 })
    tunnels[1]!.inFlight = 1
    assert.equal(new Balancer<Fake>().pick(tunnels, 'well')?.name, 'a')
  })

  it('B15: a WebSocket goes to the tunnel with the fewest WebSockets, however many requests it has', () => {
    const tunnels = [tunnel('a', { lasting: 5 }), tunnel('b', { inFlight: 50 })]
    const balancer = new Balancer<Fake>()
    for (let opened = 0; opened < 9; opened++) balancer.pick(tunnels, 'well', undefined, true)!.lasting += 1
    assert.deepEqual([tunnels[0]!.lasting, tunnels[1]!.lasting], [7, 7])
  })

  it('B15: by weight as well', () => {
    const tunnels = [tunnel('a', { lasting: 50, weight: 3 }), tunnel('b')]
    assert.deepEqual(shares(new Balancer(), tunnels, 40), { a: 30, b: 10 })
    assert.equal(new Balancer<Fake>().pick(tunnels, 'well', undefined, true)?.name, 'b')
  })
})

describe('Balancer: weight 0', () => {
  it('is a standby: it serves only if no other can', () => {
    const [a, b] = [tunnel('a'), tunnel('b', { weight: 0 })]
    const balancer = new Balancer<Fake>()
    assert.deepEqual(shares(balancer, [a, b], 50), { a: 50 })
    assert.equal(balancer.pick([a, b], 'well', new Set([a]))?.name, 'b')
    assert.deepEqual(shares(balancer, [tunnel('a', { isWell: false }), b], 10), { b: 10 })
  })

  it('makes no difference if all have it', () => {
    const tunnels = [tunnel('a', { weight: 0 }), tunnel('b', { weight: 0 })]
    assert.deepEqual(names(new Balancer(), tunnels, 3), ['a', 'b', 'a'])
    assert.deepEqual(names(new Balancer('random'), tunnels, 3), ['a', 'b', 'a'])
  })
})

describe('Balancer: round robin', () => {
  it('takes the next, however many exchanges it has in flight', () => {
    const tunnels = [tunnel('a', { inFlight: 9 }), tunnel('b'), tunnel('c')]
    assert.deepEqual(names(new Balancer('round_robin'), tunnels, 4), ['a', 'b', 'c', 'a'])
  })

  it('gives each its turns by weight, and spreads them', () => {
    const tunnels = [tunnel('a', { weight: 5, inFlight: 9 }), tunnel('b'), tunnel('c')]
    assert.deepEqual(names(new Balancer('round_robin'), tunnels, 7), ['a', 'a', 'b', 'a', 'c', 'a', 'a'])
  })

  it('skips tunnels that cannot serve', () => {
    const tunnels = [tunnel('a'), tunnel('b', { isWell: false }), tunnel('c', { isOnline: false }), tunnel('d')]
    assert.deepEqual(shares(new Balancer('round_robin'), tunnels, 10), { a: 5, d: 5 })
  })
})

describe('Balancer: random', () => {
  it('draws by weight', () => {
    const draws = [0, 0.59, 0.6, 0.79, 0.8, 0.99]
    const balancer = new Balancer<Fake>('random', () => draws.shift() ?? 0)
    const tunnels = [tunnel('a', { weight: 3 }), tunnel('b'), tunnel('c')]
    assert.deepEqual(names(balancer, tunnels, 6), ['a', 'a', 'b', 'b', 'c', 'c'])
  })

  it('draws among those that can serve', () => {
    const tunnels = [tunnel('a', { isWell: false, weight: 100 }), tunnel('b')]
    assert.deepEqual(shares(new Balancer('random'), tunnels, 20), { b: 20 })
  })
})
