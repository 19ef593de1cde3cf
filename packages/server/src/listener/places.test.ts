import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it, mock } from 'node:test'

import { networkOf } from '../exchange/visitor/network-of.ts'
import { Places } from './places.ts'
import type { Place } from './places.ts'

const files = { connections: 40_000, visitors: 20_000, agents: 20_000, spare: 256 }

describe('places', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }))
  afterEach(() => mock.timers.reset())

  const make = (limits: { all?: number; perAddress?: number; agents?: number }, share = files) =>
    new Places({
      limits: {
        visitor_connections: limits.all ?? 1000,
        visitor_connections_per_address: limits.perAddress ?? 1000,
        agent_sessions: limits.agents ?? 1000,
      },
      files: share,
    })
  const enter = (places: Places, address: string, now = 0): Place => {
    const place = places.enter(networkOf(address), now)
    if (typeof place === 'string') assert.fail(place)
    return place
  }
  const kinds = (places: Places, addresses: readonly string[]): string[] =>
    addresses.map((address) => {
      const place = places.enter(networkOf(address), 0)
      return typeof place === 'string' ? place : place.kind
    })

  it('S13: count a /64 of IPv6 as one address, however its addresses are written', () => {
    const places = make({ perAddress: 2 })
    assert.deepEqual(kinds(places, ['2001:db8:0:1::1', '2001:db8::1:ffff:2:3:4', '2001:db8:0:1:9::']), [
      'visitor',
      'visitor',
      'trial',
    ])
    assert.deepEqual(kinds(places, ['2001:db8:0:2::1', '192.0.2.1']), ['visitor', 'visitor'])
  })

  it('S13: of one network hold no more than its share of trials, which returns no sooner than it should', () => {
    const places = make({ perAddress: 1 })
    enter(places, '192.0.2.1')
    const trials = Array.from({ length: 16 }, () => enter(places, '192.0.2.1'))
    assert.ok(trials.every(({ kind, limit }) => kind === 'trial' && limit === 'visitor_connections_per_address'))
    assert.equal(places.enter('192.0.2.1', 0), 'visitor_connections_per_address')
    assert.equal(enter(places, '192.0.2.2').kind, 'visitor', 'others are not meant')
    for (const place of trials) places.leave(place, 300)
    assert.equal(places.enter('192.0.2.1', 400), 'visitor_connections_per_address')
    mock.timers.tick(700)
    assert.equal(enter(places, '192.0.2.1', 1000).kind, 'trial')
  })

  it('let an agent in while visitors hold all places, and keep its place for agents', () => {
    const places = make({ all: 2 })
    const visitors = [enter(places, '192.0.2.1'), enter(places, '192.0.2.2')]
    const agent = enter(places, '192.0.2.3')
    assert.equal(agent.kind, 'trial')
    assert.equal(places.hasPlaceForAgent(agent), true)
    places.becomeAgent(agent)
    assert.equal(enter(places, '192.0.2.4').kind, 'trial')
    places.leave(agent, 10)
    assert.equal(enter(places, '192.0.2.5').kind, 'trial', 'visitors are as many as they may be')
    places.leave(visitors[0]!, 10)
    assert.equal(enter(places, '192.0.2.6').kind, 'visitor')
  })

  it('do not count agents as visitors of their address', () => {
    const places = make({ perAddress: 2, all: 3 })
    for (let i = 0; i < 50; i++) places.becomeAgent(enter(places, '192.0.2.1'))
    assert.deepEqual(kinds(places, ['192.0.2.1', '192.0.2.1', '192.0.2.1']), ['visitor', 'visitor', 'trial'])
  })

  it('keep visitors and agents below the open files, each with a separate share', () => {
    const share = { connections: 8, visitors: 6, agents: 6, spare: 4 }
    const places = make({}, share)
    for (let i = 0; i < 6; i++) assert.equal(enter(places, `192.0.2.${i}`).kind, 'visitor')
    const agents = [7, 8, 9].map((i) => enter(places, `192.0.2.${i}`))
    assert.deepEqual(
      agents.map(({ limit }) => limit),
      ['open_files', 'open_files', 'open_files'],
    )
    for (const place of agents.slice(0, 2)) places.becomeAgent(place)
    assert.equal(places.hasPlaceForAgent(agents[2]!), false)
    assert.equal(places.hasPlaceForAgent({ ...agents[2]!, kind: 'visitor' }), true, 'it has a file already')
  })

  it('forget networks that have left', () => {
    const places = make({ perAddress: 1 })
    const first = enter(places, '192.0.2.1')
    const second = enter(places, '192.0.2.1')
    places.leave(first, 0)
    places.leave(second, 5000)
    assert.equal(enter(places, '192.0.2.1').kind, 'visitor')
  })
})
