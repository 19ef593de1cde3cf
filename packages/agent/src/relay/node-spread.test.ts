import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { isMisplaced, sessionsWanted } from './node-spread.ts'

const nodes = (count: number): string[] => Array.from({ length: count }, (_, index) => `nod_${index}`)

describe('the spread of sessions over nodes', () => {
  it('wants one for each node, at least as many as told, and a single one if told so', () => {
    assert.deepEqual(
      [
        sessionsWanted(2, nodes(1)),
        sessionsWanted(2, nodes(4)),
        sessionsWanted(5, nodes(2)),
        sessionsWanted(1, nodes(4)),
      ],
      [2, 4, 5, 1],
    )
    assert.equal(sessionsWanted(2, nodes(1024)), 64)
    assert.equal(sessionsWanted(2, []), 2)
  })

  it('is even', () => {
    assert.equal(isMisplaced('nod_0', [], nodes(2)), false)
    assert.equal(isMisplaced('nod_0', ['nod_0'], nodes(2)), true, 'two here and none there')
    assert.equal(isMisplaced('nod_1', ['nod_0'], nodes(2)), false)
    assert.equal(isMisplaced('nod_0', ['nod_0', 'nod_1'], nodes(2)), false, 'two and one is as even as three get')
    assert.equal(isMisplaced('nod_0', ['nod_0', 'nod_0', 'nod_1'], nodes(2)), true)
    assert.equal(isMisplaced('nod_0', ['nod_0', 'nod_1', 'nod_1'], nodes(3)), true, 'the third has none')
  })

  it('does not matter if a relay names no nodes, or one', () => {
    assert.equal(isMisplaced('node', ['node'], []), false)
    assert.equal(isMisplaced('nod_0', ['nod_0'], nodes(1)), false)
  })
})
