// Our expressions beside another implementation of CEL: the same expression over the same data has the same value, or fails in
// both. @bufbuild/cel passes 97 % of the tests of the CEL specification. It checks no types, so an expression that we refuse
// when it is loaded may have a value there.
//
// SALLYPORT_FUZZ_SEED makes other expressions, SALLYPORT_FUZZ_ROUNDS as many more; npm run test:long does both.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { celEnv, isCelError, isCelList, isCelMap, isCelUint, parse, plan } from '@bufbuild/cel'
import { strings } from '@bufbuild/cel/ext'

import { compileExpression } from '../../packages/server/src/policy/engine/compile-expression.ts'
import { compileTemplate } from '../../packages/server/src/policy/engine/compile-template.ts'
import { ExpressionError } from '../../packages/server/src/policy/engine/expression-error.ts'
import { ExpressionView } from '../../packages/server/src/policy/engine/expression-view.ts'
import { SETTINGS, factsOf } from '../../packages/server/src/policy/engine/facts.test-support.ts'
import { celValue } from '../../packages/server/src/policy/engine/values.ts'
import { Random } from '../support/random.ts'
import { VARIABLES, breakExpression, makeExpression } from './make-expression.ts'

const SEED = Number(process.env.SALLYPORT_FUZZ_SEED ?? 10)
const ROUNDS = Number(process.env.SALLYPORT_FUZZ_ROUNDS) || 1
const SAMPLE = 300
const BROKEN = 1000
const SHOWN = 10

const theirs = celEnv({ funcs: strings })
const vars = celValue(VARIABLES)
assert.ok(vars instanceof Map)

type Outcome = { kind: 'value'; text: string } | { kind: 'fails' } | { kind: 'refused'; message: string }

function evaluateOurs(source: string): Outcome {
  const expression = compileExpression(source, SETTINGS, 'any')
  if ('problems' in expression) return { kind: 'refused', message: expression.problems[0]?.message ?? '' }
  try {
    const view = new ExpressionView(factsOf({ facts: { vars: vars as ReadonlyMap<string, unknown> } }))
    return { kind: 'value', text: textOf(expression.evaluate(view)) }
  } catch (error) {
    assert.ok(error instanceof ExpressionError, String(error))
    return { kind: 'fails' }
  }
}

function evaluateTheirs(source: string): Outcome {
  try {
    const result = plan(theirs, parse(source))({ vars: VARIABLES } as never) // the bindings are not declared
    return isCelError(result) ? { kind: 'fails' } : { kind: 'value', text: textOf(result) }
  } catch {
    return { kind: 'fails' }
  }
}

/** One text for values of both. */
function textOf(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value)
  if (isCelUint(value)) return `${value.value}u`
  if (Array.isArray(value)) return `[${value.map(textOf).join()}]`
  if (isCelList(value)) return `[${Array.from(value, textOf).join()}]`
  if (value instanceof Map) return `{${Array.from(value, ([key, item]) => `${textOf(key)}:${textOf(item)}`).join()}}`
  if (isCelMap(value))
    return `{${Array.from(value.entries(), ([key, item]) => `${textOf(key)}:${textOf(item)}`).join()}}`
  return String(value)
}

