import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { describe, it } from 'node:test'

import { wrapCommand, wrapText } from './wrap.ts'

describe('wrapText', () => {
  it('breaks between words, and gives a word that is too long its own line', () => {
    assert.equal(wrapText('one two three', 9, '  '), 'one two\n  three')
    assert.equal(wrapText('one http://localhost:8080 two', 9, ''), 'one\nhttp://localhost:8080\ntwo')
  })
})

describe('first-hour 3: wrapCommand', () => {
  const phrases = [
    ['TOKEN=sp_x'],
    ['printf', '%s|'],
    ['--label', 'edge=edg_docs'],
    ['--metadata', "ada's agent; $HOME"],
    ['a\\b'],
  ]
  for (const width of [10, 24, 40, 200]) {
    it(`is one command to a shell, and divides no phrase, at ${width} columns`, () => {
      const wrapped = wrapCommand(phrases, width, '  ')
      const printed = execFileSync('sh', ['-c', wrapped], { encoding: 'utf8' })
      assert.equal(printed, "--label|edge=edg_docs|--metadata|ada's agent; $HOME|a\\b|")
      const lines = wrapped.split('\n')
      assert.ok(lines.some((line) => line.includes('--label edge=edg_docs')))
      if (width >= 40) for (const line of lines) assert.ok(line.length <= width, line)
    })
  }
})
