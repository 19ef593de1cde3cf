import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { mergeTunnels } from './merge-answers.ts'
import { pageOf } from './page-of.ts'
import type { TunnelResource } from './resources.ts'

describe('pages for the operator (the first hour, 9)', () => {
  it('hold the first keys after a given one, in order, and keep entries of one key together', () => {
    const rows = ['d', 'b', 'a', 'c', 'b', 'e']
    const keyOf = (row: string): string => row
    assert.deepEqual(pageOf(rows, keyOf, { after: '', limit: 2 }), [['a'], ['b', 'b']])
    assert.deepEqual(pageOf(rows, keyOf, { after: 'b', limit: 2 }), [['c'], ['d']])
    assert.deepEqual(pageOf(rows, keyOf, { after: 'd', limit: 2 }), [['e']])
    assert.deepEqual(pageOf(rows, keyOf, { after: 'e', limit: 2 }), [])
  })

  it('of several workers are one list: nothing twice, nothing left out, whichever worker has it', () => {
    const ids = Array.from({ length: 100 }, (_, index) => `tun_${String(index * 7919).padStart(7, '0')}`)
    // Each tunnel is at one, two or all three of the workers.
    const workers = [0, 1, 2].map((worker) => ids.filter((_, index) => (index % 7) & (1 << worker)))
    const known = ids.filter((_, index) => index % 7 !== 0)
    for (const limit of [1, 3, 10, 99, 200]) {
      const read: TunnelResource[] = []
      for (let after: string | undefined = ''; after !== undefined;) {
        const wish = { after, limit }
        const pages = workers.map((all) => pageOf(all, (id) => id, wish).map(([id = '']) => tunnel(id, 1)))
        const { items, next } = mergeTunnels(pages, limit)
        read.push(...items)
        after = next
      }
      assert.deepEqual(
        read.map(({ id }) => id),
        known.toSorted(),
        `${limit} at a time`,
      )
      const holders = (id: string): number => workers.filter((all) => all.includes(id)).length
      for (const { id, in_flight } of read) assert.equal(in_flight, holders(id), 'what is open is added up')
    }
  })

  it('show the worst, last and first values of a tunnel among the workers', () => {
    const a = tunnel('tun_1', 2)
    const b: TunnelResource = {
      ...tunnel('tun_1', 3),
      agent: { instance_id: 'i', version: '0.2.0' },
      online_since: '2026-01-01T00:00:00.000Z',
      last_request_at: '2026-01-03T00:00:00.000Z',
      health: { state: 'unreachable', detail: 'refused', since: '2026-01-02T00:00:00.000Z' },
    }
    for (const pages of [
      [[a], [b]],
      [[b], [a]],
    ]) {
      const [merged] = mergeTunnels(pages, 10).items
      const { agent, online_since, last_request_at, health, in_flight } = merged!
      assert.deepEqual(
        { agent, online_since, last_request_at, health, in_flight },
        {
          agent: b.agent,
          online_since: b.online_since,
          last_request_at: b.last_request_at,
          health: b.health,
          in_flight: 5,
        },
      )
    }
  })
})

function tunnel(id: string, inFlight: number): TunnelResource {
  return {
    id,
    labels: {},
    forwards_to: 'http://localhost:8000',
    upstream_protocol: 'http1',
    weight: 1,
    edges: [],
    agent: { instance_id: 'i' },
    authtoken_id: 'atk_1',
    online_since: '2026-01-02T00:00:00.000Z',
    in_flight: inFlight,
    health: { state: 'healthy', detail: '', since: '2026-01-02T00:00:00.000Z' },
    connections: [],
  }
}
