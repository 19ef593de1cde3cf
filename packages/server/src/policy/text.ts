// A text of a policy at run time: the same for everybody, or made for each exchange from `${…}`. The inserted values
// come from visitors and apps, so a header gets them in a safe form.

import { RelayError } from '../errors.ts'
import type { AppAnswer } from '../exchange/app-answer.ts'
import type { Exchange } from '../exchange/exchange.ts'
import { VALUE_MAX_CHARS, headerLineProblem } from '../values/header-problem.ts'
import { failedExpression } from './conditions.ts'
import type { ExpressionView } from './engine/expression-view.ts'
import { dependsOnReading } from './engine/readings.ts'
import type { Template } from './engine/template.ts'
import type { Phase } from './kind.ts'
import { templateOf } from './language.ts'
import type { Embedding } from './language.ts'
import type { SourcesParts } from './sources/sources.ts'
import { inEveryReading } from './view-of.ts'
import { isConstant } from './templates-of.ts'

/**
 * The text for an exchange.
 * @throws RelayError if it cannot be made, or if it depends on how the path is read; this refuses the exchange
 */
export type Text = (exchange: Exchange, answer?: AppAnswer) => string

/**
 * @param where the key of the policy, for the log
 * @param embedding by default, values are inserted unchanged
 */
export function textFrom(
  source: string,
  phase: Phase,
  where: string,
  { sources }: SourcesParts,
  embedding?: Embedding,
): Text {
  if (isConstant(source)) return () => source
  const template = compiledTemplate(source, phase, embedding)
  const isOfPath = dependsOnReading(template.reads)
  const render = (view: ExpressionView): string => template.render(view)
  return (exchange, answer) => {
    try {
      return inEveryReading(render, isOfPath, sources, exchange, answer)
    } catch (error) {
      throw failedExpression(error, where)
    }
  }
}

/** @throws TypeError for a text that is not valid, which cannot happen, because the configuration was checked before */
export function compiledTemplate(source: string, phase: Phase, embedding?: Embedding): Template {
  const template = templateOf(source, phase, embedding)
  if ('problems' in template) throw new TypeError(`not a template: ${source}`)
  return template
}

/**
 * The same for headers. Characters that no header can have are percent-encoded, line ends among them.
 * @param headers name and value of each
 */
export function linesFrom(headers: Readonly<Record<string, string>>, phase: Phase, parts: SourcesParts): Lines {
  const written = Object.entries(headers)
  if (written.every(([, value]) => isConstant(value))) return () => written
  const lines = written.map(([name, value]) => [name, headerFrom(name, value, phase, parts)] as const)
  return (exchange, answer) => lines.map(([name, value]) => [name, value(exchange, answer)] as const)
}

/** Names and values. @throws as a `Text` does, and if a value is not possible in its header */
export type Lines = (exchange: Exchange, answer?: AppAnswer) => readonly (readonly [name: string, value: string])[]

/** For the results of actions: names in lower case, as at ngrok. */
export function lowerCased(lines: ReturnType<Lines>): Record<string, string> {
  return Object.fromEntries(lines.map(([name, value]) => [name.toLowerCase(), value]))
}

function headerFrom(name: string, source: string, phase: Phase, parts: SourcesParts): Text {
  const text = textFrom(source, phase, name, parts)
  if (isConstant(source)) return text
  return (exchange, answer) => {
    const value = printable(text(exchange, answer))
    const problem =
      value.length > VALUE_MAX_CHARS ? `is longer than ${VALUE_MAX_CHARS} characters` : headerLineProblem(name, value)
    if (problem) throw new RelayError('expression_failed', { detail: `the value of ${name} ${problem}` })
    return value
  }
}

function printable(text: string): string {
  if (/^[\x20-\x7e]*$/.test(text)) return text.trim()
  return text
    .toWellFormed()
    .replace(/[^\x20-\x7e]/gu, (character) => encodeURIComponent(character))
    .trim()
}
