import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { inJson, JsonField } from './json-field.ts'

describe('JsonField', () => {
  it('writes the same as JSON.stringify, the first time and later', () => {
    const field = new JsonField('host')
    for (const value of ['docs.example.com', '', 'a"b\\c', '\u0000\u001f', '\ud800', 'ü€𝄞', 'x'.repeat(500)]) {
      const expected = `,${JSON.stringify({ host: value }).slice(1, -1)}`
      assert.equal(field.of(value), expected)
      assert.equal(field.of(value), expected)
      assert.equal(inJson(value), JSON.stringify(value).slice(1, -1))
    }
    assert.equal(field.of(undefined), '')
  })

  it('is right for more values than it remembers', () => {
    const field = new JsonField('clientIp')
    for (let round = 0; round < 2; round++)
      for (let i = 0; i < 2000; i++)
        assert.equal(field.of(`10.0.${i >> 8}.${i & 255}`), `,"clientIp":"10.0.${i >> 8}.${i & 255}"`)
  })
})
