import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'

import { explainUnforeseen } from './unforeseen.ts'

describe('explainUnforeseen', () => {
  it('is one line: the error and its place, without a stack', () => {
    assert.match(
      explainUnforeseen(new TypeError('x is not a function')),
      /^TypeError: x is not a function \(process\/unforeseen\.test\.ts:\d+\)$/,
    )
    assert.equal(explainUnforeseen('thrown as it is'), 'thrown as it is')
    const bare = new Error('nobody knows where')
    delete bare.stack
    assert.equal(explainUnforeseen(bare), 'Error: nobody knows where')
  })

  it('leaves an error of the system unchanged', () => {
    try {
      readFileSync('/')
      assert.fail('a folder was read')
    } catch (error) {
      assert.equal(explainUnforeseen(error), 'EISDIR: illegal operation on a directory, read')
    }
  })
})
