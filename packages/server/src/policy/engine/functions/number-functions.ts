// Conversions. cel-spec: "List of Standard Definitions". A value out of range and a text that is not a number are errors.

import { ValueError } from '../expression-error.ts'
import type { ExpressionView } from '../expression-view.ts'
import { UnsignedInt, textOf } from '../values.ts'
import { type FunctionDefinition, define } from './define-function.ts'

const INT_MAX = 2n ** 63n - 1n
const INT_MIN = -(2n ** 63n)
const UINT_MAX = 2n ** 64n - 1n
/** The longest text that is read as a number. */
const NUMBER_MAX_CHARS = 400

export const NUMBER_FUNCTIONS: readonly FunctionDefinition[] = [
  ...['int', 'uint', 'double', 'string'].flatMap((type) => [
    define(
      `int(${type}): int`,
      'as a whole number; an error if it is out of range, or not a number',
      (_: ExpressionView, value: Numeric) => toInt(value),
    ),
    define(
      `uint(${type}): uint`,
      'as a whole number from 0; an error if it is out of range, or not a number',
      (_: ExpressionView, value: Numeric) => toUint(value),
    ),
    define(
      `double(${type}): double`,
      'as a number; an error for a text that is not one',
      (_: ExpressionView, value: Numeric) => toDouble(value),
    ),
  ]),
  define('int(timestamp): int', 'the seconds since 1970', (_: ExpressionView, time: Date) =>
    BigInt(Math.floor(time.getTime() / 1000)),
  ),
  ...['string', 'bool', 'int', 'uint', 'double', 'timestamp', 'duration'].map((type) =>
    define(`string(${type}): string`, 'as a text', (_: ExpressionView, value: unknown) => textOf(value)),
  ),
  define(
    'string(bytes): string',
    'reads UTF-8; an error for other bytes',
    ({ budget }: ExpressionView, bytes: Uint8Array) => {
      budget.spendText(bytes.length)
      try {
        return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
      } catch {
        throw new ValueError('string: these bytes are not UTF-8')
      }
    },
  ),
  define('bytes(string): bytes', 'the text as UTF-8', ({ budget }: ExpressionView, text: string) => {
    budget.spendText(text.length)
    return new Uint8Array(Buffer.from(text, 'utf8'))
  }),
  define('bytes(bytes): bytes', 'the same bytes', (_: ExpressionView, bytes: Uint8Array) => bytes),
  define('bool(bool): bool', 'the same value', (_: ExpressionView, value: boolean) => value),
  define('bool(string): bool', 'reads `true` or `false`, `1` or `0`, `t` or `f`', (_: ExpressionView, text: string) => {
    if (/^(?:1|t|true|TRUE|True)$/.test(text)) return true
    if (/^(?:0|f|false|FALSE|False)$/.test(text)) return false
    throw new ValueError('bool: the text is neither true nor false')
  }),
]

type Numeric = bigint | number | string | UnsignedInt

function toInt(value: Numeric): bigint {
  // cel-go: a double at the limit could be the rounding of one beyond it.
  if (typeof value === 'number' && Math.abs(value) >= 2 ** 63) throw new ValueError('int: the number is out of range')
  const number = integerOf('int', value)
  if (number < INT_MIN || number > INT_MAX) throw new ValueError('int: the number is out of range')
  return number
}

function toUint(value: Numeric): UnsignedInt {
  const number = integerOf('uint', value)
  if (number < 0n || number > UINT_MAX) throw new ValueError('uint: the number is out of range')
  return new UnsignedInt(number)
}

function integerOf(name: string, value: Numeric): bigint {
  if (typeof value === 'bigint') return value
  if (value instanceof UnsignedInt) return value.value
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new ValueError(`${name}: the number is out of range`)
    return BigInt(Math.trunc(value)) // cel-spec: rounds toward zero
  }
  if (value.length > 40 || !/^[+-]?\d+$/.test(value)) throw new ValueError(`${name}: the text is not a whole number`)
  return BigInt(value.replace(/^\+/, ''))
}

function toDouble(value: Numeric): number {
  if (typeof value !== 'string') return Number(value)
  if (value.length <= NUMBER_MAX_CHARS && /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(value))
    return Number(value)
  const infinity = /^([+-]?)inf(?:inity)?$/i.exec(value.slice(0, 10))
  if (infinity && value.length < 10) return infinity[1] === '-' ? -Infinity : Infinity
  if (/^nan$/i.test(value.slice(0, 4)) && value.length === 3) return Number.NaN
  throw new ValueError('double: the text is not a number')
}
