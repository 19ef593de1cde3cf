// Splits a text with `${…}` into literal text and placeholders. ngrok docs: "CEL Interpolation". A `}` inside a text or a map of
// CEL does not end a placeholder, so this has to recognise CEL's texts. Pure: no I/O, no clock.

import { UnfitExpression } from './expression-problem.ts'

export type TemplatePart =
  | { kind: 'text'; text: string }
  | { kind: 'environment'; name: string; preset: string | undefined; start: number; end: number }
  | {
      kind: 'expression'
      source: string
      /** The place of each character of `source` in the template, and the place of its end. */
      offsets: readonly number[]
      start: number
      end: number
    }

/** Section 14.4 of the reference: names in capitals are the environment; no variable of CEL is in capitals. */
const ENVIRONMENT = /\$\{([A-Z_][A-Z0-9_]*)(?::([^}]*))?\}/y

/**
 * @param hasEnvironment whether `${NAME}` and `${NAME:default}` mean the environment
 * @throws UnfitExpression for a placeholder that does not end
 */
export function readTemplate(text: string, hasEnvironment: boolean): TemplatePart[] {
  const parts: TemplatePart[] = []
  let at = 0
  for (;;) {
    const start = text.indexOf('${', at)
    if (start === -1) break
    if (start > at) parts.push({ kind: 'text', text: text.slice(at, start) })
    const part = (hasEnvironment && readEnvironment(text, start)) || readExpression(text, start)
    parts.push(part)
    at = part.end
  }
  if (at < text.length) parts.push({ kind: 'text', text: text.slice(at) })
  return parts
}

function readEnvironment(text: string, start: number): (TemplatePart & { kind: 'environment' }) | undefined {
  ENVIRONMENT.lastIndex = start
  const match = ENVIRONMENT.exec(text)
  if (!match) return undefined
  const [whole, name = '', preset] = match
  return { kind: 'environment', name, preset, start, end: start + whole.length }
}

function readExpression(text: string, start: number): TemplatePart & { kind: 'expression' } {
  let source = ''
  const offsets: number[] = []
  const take = (from: number, to: number): void => {
    for (let i = from; i < to; i++) offsets.push(i)
    source += text.slice(from, to)
  }
  let depth = 0
  let at = start + 2
  while (at < text.length) {
    const sign = text[at]! // within bounds
    if (sign === '}' && depth === 0) {
      return { kind: 'expression', source, offsets: [...offsets, at], start, end: at + 1 }
    }
    if (sign === '{') depth++
    if (sign === '}') depth--
    const isEscaped = sign === '\\' && (text[at + 1] === '"' || text[at + 1] === "'")
    const quote = isEscaped ? text[at + 1]! : sign // within bounds
    if (quote !== '"' && quote !== "'") {
      take(at, ++at)
      continue
    }
    // Policies copied from JSON into YAML have \" around CEL's texts. A backslash outside a text is never valid CEL.
    const end = isEscaped ? endOfEscaped(text, at, quote) : endOfText(text, at, quote, isRaw(text, at))
    if (end === undefined) break
    if (isEscaped) {
      take(at + 1, at + 2)
      take(at + 2, end - 2)
      take(end - 1, end)
    } else take(at, end)
    at = end
  }
  throw new UnfitExpression('the placeholder has no closing }', { start, end: text.length })
}

function isRaw(text: string, at: number): boolean {
  return /(?:^|\W)[rR]$/.test(text.slice(Math.max(at - 2, 0), at))
}

/** The index after the closing quote; undefined if there is none. */
function endOfText(text: string, start: number, quote: string, isRawText: boolean): number | undefined {
  const closing = text.startsWith(quote.repeat(3), start) ? quote.repeat(3) : quote
  for (let at = start + closing.length; at < text.length; at++) {
    if (text[at] === '\\' && !isRawText) at++
    else if (text.startsWith(closing, at)) return at + closing.length
  }
  return undefined
}

function endOfEscaped(text: string, start: number, quote: string): number | undefined {
  const closing = text.indexOf(`\\${quote}`, start + 2)
  return closing === -1 ? undefined : closing + 2
}
