import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import type { Offer } from './offer.ts'
import { Registry } from './registry.ts'
import type { Lane, LaneCarrier } from './tunnel.ts'

const LABELS = new Map([['edge', 'edg_docs']])

function session(state: Partial<LaneCarrier> = {}): LaneCarrier {
  return {
    id: 'ses',
    authtokenId: 'token',
    instanceId: 'agent',
    isResponsive: true,
    isGathering: false,
    isSilent: false,
    isLocal: true,
    openStream: () => assert.fail('no stream is opened here'),
    probe: () => {},
    confirm: async () => {},
    ...state,
  }
}

const offerOf = (fields: Partial<Offer> = {}): Offer => ({
  number: 1,
  labels: [['edge', 'edg_docs']],
  forwardsTo: 'http://localhost:8000',
  hostHeader: 'preserve',
  upstreamProtocol: 'http1',
  weight: 1,
  ...fields,
})

function join(registry: Registry, offer: Offer, carrier: LaneCarrier): Lane {
  return registry.join(offer, carrier, () => {}).lane
}

describe('Registry', () => {
  it('makes one tunnel of an agent’s offers on several connections, until the last one leaves', () => {
    const registry = new Registry()
    const selection = registry.select(LABELS)
    const lanes = [join(registry, offerOf(), session()), join(registry, offerOf(), session())]
    assert.equal(lanes[0]!.tunnel, lanes[1]!.tunnel)
    assert.deepEqual(selection.tunnels, [lanes[0]!.tunnel])
    lanes[0]!.retire()
    assert.equal(selection.tunnels.length, 1)
    assert.equal(lanes[0]!.tunnel.pickLane(), lanes[1])
    lanes[1]!.retire()
    assert.deepEqual(selection.tunnels, [])
    assert.equal(registry.tunnels.size, 0)
    assert.notEqual(join(registry, offerOf(), session()).tunnel, lanes[0]!.tunnel)
  })

  it('hardening: distinguishes selectors that look alike to people', () => {
    const registry = new Registry()
    const one = registry.select(new Map([['a', '1, b=2']]))
    const two = registry.select(
      new Map([
        ['a', '1'],
        ['b', '2'],
      ]),
    )
    const same = new Map([
      ['b', '2'],
      ['a', '1'],
    ])
    assert.notEqual(one, two)
    assert.equal(registry.select(same), two)
    join(registry, offerOf({ labels: [['a', '1, b=2']] }), session())
    assert.equal(one.tunnels.length, 1)
    assert.deepEqual(two.tunnels, [])
  })

  it('follows a selector until every user of its selection has given it back (the house, 4)', () => {
    const registry = new Registry()
    const selection = registry.select(LABELS)
    assert.equal(registry.select(new Map(LABELS)), selection)
    registry.release(LABELS)
    const { tunnel } = join(registry, offerOf(), session())
    assert.deepEqual(selection.tunnels, [tunnel], 'one of two is left')
    registry.release(LABELS)
    registry.release(LABELS)
    join(registry, offerOf({ number: 2 }), session())
    assert.equal(selection.tunnels.length, 1, 'nobody follows it any more')
    const again = registry.select(LABELS)
    assert.notEqual(again, selection)
    assert.equal(again.tunnels.length, 2)
  })

  it('finds the selections of a tunnel by any of its labels, in whatever order they are written', () => {
    const registry = new Registry()
    const selections = Array.from({ length: 100 }, (_, index) =>
      registry.select(
        new Map([
          ['zone', 'a'],
          ['edge', `edg_${index % 50}`],
        ]),
      ),
    )
    const byZone = registry.select(new Map([['zone', 'a']]))
    const joined = offerOf({
      labels: [
        ['edge', 'edg_7'],
        ['zone', 'a'],
      ],
    })
    const lane = join(registry, joined, session())
    const holding = (): number[] =>
      [...selections, byZone].flatMap(({ tunnels }, index) => (tunnels.length > 0 ? [index] : []))
    assert.deepEqual(holding(), [7, 57, 100])
    lane.retire()
    assert.deepEqual(holding(), [])
  })

  it('does not join offers that differ in agent, authtoken, number or content', () => {
    const registry = new Registry()
    const first = join(registry, offerOf(), session()).tunnel
    const others: [Offer, LaneCarrier][] = [
      [offerOf(), session({ instanceId: 'other' })],
      [offerOf(), session({ authtokenId: 'other' })],
      [offerOf({ number: 2 }), session()],
      [
        offerOf({
          labels: [
            ['edge', 'edg_docs'],
            ['a', 'b'],
          ],
        }),
        session(),
      ],
      [offerOf({ hostHeader: 'x' }), session()],
      [offerOf({ upstreamProtocol: 'http2' }), session()],
      [offerOf({ weight: 2 }), session()],
      [offerOf({ forwardsTo: 'http://localhost:8001' }), session()],
    ]
    for (const [offer, carrier] of others) assert.notEqual(join(registry, offer, carrier).tunnel, first)
    assert.equal(registry.tunnels.size, others.length + 1)
  })

  it('gives the same list until a tunnel of the selection comes or goes, then a new one', () => {
    const registry = new Registry()
    const selection = registry.select(LABELS)
    const first = join(registry, offerOf(), session())
    const before = selection.tunnels
    join(registry, offerOf({ number: 2, labels: [['edge', 'edg_other']] }), session())
    assert.equal(selection.tunnels, before)
    const second = join(registry, offerOf({ number: 3 }), session())
    assert.deepEqual(selection.tunnels, [first.tunnel, second.tunnel])
    first.retire()
    assert.deepEqual(selection.tunnels, [second.tunnel])
    assert.deepEqual(before, [first.tunnel], 'whoever goes through it is not disturbed')
    assert.deepEqual(registry.select(new Map([['edge', 'edg_other']])).tunnels.length, 1)
  })

  it('has a tunnel online while one of its lanes answers, and picks no silent lane', () => {
    const registry = new Registry()
    const carriers = [
      { ...session(), isResponsive: true },
      { ...session(), isResponsive: true },
    ]
    const [first, second] = carriers.map((carrier) => join(registry, offerOf(), carrier))
    const { tunnel } = first!
    carriers[0]!.isResponsive = false
    assert.equal(tunnel.isOnline, true)
    assert.equal(tunnel.pickLane(), second)
    carriers[1]!.isResponsive = false
    assert.equal(tunnel.isOnline, false)
    assert.throws(() => tunnel.pickLane(), { code: 'session_closed' })
  })
})
