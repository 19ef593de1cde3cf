import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { PAGE_COLOURS } from '@sallyport/protocol'

import { CARDS, contrast, readableAccent } from './accent.ts'

describe('the accent of pages (the first hour, 18)', () => {
  it('is legible in both schemes, whatever the operator has chosen', () => {
    assert.ok(PAGE_COLOURS.includes(`--card: ${CARDS.light}`) && PAGE_COLOURS.includes(`--card: ${CARDS.dark}`))
    for (const hex of ['#000', '#fff', '#ff0', '#0b5a4a', '#808080', '#e11d48', '#1d2125', '#fffefb', '#0000ff']) {
      const { light, dark } = readableAccent(hex)
      assert.ok(contrast(light, CARDS.light) >= 4.5, `${hex} → ${light}`)
      assert.ok(contrast(dark, CARDS.dark) >= 4.5, `${hex} → ${dark}`)
    }
    assert.equal(contrast('#000', '#ffffff'), 21)
  })

  it('stays unchanged if it is legible', () => {
    assert.equal(readableAccent('#0b5a4a').light, '#0b5a4a')
    assert.equal(readableAccent('#6fcdb4').dark, '#6fcdb4')
    assert.notEqual(readableAccent('#0b5a4a').dark, '#0b5a4a')
  })
})
