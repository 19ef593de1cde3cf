import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { ALGORITHMS } from './algorithms.ts'
import { negotiate } from './negotiate.ts'

describe('the coding that a visitor wants (traffic policy, compress-response; RFC 9110 12.5.3)', () => {
  for (const [accepted, wanted] of [
    [undefined, undefined],
    ['', undefined],
    ['gzip', 'gzip'],
    ['gzip, deflate, br, zstd', 'br'],
    ['gzip;q=1.0, br;q=0.9', 'gzip'],
    ['GZIP ; Q=0.5', 'gzip'],
    ['x-gzip', 'gzip'],
    ['gzip;q=0', undefined],
    ['gzip;q=0, *', 'br'],
    ['*', 'br'],
    ['*;q=0.1, zstd;q=0.2', 'zstd'],
    ['*;q=0', undefined],
    ['br;q=0, *;q=0.5', 'zstd'],
    ['identity', undefined],
    ['identity;q=0, gzip;q=0.1', 'gzip'],
    ['identity, gzip;q=0.5', undefined],
    ['identity, gzip', 'gzip'],
    ['gzip;q=0.5, identity;q=0.6', undefined],
    ['compress, sdch', undefined],
    ['gzip;q=2', undefined],
    ['gzip;q=abc, deflate', 'deflate'],
    [',,; ,gzip,', 'gzip'],
    [`${'a,'.repeat(10_000)}gzip`, 'gzip'],
  ] as const) {
    it(`is ${wanted} for ${accepted === undefined ? 'no header' : JSON.stringify(accepted.slice(0, 40))}`, () => {
      assert.equal(negotiate(accepted, ALGORITHMS), wanted)
    })
  }

  it('is the operator’s choice among equals, and never one that is not configured', () => {
    assert.equal(negotiate('gzip, br', ['gzip', 'br']), 'gzip')
    assert.equal(negotiate('br', ['gzip']), undefined)
    assert.equal(negotiate('*', []), undefined)
  })
})