/** The intended differences. */
const DIFFERENCES: readonly { why: string; holds: (source: string, ours: Outcome, theirs: Outcome) => boolean }[] = [
  {
    why: 'we check types when an expression is loaded: it is refused if it would fail, or have values of two types, for some data',
    holds: (_, ours) =>
      ours.kind === 'refused' &&
      /overload|must have the same type|bool operands|must be|must return|cannot index|range of a comprehension|has other arguments|no field|types of this expression are not known/.test(
        ours.message,
      ),
  },
  {
    why: 'we bound the steps of nested comprehensions by the sizes that their lists could have',
    holds: (_, ours) => ours.kind === 'refused' && /^this may take \d+ steps/.test(ours.message),
  },
  {
    why: 'they count UTF-16 units in charAt, indexOf, lastIndexOf, split and substring; cel-go and we count code points',
    holds: (source) => /😀|emoji/.test(source) && /\.(?:charAt|indexOf|lastIndexOf|split|substring)\(/.test(source),
  },
  {
    why: 'they replace an empty text before the first character only, or before each; Go and we also do it behind the last',
    holds: (source) => /\.replace\((?!(?:'a'|'alpha'|r'\\d\+'),)/.test(source),
  },
  {
    why: 'they take true for 1 in an index; for cel-go and us it fails',
    holds: (source, ours, other) =>
      ours.kind === 'fails' && other.kind === 'value' && /\[[^\]]*(?:flag|true|false|has\(| in |==)/.test(source),
  },
  {
    why: 'for them, int() of an empty text is 0; for cel-go and us it fails',
    holds: (source, ours, other) => ours.kind === 'fails' && other.kind === 'value' && source.includes('int('),
  },
  {
    why: 'for them, double() of a text that is no number is NaN; for cel-go and us it fails',
    holds: (source, ours, other) => ours.kind === 'fails' && other.kind === 'value' && source.includes('double('),
  },
]

describe(`expressions beside @bufbuild/cel (traffic policy, the engine)`, { timeout: 60_000 * ROUNDS }, () => {
  it(`${SAMPLE * ROUNDS} of them have the same value or fail in both, with seed ${SEED}`, (test) => {
    const problems: string[] = []
    const counts = { value: 0, fails: 0, refused: 0 }
    for (let number = 0; number < SAMPLE * ROUNDS && problems.length < SHOWN; number++) {
      const source = makeExpression(new Random(SEED * 1_000_003 + number))
      const [ours, other] = [evaluateOurs(source), evaluateTheirs(source)]
      counts[ours.kind]++
      const isSame =
        ours.kind === other.kind && (ours.kind !== 'value' || other.kind !== 'value' || ours.text === other.text)
      if (isSame || DIFFERENCES.some(({ holds }) => holds(source, ours, other))) continue
      problems.push(`${source}\n    ours:   ${shown(ours)}\n    theirs: ${shown(other)}`)
    }
    test.diagnostic(`${counts.value} values, ${counts.fails} failures, ${counts.refused} refused`)
    assert.equal(problems.join('\n'), '')
    assert.ok(counts.value > (SAMPLE * ROUNDS) / 2, 'most of them have a value')
  })
})

describe('broken expressions (traffic policy, the engine)', { timeout: 60_000 * ROUNDS }, () => {
  it(`are compiled, or refused with a place: ${BROKEN * ROUNDS} of them, with seed ${SEED}`, (test) => {
    let compiled = 0
    for (let number = 0; number < BROKEN * ROUNDS; number++) {
      const random = new Random(SEED * 7_000_003 + number)
      const source = breakExpression(random, makeExpression(random))
      const phase = random.pick(['on_tcp_connect', 'on_http_request', 'on_http_response'] as const)
      const settings = { ...SETTINGS, phase }
      const expression = compileExpression(source, settings, random.pick(['bool', 'any']))
      checkProblems('problems' in expression ? expression.problems : expression.warnings, source)
      if (!('problems' in expression)) {
        compiled++
        evaluateOurs(source) // throws only an ExpressionError
      }
      const text = `a ${random.pick(['${', '{', '$'])}${source}${random.pick(['}', ''])} b \${NAME}`
      const template = compileTemplate(text, { ...settings, ...(random.chance(0.5) && { environment: () => 'x' }) })
      checkProblems('problems' in template ? template.problems : template.warnings, text)
    }
    test.diagnostic(`${compiled} compiled`)
  })
})

function checkProblems(problems: readonly { message: string; start: number; end: number }[], source: string): void {
  for (const { message, start, end } of problems) {
    const isPlace = start >= 0 && start <= end && end <= source.length
    assert.ok(isPlace, `${JSON.stringify(source)}: ${message} at ${start} to ${end}`)
    assert.match(message, /^[^\p{Cc}]+$/u, JSON.stringify(source)) // it reaches terminals
  }
}

function shown(outcome: Outcome): string {
  if (outcome.kind === 'value') return outcome.text
  return outcome.kind === 'fails' ? 'fails' : `refused: ${outcome.message}`
}
