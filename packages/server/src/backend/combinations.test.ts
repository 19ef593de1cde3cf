// Failover and weighted backends over fakes: which ones are asked, in which order.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import type { Tunnel } from '../tunnel/tunnel.ts'
import type { Asked, Backend, Destination, Tier } from './backend.ts'
import { Failover } from './failover.ts'
import { FixedResponse } from './fixed-response.ts'
import { Weighted } from './weighted.ts'

const ASKED: Asked = { startedAt: 0, upgrade: undefined }

/** A group whose tunnels are names; a `!` marks an unhealthy tunnel. */
class FakeGroup implements Backend {
  tunnels: string[]
  constructor(...tunnels: string[]) {
    this.tunnels = tunnels
  }

  pick(_: Asked, tier: Tier, tried?: ReadonlySet<Tunnel>, pin?: string): Destination | undefined {
    const pinned = pin === undefined ? undefined : this.pickPinned(pin, tier, tried)
    return pinned ?? this.#open(tier, tried)[0]
  }

  pickPinned(pin: string, tier: Tier, tried?: ReadonlySet<Tunnel>): Tunnel | undefined {
    return this.#open(tier, tried).find((tunnel) => nameOf(tunnel) === pin)
  }

  holds(tunnel: Tunnel): boolean {
    return this.tunnels.includes(nameOf(tunnel))
  }

  note(): void {
    // Their answers do not matter here.
  }

  failingAt(): number {
    return 0
  }

  #open(tier: Tier, tried?: ReadonlySet<Tunnel>): Tunnel[] {
    const names = this.tunnels.filter((name) => tier === 'any' || !name.endsWith('!'))
    return names.map(fake).filter((tunnel) => !tried?.has(tunnel))
  }
}

const fakes = new Map<string, Tunnel>()
function fake(name: string): Tunnel {
  const known = fakes.get(name) ?? ({ id: name } as Tunnel) // only its name is read
  fakes.set(name, known)
  return known
}
const nameOf = (destination: Destination | undefined): string =>
  destination === undefined ? 'nothing' : destination instanceof FixedResponse ? 'fixed' : destination.id
const fixed = new FixedResponse({ status: 503, headers: {}, body: '' })

describe('Failover', () => {
  it('stays with the first while it has a tunnel that works', () => {
    const failover = new Failover([new FakeGroup('a!', 'b'), new FakeGroup('c')])
    assert.equal(nameOf(failover.pick(ASKED, 'well')), 'b')
    assert.equal(nameOf(failover.pick(ASKED, 'well', new Set([fake('b')]))), 'c')
  })

  it('tries backends that are down in order, if none works', () => {
    const failover = new Failover([new FakeGroup('a!'), new FakeGroup('c!')])
    assert.equal(nameOf(failover.pick(ASKED, 'well')), 'nothing')
    assert.equal(nameOf(failover.pick(ASKED, 'any')), 'a!')
    assert.equal(nameOf(failover.pick(ASKED, 'any', new Set([fake('a!')]))), 'c!')
  })

  it('ends in a fixed response', () => {
    assert.equal(nameOf(new Failover([new FakeGroup('a!'), fixed]).pick(ASKED, 'well')), 'fixed')
  })

  it('returns to the first when it is back, even with stickiness', () => {
    const first = new FakeGroup()
    const failover = new Failover([first, new FakeGroup('c', 'd')])
    assert.equal(nameOf(failover.pick(ASKED, 'well', undefined, 'd')), 'd')
    first.tunnels = ['a']
    assert.equal(nameOf(failover.pick(ASKED, 'well', undefined, 'd')), 'a')
  })
})

describe('Weighted', () => {
  const draw = (branches: [Backend, number][], ...draws: number[]): Weighted =>
    new Weighted(
      branches.map(([backend, weight]) => ({ backend, weight })),
      () => draws.shift() ?? 0,
    )

  it('draws by weight', () => {
    const branches: [Backend, number][] = [
      [new FakeGroup('a'), 9],
      [new FakeGroup('b'), 1],
    ]
    const weighted = draw(branches, 0, 0.89, 0.9, 0.99)
    const picked = Array.from({ length: 4 }, () => nameOf(weighted.pick(ASKED, 'well')))
    assert.deepEqual(picked, ['a', 'a', 'b', 'b'])
  })

  it('gives the share of a branch without tunnels to the others, and nothing to one that is off', () => {
    const branches: [Backend, number][] = [
      [new FakeGroup('a!'), 80],
      [new FakeGroup('b'), 20],
      [new FakeGroup('off'), 0],
    ]
    assert.equal(nameOf(draw(branches, 0.1).pick(ASKED, 'well')), 'b')
    assert.equal(nameOf(draw(branches, 0.1).pick(ASKED, 'well', new Set([fake('b')]))), 'nothing')
    assert.equal(nameOf(draw(branches, 0.1).pick(ASKED, 'well', undefined, 'off')), 'b')
  })

  it('stays with the first branch of an exchange', () => {
    const branches: [Backend, number][] = [
      [new FakeGroup('a', 'a2'), 1],
      [new FakeGroup('b'), 99],
    ]
    assert.equal(nameOf(draw(branches, 0.9).pick(ASKED, 'well', new Set([fake('a')]))), 'a2')
    assert.equal(nameOf(draw(branches, 0).pick(ASKED, 'well', new Set([fake('a'), fake('a2')]))), 'b')
  })

  it('keeps a visitor with their tunnel, whichever branch it is in', () => {
    const branches: [Backend, number][] = [
      [new FakeGroup('a'), 99],
      [new FakeGroup('b', 'b2'), 1],
    ]
    assert.equal(nameOf(draw(branches).pick(ASKED, 'well', undefined, 'b2')), 'b2')
  })
})
