import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { compileExpression } from './compile-expression.ts'
import * as names from './ngrok-names.test-support.ts'
import { ExpressionError } from './expression-error.ts'
import { ExpressionView } from './expression-view.ts'
import { SETTINGS, factsOf } from './facts.test-support.ts'
import { ACTION_RESULTS } from './variables/action-results.ts'
import type { Phase } from './phase.ts'

const PHASES: readonly Phase[] = ['on_tcp_connect', 'on_http_request', 'on_http_response']

/** The names that do not compile in a phase, each with its problem. */
function problemsOf(forms: readonly string[], phase: Phase, hasAttempts = false): string[] {
  return forms.flatMap((form) => {
    const compiled = compileExpression(form, { phase, hasAttempts }, 'any')
    return 'problems' in compiled ? [`${form}: ${compiled.problems[0]?.message}`] : []
  })
}

describe('the names of ngrok’s expressions, one by one (traffic policy, 4, 5, 6, 13)', () => {
  it('are all known where they are documented', () => {
    for (const phase of PHASES)
      assert.deepEqual(problemsOf([...names.CONNECTION_NAMES, ...names.FUNCTION_FORMS], phase), [], phase)
    for (const phase of PHASES.slice(1))
      assert.deepEqual(problemsOf([...names.REQUEST_NAMES, ...names.REQUEST_FORMS], phase), [], phase)
    assert.deepEqual(problemsOf([...names.RESPONSE_NAMES, ...names.RESPONSE_FORMS], 'on_http_response'), [])
    assert.deepEqual(problemsOf(names.RETRY_NAMES, 'on_http_request', true), [])
    for (const root of ['actions.ngrok.', 'actions.sallyport.']) {
      for (const phase of PHASES)
        assert.deepEqual(
          problemsOf(
            names.RESULT_NAMES.map((name) => root + name),
            phase,
          ),
          [],
          phase,
        )
    }
  })

  it('are not known where they are not', () => {
    const many = (forms: readonly string[], phase: Phase): number => forms.length - problemsOf(forms, phase).length
    assert.equal(many([...names.REQUEST_NAMES, ...names.REQUEST_FORMS], 'on_tcp_connect'), 0)
    assert.equal(many([...names.RESPONSE_NAMES, ...names.RESPONSE_FORMS], 'on_http_request'), 0)
    assert.equal(many(names.RETRY_NAMES, 'on_http_request'), 0)
  })

  it('of results are in the table of results', () => {
    const table: Readonly<Record<string, readonly string[]>> = ACTION_RESULTS
    for (const name of names.RESULT_NAMES) {
      const [, action = '', field = ''] = /^(\w+)\.(\w+)/.exec(name) ?? []
      assert.ok(table[action]?.includes(field), name)
    }
  })

  it('mean what is documented', () => {
    const evaluate = (form: string): unknown => {
      const compiled = compileExpression(form, SETTINGS, 'any')
      assert.ok(!('problems' in compiled), form)
      return compiled.evaluate(new ExpressionView(factsOf()))
    }
    for (const form of names.BEHAVIOURS) assert.equal(evaluate(form), true, form)
    for (const form of names.FAILURES) assert.throws(() => evaluate(form), ExpressionError, form)
  })

  it('are refused with a sentence, if this relay has them not', () => {
    for (const [form, sentence] of names.REFUSED_NAMES) {
      const [problem, ...more] = problemsOf([form], 'on_http_request')
      assert.match(problem ?? '', sentence)
      assert.deepEqual(more, [])
    }
  })
})
