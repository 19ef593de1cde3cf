import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { HeldLines } from './held-lines.ts'

const PIECE_BYTES = 256

/** The text of the remaining pieces; each is given back once it is read. */
function readAll(held: HeldLines): string[] {
  const texts: string[] = []
  for (let piece = held.take(); piece; piece = held.take()) {
    texts.push(piece.bytes.toString('utf8', piece.next, piece.end))
    held.giveBack(piece)
  }
  return texts
}

describe('HeldLines', () => {
  it('gives out whole lines in order, whatever their lengths and characters', () => {
    const held = new HeldLines(PIECE_BYTES)
    for (const filling of ['x', 'ü', '€', '\u{1f600}', 'xü€\u{1f600}', '\u202e']) {
      const lines = Array.from({ length: 300 }, (_, length) => `${length} ${filling.repeat(length)}\n`)
      for (const line of lines) held.add(line)
      const expected = lines.join('').replaceAll('\u202e', '\\u202e')
      const unsure = 6 * PIECE_BYTES // the last line is counted by its characters
      assert.ok(held.bytes <= Buffer.byteLength(expected) && held.bytes > Buffer.byteLength(expected) - unsure)
      const texts = readAll(held)
      assert.equal(texts.join(''), expected)
      assert.equal(held.bytes, 0)
      for (const text of texts) {
        assert.ok(text.endsWith('\n'), 'ends with a line')
        assert.ok(
          Buffer.byteLength(text) < PIECE_BYTES || text.indexOf('\n') === text.length - 1,
          'one long line, or small',
        )
      }
    }
  })

  it('S9: has room for characters that become longer when escaped', () => {
    const held = new HeldLines(PIECE_BYTES)
    for (let length = 1; length < 2 * PIECE_BYTES; length++) {
      held.add(`${'x'.repeat(length % 50)}${'\u0080'.repeat(length)}\n`)
      const expected = `${'x'.repeat(length % 50)}${'\\u0080'.repeat(length)}\n`
      assert.deepEqual(readAll(held), [expected])
    }
  })

  it('fills a piece again once it is given back, and no piece that is still being written', () => {
    const held = new HeldLines(PIECE_BYTES)
    held.add('first\n')
    const first = held.take()
    assert.ok(first)
    held.add('second\n')
    assert.equal(first.bytes.toString('utf8', first.next, first.end), 'first\n')
    held.giveBack(first)
    const second = held.take()
    assert.ok(second && second !== first)
    held.add('3\n')
    const third = held.take()
    assert.equal(third, first)
    assert.equal(third?.bytes.toString('utf8', third.next, third.end), '3\n')
    assert.equal(held.take(), undefined)
  })

  it('knows which lines of a piece are incomplete', () => {
    const held = new HeldLines(PIECE_BYTES)
    for (const line of ['one\n', 'two\n', 'three\n']) held.add(line)
    const piece = held.take()
    assert.ok(piece)
    assert.deepEqual([piece.countLinesLeft(), piece.isTorn], [3, false])
    piece.next += 'one\n'.length
    assert.deepEqual([piece.countLinesLeft(), piece.isTorn], [2, false])
    piece.next += 'tw'.length
    assert.deepEqual([piece.countLinesLeft(), piece.isTorn], [2, true])
    piece.next = piece.end
    assert.deepEqual([piece.countLinesLeft(), piece.isTorn], [0, false])
    piece.endTornLine()
    assert.equal(piece.countLinesLeft(), 3)
    assert.equal(piece.bytes.toString('utf8', piece.next, piece.end), '\none\ntwo\nthree\n')
  })
})
