// Base64, JSON, Basic credentials. ngrok docs: "Macros Reference", Base64, JSON, Basic Auth.

import { ValueError } from '../expression-error.ts'
import type { ExpressionView } from '../expression-view.ts'
import { LIST_MAX, TEXT_MAX, VALUE_DEPTH_MAX } from '../limits.ts'
import { jsonText, weightOf } from '../values.ts'
import { type FunctionDefinition, define } from './define-function.ts'

export const ENCODING_FUNCTIONS: readonly FunctionDefinition[] = [
  define('base64.encode(bytes): string', 'as base64', ({ budget }: ExpressionView, bytes: Uint8Array) =>
    budget.text(Buffer.from(bytes).toString('base64')),
  ),
  define('base64.encode(string): string', 'its UTF-8 as base64', encodeBase64),
  define(
    'base64.decode(string): bytes',
    'decodes base64; an error if it is not base64',
    ({ budget }: ExpressionView, text: string) => {
      budget.spendText(text.length)
      return new Uint8Array(readBase64(text))
    },
  ),
  define('string.encodeBase64(): string', 'its UTF-8 as base64', encodeBase64),
  define(
    'string.decodeBase64(): string',
    'decodes base64 to text; an error if it is not base64',
    ({ budget }: ExpressionView, text: string) => {
      budget.spendText(text.length)
      return readBase64(text).toString('utf8')
    },
  ),
  define(
    'basic_auth.encode(string, string): string',
    '`Basic …`, for a header',
    (view: ExpressionView, user: string, password: string) =>
      view.budget.text(`Basic ${encodeBase64(view, `${user}:${password}`)}`),
  ),
  define('json.encode(dyn): string', 'as JSON', encodeJson),
  define('list.encodeJson(): string', 'as JSON', encodeJson),
  define('map.encodeJson(): string', 'as JSON', encodeJson),
  define('json.decode(string): dyn', 'reads JSON; numbers become doubles; an error if it is not JSON', decodeJson),
  define('string.decodeJson(): dyn', 'reads JSON; numbers become doubles; an error if it is not JSON', decodeJson),
  define('string.isJson(): bool', 'whether it is JSON', (view: ExpressionView, text: string) => {
    view.budget.spendText(text.length * 8)
    try {
      JSON.parse(text)
      return true
    } catch {
      return false // the answer of `isJson()`
    }
  }),
]

function encodeBase64({ budget }: ExpressionView, text: string): string {
  return budget.text(Buffer.from(text, 'utf8').toString('base64'))
}

/** RFC 4648 4, with its padding. */
function readBase64(text: string): Buffer {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw new ValueError('the text is not base64')
  return Buffer.from(text, 'base64')
}

function encodeJson({ budget }: ExpressionView, value: unknown): string {
  const weight = weightOf(value, TEXT_MAX)
  if (weight > TEXT_MAX) budget.allowText(Infinity)
  budget.spend(weight * 2)
  return budget.text(jsonText(value))
}

function decodeJson({ budget }: ExpressionView, text: string): unknown {
  budget.spend(10 + (text.length >> 2))
  let plain: unknown
  try {
    plain = JSON.parse(text)
  } catch {
    throw new ValueError('the text is not JSON')
  }
  let items = 0
  const toValue = (value: unknown, depth: number): unknown => {
    if (++items > LIST_MAX) budget.allowList(items)
    if (typeof value !== 'object' || value === null) return value
    if (depth > VALUE_DEPTH_MAX) throw new ValueError('the JSON is nested too deep')
    if (Array.isArray(value)) return value.map((item) => toValue(item, depth + 1))
    return new Map(Object.entries(value).map(([key, item]) => [key, toValue(item, depth + 1)]))
  }
  return toValue(plain, 0)
}
