import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { printable } from './printable.ts'

describe('printable', () => {
  it('hardening: replaces all control characters, line ends and characters that reorder a line', () => {
    for (let code = 0; code <= 0xffff; code++) {
      if (code >= 0xd800 && code <= 0xdfff) continue // halves of a character
      const character = String.fromCharCode(code)
      const isUnfit = /[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/u.test(character)
      assert.equal(printable(`a${character}b`), isUnfit ? 'a\u{fffd}b' : `a${character}b`, code.toString(16))
    }
  })

  it('leaves letters of every script, and cuts endless text', () => {
    assert.equal(printable('Ädä שלום مرحبا 😀'), 'Ädä שלום مرحبا 😀')
    assert.equal(printable('x'.repeat(5000)).length, 1024)
  })
})
