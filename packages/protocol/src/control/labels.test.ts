import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { LABEL_MAX_CHARS, formatLabels, labelProblem, matchesSelector, parseLabel } from './labels.ts'

const labels = (...pairs: [string, string][]): Map<string, string> => new Map(pairs)

describe('parseLabel', () => {
  it('splits at the first "=", so that a value may contain more of them', () => {
    assert.deepEqual(parseLabel('edge=edg_docs'), { key: 'edge', value: 'edg_docs' })
    assert.deepEqual(parseLabel('q=a=b=='), { key: 'q', value: 'a=b==' })
  })

  for (const text of ['', '=', 'edge', 'edge=', '=edg_docs', '==x']) {
    it(`refuses ${JSON.stringify(text)} with a sentence that shows an example`, () => {
      const parsed = parseLabel(text)
      assert.ok('problem' in parsed)
      assert.match(parsed.problem, /edge=edg_docs/)
    })
  }

  for (const text of ['ed ge=x', 'edge=\u001b[31mx', 'edge=x\r\ny', 'edge=é', 'ключ=x', 'edge=\0', 'a\t=b']) {
    it(`refuses ${JSON.stringify(text)}: a label is shown in terminals, logs and pages`, () => {
      const parsed = parseLabel(text)
      assert.ok('problem' in parsed)
      assert.match(parsed.problem, /printable ASCII/)
      assert.match(parsed.problem, /^[ -~\u00a0-\uffff]+$/)
    })
  }

  it('takes labels of the greatest length and refuses longer ones without repeating them whole', () => {
    const longest = 'x'.repeat(LABEL_MAX_CHARS)
    assert.deepEqual(parseLabel(`${longest}=${longest}`), { key: longest, value: longest })
    for (const text of [`${longest}x=v`, `k=${longest}x`]) {
      const parsed = parseLabel(text)
      assert.ok('problem' in parsed)
      assert.ok(parsed.problem.length < 120)
    }
  })

  it('attack 37: __proto__ and constructor are labels like any other', () => {
    assert.deepEqual(parseLabel('__proto__=x'), { key: '__proto__', value: 'x' })
    assert.deepEqual(parseLabel('constructor=x'), { key: 'constructor', value: 'x' })
  })
})

describe('labelProblem', () => {
  it('refuses a key with "=", which no person could have typed', () => {
    assert.match(labelProblem('a=b', 'c') ?? '', /contains "="/)
  })

  it('refuses empty parts', () => {
    assert.ok(labelProblem('', 'x'))
    assert.ok(labelProblem('x', ''))
  })
})

describe('matchesSelector', () => {
  it('matches a tunnel that carries all labels of the selector, and more', () => {
    assert.equal(matchesSelector(labels(['edge', 'a']), labels(['edge', 'a'], ['app', 'web'])), true)
    assert.equal(matchesSelector(labels(['edge', 'a'], ['app', 'web']), labels(['edge', 'a'])), false)
  })

  it('attack 37: compares whole and case-sensitive, so no prefix, extension or other case matches', () => {
    const selector = labels(['edge', 'edg_docs'])
    for (const value of ['edg_doc', 'edg_docs2', 'EDG_DOCS', 'edg_docs ', '*', '']) {
      assert.equal(matchesSelector(selector, labels(['edge', value])), false, value)
    }
    for (const key of ['Edge', 'edge ', 'edg', 'edges']) {
      assert.equal(matchesSelector(selector, labels([key, 'edg_docs'])), false, key)
    }
  })

  it('attack 37: a selector for __proto__ or constructor matches only a tunnel that carries that label', () => {
    for (const key of ['__proto__', 'constructor', 'toString']) {
      const inherited = String(({} as Record<string, unknown>)[key])
      assert.equal(matchesSelector(labels([key, inherited]), labels(['edge', 'a'])), false)
      assert.equal(matchesSelector(labels([key, 'x']), labels([key, 'x'])), true)
    }
  })
})

describe('formatLabels', () => {
  it('sorts by key, so that the same labels always read the same', () => {
    assert.equal(formatLabels(labels(['edge', 'a'], ['app', 'web'])), 'app=web, edge=a')
    assert.equal(formatLabels(labels()), '')
  })
})
