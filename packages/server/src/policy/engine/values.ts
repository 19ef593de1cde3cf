// Values of CEL as JavaScript has them, and their text. Pure: no I/O, no clock.
//
// bool boolean · int bigint · uint UnsignedInt · double number · string string · bytes Uint8Array · null null · list array ·
// map Map or plain object · timestamp Date · duration Duration · record an object of variables/record.ts

import { Duration, UnsignedInt } from '@marcbachmann/cel-js/evaluator'

import { ValueError } from './expression-error.ts'
import { VALUE_DEPTH_MAX } from './limits.ts'

export { Duration, UnsignedInt }

/** The method of a record that lists its names and values, for JSON. */
export const ENTRIES = Symbol('entries')

/**
 * Converts a plain value of YAML or JSON, or the result of an action, to a value of CEL: integers become ints, objects maps.
 * @throws ValueError if it is nested too deep, or if no file could contain it
 */
export function celValue(plain: unknown, depth = 0): unknown {
  if (depth > VALUE_DEPTH_MAX) throw new ValueError('a value is nested too deep')
  if (typeof plain === 'number') return Number.isSafeInteger(plain) ? BigInt(plain) : plain
  if (typeof plain !== 'object' || plain === null) {
    if (typeof plain === 'function' || typeof plain === 'symbol') throw new ValueError('this is not a value')
    return plain ?? null
  }
  if (Array.isArray(plain)) return plain.map((item) => celValue(item, depth + 1))
  if (plain instanceof Date || plain instanceof Duration || plain instanceof UnsignedInt) return plain
  if (plain instanceof Uint8Array || ENTRIES in plain) return plain
  const entries: Iterable<[unknown, unknown]> = plain instanceof Map ? plain : Object.entries(plain)
  return new Map(Array.from(entries, ([key, item]) => [key, celValue(item, depth + 1)]))
}

/**
 * A copy to keep. `req.headers` and maps that contain it change with the message, but a variable that `set-vars` has
 * made from them must not change.
 */
export function snapshot(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(snapshot)
  if (typeof value !== 'object' || value === null || ENTRIES in value) return value
  const entries = entriesOf(value)
  return entries ? new Map(Array.from(entries, ([key, item]) => [key, snapshot(item)])) : value
}

/** The entries of a map or record; undefined for any other value. */
export function entriesOf(value: unknown): Iterable<readonly [unknown, unknown]> | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  if (value instanceof Map) return value.entries()
  if (ENTRIES in value && typeof value[ENTRIES] === 'function') {
    return value[ENTRIES]() as Iterable<readonly [unknown, unknown]> // what variables/record.ts defines
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null ? Object.entries(value) : undefined
}

/**
 * The text of a value, for `string()` and `${…}`. A list of texts is joined like the lines of a header (RFC 9110 5.3); other
 * lists and maps become JSON.
 * @throws ValueError for a value that has none
 */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value === 'bigint' || typeof value === 'boolean' || value instanceof UnsignedInt) return value.toString()
  if (typeof value === 'number') return doubleText(value)
  if (value === null) return 'null'
  if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8')
  if (value instanceof Date) return timestampText(value)
  if (value instanceof Duration) return value.toString()
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value.join(', ')
  return jsonText(value)
}

/** cel-spec: `string(double)`; the shortest form that reads back as the same number. */
function doubleText(value: number): string {
  if (value === Infinity) return '+Inf'
  if (value === -Infinity) return '-Inf'
  return `${value}`
}

/**
 * cel-spec: "Timestamps" have years from 1 to 9999.
 * @throws ValueError for any other time
 */
export function timeInRange(time: Date): Date {
  if (time.getTime() >= TIME_MIN_MS && time.getTime() <= TIME_MAX_MS) return time
  throw new ValueError('the time is out of range')
}

/** @param milliseconds a whole number */
export function durationOf(milliseconds: number): Duration {
  return new Duration(BigInt(Math.trunc(milliseconds / 1000)), (milliseconds % 1000) * 1_000_000)
}

/**
 * As in Go, a duration has at most 2⁶³ nanoseconds, which are 292 years.
 * @throws ValueError for any other duration
 */
export function durationInRange(duration: Duration): Duration {
  if (duration.seconds > -DURATION_MAX_SECONDS && duration.seconds < DURATION_MAX_SECONDS) return duration
  throw new ValueError('the duration is out of range')
}

const DURATION_MAX_SECONDS = 9_223_372_036n
const TIME_MIN_MS = -62_135_596_800_000
const TIME_MAX_MS = 253_402_300_799_999

/** RFC 3339 in UTC, with as many digits of a second as there are. */
export function timestampText(time: Date): string {
  return time.toISOString().replace(/\.?0*Z$/, 'Z')
}

/**
 * A value as JSON. Bytes become base64, as in protobuf; integers above 2⁵³ keep all digits.
 * @throws ValueError for a value that JSON cannot express
 */
export function jsonText(value: unknown, depth = 0): string {
  if (depth > VALUE_DEPTH_MAX) throw new ValueError('a value is nested too deep for JSON')
  if (value === null || value === undefined) return 'null'
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'boolean' || typeof value === 'bigint') return value.toString()
  if (typeof value === 'number') {
    if (Number.isFinite(value)) return value.toString()
    throw new ValueError('JSON has no infinite numbers')
  }
  if (value instanceof UnsignedInt) return value.toString()
  if (value instanceof Uint8Array) return JSON.stringify(Buffer.from(value).toString('base64'))
  if (value instanceof Date) return JSON.stringify(timestampText(value))
  if (value instanceof Duration) return JSON.stringify(value.toString())
  if (Array.isArray(value)) return `[${value.map((item) => jsonText(item, depth + 1)).join(',')}]`
  const entries = entriesOf(value)
  if (!entries) throw new ValueError('this value has no form in JSON')
  const pairs: string[] = []
  for (const [key, item] of entries) pairs.push(`${JSON.stringify(textOf(key))}:${jsonText(item, depth + 1)}`)
  return `{${pairs.join(',')}}`
}

/**
 * The size of a value that is compared, kept, or turned into text: one for each item and for every 32 characters.
 * Counting stops above `most`.
 */
export function weightOf(value: unknown, most: number, depth = 0): number {
  if (typeof value === 'string' || value instanceof Uint8Array) return 1 + (value.length >> 5)
  if (typeof value !== 'object' || value === null || depth > VALUE_DEPTH_MAX) return 1
  let weight = 1
  if (Array.isArray(value)) {
    for (const item of value) {
      weight += weightOf(item, most - weight, depth + 1)
      if (weight > most) break
    }
    return weight
  }
  for (const [key, item] of entriesOf(value) ?? []) {
    weight += weightOf(key, most - weight, depth + 1) + weightOf(item, most - weight, depth + 1)
    if (weight > most) break
  }
  return weight
}
