import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { parseByteRange } from './byte-range.ts'

describe('parseByteRange', () => {
  const part = (start: number, end: number) => ({ type: 'part', start, end })
  const cases: [string | undefined, number, object][] = [
    [undefined, 10, { type: 'whole' }],
    ['bytes=0-3', 10, part(0, 3)],
    ['bytes=4-', 10, part(4, 9)],
    ['bytes=-3', 10, part(7, 9)],
    ['bytes=-30', 10, part(0, 9)],
    ['bytes=5-99', 10, part(5, 9)],
    ['Bytes=0-0', 10, part(0, 0)],
    ['bytes=10-', 10, { type: 'unsatisfiable' }],
    ['bytes=-0', 10, { type: 'unsatisfiable' }],
    ['bytes=0-', 0, { type: 'unsatisfiable' }],
    ['bytes=-1', 0, { type: 'unsatisfiable' }],
    ['bytes=3-2', 10, { type: 'whole' }],
    ['bytes=0-1,4-5', 10, { type: 'whole' }],
    ['bytes=-', 10, { type: 'whole' }],
    ['bytes=a-b', 10, { type: 'whole' }],
    ['lines=0-1', 10, { type: 'whole' }],
    ['bytes=0-99999999999999999999', 10, { type: 'whole' }],
  ]
  for (const [header, size, expected] of cases) {
    it(`reads ${header} of ${size} bytes as ${JSON.stringify(expected)}`, () => {
      assert.deepEqual(parseByteRange(header, size), expected)
    })
  }
})
