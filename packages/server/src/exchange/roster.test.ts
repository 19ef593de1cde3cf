import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { Roster } from './roster.ts'

const named = (name: string) => ({ name, place: -1 })

describe('a roster', () => {
  it('holds each item once, whatever comes and goes', () => {
    const roster = new Roster<ReturnType<typeof named>>()
    const items = Array.from({ length: 10 }, (_, index) => named(String(index)))
    for (const item of [...items, ...items]) roster.add(item)
    for (const item of [items[0], items[9], items[4], items[4]]) roster.delete(item!)
    assert.deepEqual([...roster].map(({ name }) => name).toSorted(), ['1', '2', '3', '5', '6', '7', '8'])
    assert.equal(roster.size, 7)
    roster.add(items[4]!)
    for (const item of items) roster.delete(item)
    assert.equal(roster.size, 0)
    assert.deepEqual([...roster], [])
  })

  it('skips items that leave during a walk', () => {
    const roster = new Roster<ReturnType<typeof named>>()
    const items = ['a', 'b', 'c'].map(named)
    for (const item of items) roster.add(item)
    const seen: string[] = []
    for (const item of roster) {
      seen.push(item.name)
      for (const other of items) roster.delete(other)
    }
    assert.equal(seen.length, 1)
  })
})
