import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { withoutKeys } from './written-tree.ts'

const at = (...path: PropertyKey[]) => ({ path, message: '' })

describe('withoutKeys', () => {
  it('leaves out the keys, and keeps the original', () => {
    const tree = { a: { x: 1, y: { z: 2, w: 3 } }, b: [{ x: 1 }, { x: 2, y: 3 }], c: 4 }
    const before = JSON.stringify(tree)
    assert.deepEqual(withoutKeys(tree, [at('a', 'x'), at('a', 'y', 'w'), at('b', 1, 'x'), at('c'), at('none', 'x')]), {
      a: { y: { z: 2 } },
      b: [{ x: 1 }, { y: 3 }],
    })
    assert.equal(JSON.stringify(tree), before)
    assert.equal(withoutKeys(tree, []), tree)
    assert.equal(withoutKeys('text', [at('a')]), 'text')
  })

  it('attack 37: is not stopped by a deep nest beside the key, and reaches no prototype', () => {
    let deep: unknown = 'bottom'
    for (let depth = 0; depth < 100_000; depth++) deep = { deep }
    const tree = { known: deep, unknown: deep, more: { x: deep } }
    const read = withoutKeys(tree, [at('unknown'), at('more', 'x')]) as Record<string, unknown>
    assert.deepEqual(Object.keys(read), ['known', 'more'])
    assert.equal(read['known'], deep)

    const evil: unknown = JSON.parse('{"__proto__":{"polluted":1,"x":2}}')
    withoutKeys(evil, [at('__proto__', 'x')])
    assert.equal(({} as Record<string, unknown>)['polluted'], undefined)
  })
})
