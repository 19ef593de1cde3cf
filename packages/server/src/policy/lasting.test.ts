import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { Lasting } from './lasting.ts'

const MINUTE = 60_000

describe('state of actions that outlives their policy (traffic policy, 14.7)', () => {
  const start = () => {
    let now = 1e12
    const closed: string[] = []
    const lasting = new Lasting(() => now)
    const take = (edgeId: string) => {
      let release = (): void => {}
      const ofEdge = lasting.ofEdge(edgeId, (given) => (release = given))
      const value = ofEdge('an action', () => ({ close: () => void closed.push(edgeId) }))
      return { value, release: () => release() }
    }
    return { lasting, take, closed, wait: (ms: number) => (now += ms) }
  }

  it('is found again by the next policy, up to some minutes after the end of the old one', () => {
    const { take, wait } = start()
    const first = take('a')
    const second = take('a')
    assert.equal(second.value, first.value)
    assert.notEqual(take('b').value, first.value)
    first.release()
    second.release()
    wait(9 * MINUTE)
    assert.equal(take('a').value, first.value)
  })

  it('belongs to one action, though an edge may have several alike', () => {
    const { lasting } = start()
    const make = () => ({ close: () => {} })
    const [first, second] = [1, 2].map(() => lasting.ofEdge('a', () => {}))
    const [one, other] = [first!('x', make), first!('x', make)]
    assert.notEqual(one, other)
    assert.deepEqual([second!('x', make) === one, second!('x', make) === other], [true, true])
    assert.notEqual(second!('y', make), one)
  })

  it('is forgotten some minutes after its last use, and never before', () => {
    const { take, closed, wait } = start()
    take('used')
    take('unused').release()
    wait(11 * MINUTE)
    take('other')
    assert.deepEqual(closed, ['unused'])
  })

  it('has a bound, whatever agents do', () => {
    const { take, closed } = start()
    const used = take('used')
    for (let i = 0; i < 12_000; i++) take(`endpoint ${i}`).release()
    assert.ok(closed.length >= 1999, `${closed.length}`)
    assert.equal(closed[0], 'endpoint 0', 'the one that has been unused longest goes first')
    assert.equal(take('used').value, used.value)
  })
})
