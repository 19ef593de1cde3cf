// Order and equality of values, for lists. cel-spec: "Ordering", "Equality"; numbers of all types are comparable. Pure.

import { ValueError } from '../expression-error.ts'
import { VALUE_DEPTH_MAX } from '../limits.ts'
import { Duration, UnsignedInt, entriesOf } from '../values.ts'

/**
 * @returns below 0, 0 or above 0, as `Array.sort` wants it
 * @throws ValueError for values that cannot be compared
 */
export function compareValues(a: unknown, b: unknown): number {
  const [x, y] = [comparable(a), comparable(b)]
  if (x === undefined || y === undefined || x.kind !== y.kind) throw new ValueError('these values cannot be sorted')
  if (x.kind === 'bytes') return Buffer.compare(x.key, y.key as Uint8Array) // of the same kind
  const [left, right] = [x.key, y.key as typeof x.key] // of the same kind
  if (left < right) return -1
  return left > right ? 1 : 0
}

type Comparable =
  | { kind: 'number'; key: number | bigint }
  | { kind: 'string'; key: string }
  | { kind: 'bool'; key: boolean }
  | { kind: 'time'; key: bigint | number }
  | { kind: 'duration'; key: bigint }
  | { kind: 'bytes'; key: Uint8Array }

function comparable(value: unknown): Comparable | undefined {
  if (typeof value === 'bigint' || typeof value === 'number') return { kind: 'number', key: value }
  if (typeof value === 'string') return { kind: 'string', key: codePointOrder(value) }
  if (typeof value === 'boolean') return { kind: 'bool', key: value }
  if (value instanceof UnsignedInt) return { kind: 'number', key: value.value }
  if (value instanceof Date) return { kind: 'time', key: value.getTime() }
  if (value instanceof Duration) return { kind: 'duration', key: nanosOf(value) }
  return value instanceof Uint8Array ? { kind: 'bytes', key: value } : undefined
}

export function nanosOf(duration: Duration): bigint {
  return duration.seconds * 1_000_000_000n + BigInt(duration.nanos)
}

/** In UTF-16, surrogate pairs sort before U+E000 to U+FFFF; their code points sort after them. */
function codePointOrder(text: string): string {
  return /[\ud800-\udfff]/.test(text) ? text.replace(/[\ud800-\udfff]/g, (unit) => `\uffff${unit}`) : text
}

/**
 * A key that is the same for equal values, for `distinct()`: 1, 1u and 1.0 are equal, 1 and '1' are not.
 * @throws ValueError if the value is nested too deep
 */
export function keyOfValue(value: unknown, depth = 0): string {
  if (depth > VALUE_DEPTH_MAX) throw new ValueError('a value is nested too deep')
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'bigint') return `#${value}`
  if (typeof value === 'number') return Number.isInteger(value) ? `#${BigInt(value)}` : `#${value}`
  if (typeof value === 'boolean') return String(value)
  if (value === null || value === undefined) return 'null'
  if (value instanceof UnsignedInt) return `#${value.value}`
  if (value instanceof Date) return `t${value.getTime()}`
  if (value instanceof Duration) return `d${nanosOf(value)}`
  if (value instanceof Uint8Array) return `b${Buffer.from(value).toString('base64')}`
  if (Array.isArray(value)) return `[${value.map((item) => keyOfValue(item, depth + 1)).join()}]`
  const pairs = [...(entriesOf(value) ?? [])].map(([key, item]) => `${keyOfValue(key)}:${keyOfValue(item, depth + 1)}`)
  return `{${pairs.toSorted().join()}}`
}
