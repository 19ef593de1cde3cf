import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { compileExpression } from './compile-expression.ts'
import { ExpressionView } from './expression-view.ts'
import { SETTINGS, factsOf } from './facts.test-support.ts'
import { celValue, jsonText, textOf, weightOf } from './values.ts'

describe('values (traffic policy, the engine)', () => {
  it('are made of values from YAML and actions', () => {
    assert.deepEqual(
      celValue({ a: [1, 2.5, 'x', null, true, undefined], b: { c: 2 ** 60 } }),
      new Map<string, unknown>([
        ['a', [1n, 2.5, 'x', null, true, null]],
        ['b', new Map([['c', 2 ** 60]])],
      ]),
    )
    const vars = celValue({ limits: { max: 3 }, names: ['a'] })
    assert.ok(vars instanceof Map)
    const expression = compileExpression("vars.limits.max + 1 == 4 && 'a' in vars.names", SETTINGS)
    assert.ok(!('problems' in expression))
    assert.equal(expression.isTrue(new ExpressionView(factsOf({ facts: { vars } }))), true)
    const deep = JSON.parse('['.repeat(100) + ']'.repeat(100)) as unknown
    assert.throws(() => celValue(deep), /too deep/)
    assert.throws(() => celValue(() => 1), /not a value/)
  })

  it('have texts and JSON, or say that they have none', () => {
    assert.equal(textOf(1e21), '1e+21')
    assert.equal(textOf(-0.5), '-0.5')
    assert.equal(textOf(Infinity), '+Inf')
    assert.equal(
      jsonText(
        new Map<unknown, unknown>([
          ['a', 1n],
          [2n, 'b'],
        ]),
      ),
      '{"a":1,"2":"b"}',
    )
    assert.throws(() => jsonText(Number.NaN), /no infinite numbers/)
    assert.throws(() => textOf(Symbol('x')), /no form in JSON/)
  })

  it('are measured only up to the limit', () => {
    const big = Array.from({ length: 10_000 }, () => 'x'.repeat(64))
    assert.equal(weightOf(big, Infinity), 1 + 10_000 * 3)
    assert.ok(weightOf(big, 100) < 110)
    assert.ok(weightOf(new Map([['a', big]]), Infinity) > 30_000)
  })
})
