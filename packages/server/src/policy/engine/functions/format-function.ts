// `'%s has %d'.format(['x', 2])`. cel-go ext/strings, "Format"; ngrok docs: `%s %d %f %e %b %x %X %o`.

import { ValueError } from '../expression-error.ts'
import type { ExpressionView } from '../expression-view.ts'
import { Duration, UnsignedInt, entriesOf, textOf, timestampText } from '../values.ts'
import { type FunctionDefinition, define } from './define-function.ts'

export const FORMAT_FUNCTIONS: readonly FunctionDefinition[] = [
  define(
    'string.format(list): string',
    'puts values into the places `%s %d %f %e %b %x %X %o`; `%%` is a percent sign',
    format,
  ),
]

const PRECISION_MAX = 100 // of toFixed and toExponential

function format({ budget }: ExpressionView, pattern: string, values: readonly unknown[]): string {
  budget.spend(10 + (pattern.length >> 3) + values.length)
  let next = 0
  let chars = 0
  const made = pattern.replace(/%(?:\.(\d{1,3}))?([\s\S]?)/g, (written, digits: string | undefined, verb: string) => {
    if (written === '%%') return '%'
    if (next >= values.length) throw new ValueError('format: there are more places than values')
    const text = formatOne(verb, values[next++], digits === undefined ? undefined : Number(digits))
    budget.allowText((chars += text.length))
    return text
  })
  return budget.text(made)
}

function formatOne(verb: string, value: unknown, digits = 6): string {
  switch (verb) {
    case 's':
      return stringForm(value)
    case 'd':
      return decimal(value)
    case 'f':
      return fixed(value, digits)
    case 'e':
      return exponential(value, digits)
    case 'b':
      return typeof value === 'boolean' ? (value ? '1' : '0') : integer(value).toString(2)
    case 'o':
      return integer(value).toString(8)
    case 'x':
      return hexadecimal(value)
    case 'X':
      return hexadecimal(value).toUpperCase()
    default:
      throw new ValueError(`format: %${verb} is not one of %s %d %f %e %b %x %X %o`)
  }
}

/** cel-go: lists and maps within brackets, texts in them without quotes, keys in their order. */
function stringForm(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(stringForm).join(', ')}]`
  if (value instanceof Date) return timestampText(value)
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value)
  const entries = value instanceof Duration || value instanceof Uint8Array ? undefined : entriesOf(value)
  if (!entries) return textOf(value)
  const pairs = [...entries].map(([key, item]) => `${stringForm(key)}: ${stringForm(item)}`)
  return `{${pairs.toSorted().join(', ')}}`
}

function decimal(value: unknown): string {
  if (typeof value === 'number' && !Number.isInteger(value)) return String(value)
  return integer(value).toString()
}

function integer(value: unknown): bigint {
  if (typeof value === 'bigint') return value
  if (value instanceof UnsignedInt) return value.value
  if (typeof value === 'number' && Number.isInteger(value)) return BigInt(value)
  throw new ValueError('format: the value is not a whole number')
}

function number(value: unknown, digits: number): number {
  if (digits > PRECISION_MAX) throw new ValueError(`format: at most ${PRECISION_MAX} digits`)
  if (typeof value === 'number') return value
  return Number(integer(value))
}

function fixed(value: unknown, digits: number): string {
  const plain = number(value, digits)
  return Number.isFinite(plain) ? toEven(plain, digits).toFixed(digits) : String(plain)
}

/** Go rounds a number exactly in the middle to the even neighbour. */
function toEven(plain: number, digits: number): number {
  const scaled = plain * 10 ** digits
  return Math.abs(scaled % 1) === 0.5 ? (2 * Math.round(scaled / 2)) / 10 ** digits : plain
}

/** Go writes at least two digits of the exponent. */
function exponential(value: unknown, digits: number): string {
  const plain = number(value, digits)
  return Number.isFinite(plain) ? plain.toExponential(digits).replace(/e([+-])(\d)$/, 'e$10$2') : String(plain)
}

function hexadecimal(value: unknown): string {
  if (typeof value === 'string') return Buffer.from(value, 'utf8').toString('hex')
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  return integer(value).toString(16)
}
