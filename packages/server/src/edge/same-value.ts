// Whether two pieces of configuration are the same, including their secrets. In doubt they are different, and then the
// edge is built again. Pure: no I/O, no clock.

import { Secret } from '@sallyport/protocol'

import { LateText } from '../policy/late-text.ts'

/** The order of an object's keys does not matter; the order of a list or a map does. */
export function isSameValue(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false
  if (Object.getPrototypeOf(one) !== Object.getPrototypeOf(other)) return false
  if (one instanceof Secret) return one.reveal() === (other as Secret).reveal() // of the same class
  if (one instanceof LateText) return one.source === (other as LateText).source // of the same class
  if (one instanceof URL) return one.href === (other as URL).href
  if (one instanceof Map) return isSameList([...one], [...(other as Map<unknown, unknown>)])
  if (Array.isArray(one)) return isSameList(one, other as unknown[])
  return Object.getPrototypeOf(one) === Object.prototype && isSameRecord(one, other)
}

function isSameList(one: readonly unknown[], other: readonly unknown[]): boolean {
  return one.length === other.length && one.every((each, index) => isSameValue(each, other[index]))
}

function isSameRecord(one: object, other: object): boolean {
  const entries = Object.entries(one)
  const theirs = new Map<string, unknown>(Object.entries(other))
  return (
    entries.length === theirs.size &&
    entries.every(([key, each]) => theirs.has(key) && isSameValue(each, theirs.get(key)))
  )
}
