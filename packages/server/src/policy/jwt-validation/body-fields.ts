// The fields of a body, as an app behind the relay would read them. If two readers could read a field differently, it counts as
// missing: the app must not take another token than the one that was checked. Pure: no I/O, no clock.

import { normalHeaderName } from '../../values/normal-header-name.ts'

/** The text of a field, by its name without regard to case; undefined if there is none, or if there could be several. */
export type BodyFields = (name: string) => string | undefined

export interface BodyHead {
  readonly contentType: string | undefined
  readonly contentEncoding: string | undefined
}

const NO_FIELDS: BodyFields = () => undefined

/** @returns no fields for a body that is neither JSON nor a form, or is damaged */
export function bodyFields({ contentType, contentEncoding }: BodyHead, body: Buffer): BodyFields {
  if (contentEncoding !== undefined && contentEncoding.toLowerCase() !== 'identity') return NO_FIELDS
  const [, type] = /^\s*([^\s;,]+)\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?;?\s*$/i.exec(contentType ?? '') ?? []
  const pairsOf = type === undefined ? undefined : READERS.get(type.toLowerCase())
  const text = pairsOf && textOf(body)
  const pairs = text === undefined ? undefined : pairsOf?.(text)
  return pairs ? fieldsOf(pairs) : NO_FIELDS
}

type Pairs = readonly (readonly [name: string, value: unknown])[]

const READERS: ReadonlyMap<string, (text: string) => Pairs | undefined> = new Map([
  ['application/json', jsonPairs],
  ['application/x-www-form-urlencoded', formPairs],
])

function textOf(body: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body)
  } catch {
    return undefined // not UTF-8: each reader repairs that in its own way
  }
}

/** Some servers also divide at `;`, which browsers encode. */
function formPairs(text: string): Pairs | undefined {
  return text.includes(';') ? undefined : [...new URLSearchParams(text)]
}

function jsonPairs(text: string): Pairs | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const fields = value as Record<string, unknown> // of JSON
  return [...namesIn(text)].map((name) => [name, fields[name]])
}

/**
 * The names of an object in valid JSON. A name that is written twice comes twice: some parsers take the first value,
 * others the last.
 */
function* namesIn(json: string): Generator<string> {
  let depth = 0
  let isName = false
  for (let at = 0; at < json.length; at++) {
    const sign = json[at]
    if (sign === '{' || sign === '[') isName = ++depth === 1
    else if (sign === '}' || sign === ']') depth--
    else if (sign === ',') isName = depth === 1
    else if (sign === '"') {
      const end = endOfText(json, at)
      if (isName) yield JSON.parse(json.slice(at, end + 1)) as string // between quotes
      isName = false
      at = end
    }
  }
}

/** @param start the place of a quote */
function endOfText(json: string, start: number): number {
  let end = json.indexOf('"', start + 1)
  while (end !== -1 && isEscaped(json, end)) end = json.indexOf('"', end + 1)
  return end
}

function isEscaped(json: string, quote: number): boolean {
  let backslashes = 0
  while (json[quote - 1 - backslashes] === '\\') backslashes++
  return backslashes % 2 === 1
}

function fieldsOf(pairs: Pairs): BodyFields {
  return (name) => {
    const normal = normalHeaderName(name)
    const alike = pairs.filter(([other]) => isReadAs(other, name.length, normal))
    const [field] = alike
    if (!field || alike.length > 1 || field[0].toLowerCase() !== name.toLowerCase()) return undefined
    return typeof field[1] === 'string' ? field[1] : undefined
  }
}

/** PHP drops spaces at the start and everything after a NUL, and reads a dot or a space as `_`. */
function isReadAs(name: string, length: number, normal: string): boolean {
  const [start = ''] = name.split('\0', 1)
  const read = start.trim()
  return read.length === length && normalHeaderName(read) === normal
}
