import assert from 'node:assert/strict'
import { describe, it, mock } from 'node:test'

import { Deadlines } from './deadlines.ts'
import type { Watched } from './deadlines.ts'

describe('deadlines', () => {
  it('tick for everything watched, once each, and for nothing that has left or leaves during the tick', (t) => {
    mock.timers.enable({ apis: ['setInterval'] })
    t.after(() => mock.timers.reset())
    const deadlines = new Deadlines()
    t.after(() => deadlines.close())
    const ticked: string[] = []
    const watched = (name: string, onTick?: () => void): Watched => ({
      place: -1,
      tick: () => {
        ticked.push(name)
        onTick?.()
      },
    })
    const [a, b, d] = [watched('a'), watched('b'), watched('d')]
    const c = watched('c', () => deadlines.remove(d))
    for (const each of [a, b, c, d, b]) deadlines.add(each)
    deadlines.remove(a)
    deadlines.remove(a)
    mock.timers.tick(500)
    assert.deepEqual(ticked.toSorted(), ticked.includes('d') ? ['b', 'c', 'd'] : ['b', 'c'])
    ticked.length = 0
    deadlines.add(a)
    mock.timers.tick(500)
    assert.deepEqual(ticked.toSorted(), ['a', 'b', 'c'])
    for (const each of [b, c, a]) deadlines.remove(each)
    ticked.length = 0
    mock.timers.tick(500)
    assert.deepEqual(ticked, [])
  })
})
