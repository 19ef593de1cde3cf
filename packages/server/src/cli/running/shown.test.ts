import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { cell, fold, shownAge } from './shown.ts'

describe('tables of a running relay (the first hour, 9)', () => {
  it('show an age as one number', () => {
    const now = Date.parse('2026-12-01T00:00:00Z')
    const ages = [-5, 0, 5, 119, 120, 7199, 7200, 172_799, 172_800, 8_640_000]
    const shown = ages.map((seconds) => shownAge(new Date(now - seconds * 1000).toISOString(), now))
    assert.deepEqual(shown, ['0 s', '0 s', '5 s', '119 s', '2 min', '119 min', '2 h', '47 h', '2 d', '100 d'])
  })

  it('wrap lines that are too wide for the terminal, and cut nothing off', () => {
    const parts = ['tun_1234567890123456789012', 'edge=edg_docs, zone=a', '-> http://a-rather-long-name.local:8000']
    assert.deepEqual(fold(parts, '  ', 80), [`  ${parts[0]}  ${parts[1]}`, `    ${parts[2]}`])
    assert.deepEqual(fold(parts, '  ', Infinity), [`  ${parts.join('  ')}`])
  })

  it('show as much of an agent as fits, and no control characters', () => {
    assert.equal(cell('\u001b[2Jweb-1', 20), '\u{fffd}[2Jweb-1')
    assert.equal(cell('x'.repeat(300), 5), 'xxxx…')
  })
})
