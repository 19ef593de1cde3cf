import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it, mock } from 'node:test'

import { StoreTroubles } from './store-troubles.ts'

describe('troubles of the store (reliability, wrong 8)', () => {
  let told: string[]
  let troubles: StoreTroubles<'read' | 'write'>

  beforeEach(() => {
    mock.timers.enable({ apis: ['setTimeout'] })
    told = []
    troubles = new StoreTroubles({
      onBegin: (problem) => told.push(`begins: ${problem}`),
      onEnd: (problem) => told.push(`over: ${problem}`),
    })
  })
  afterEach(() => mock.timers.reset())

  it('are logged once, however often they come and go, and once more when they end', () => {
    for (let i = 0; i < 10; i++) {
      troubles.set('write', 'the disk is full')
      assert.equal(troubles.isEmpty, false)
      mock.timers.tick(1000)
      troubles.set('write', undefined) // a write that needs no space
      assert.equal(troubles.isEmpty, true)
      mock.timers.tick(1000)
    }
    assert.deepEqual(told, ['begins: the disk is full'])
    mock.timers.tick(10_000)
    assert.deepEqual(told, ['begins: the disk is full', 'over: the disk is full'])
    troubles.set('write', 'the disk is full')
    assert.equal(told.length, 3, 'that is another one')
  })

  it('are distinguished by their kind, not by who finds them', () => {
    troubles.set('read', 'it is gone')
    troubles.set('write', 'it is gone')
    troubles.set('read', undefined)
    mock.timers.tick(60_000)
    assert.deepEqual(told, ['begins: it is gone'])
    troubles.set('write', 'another file is there')
    mock.timers.tick(10_000)
    assert.deepEqual(told.slice(1), ['begins: another file is there', 'over: it is gone'])
  })
})
