// The differences between two trees of plain values, for people who want to see a change. Pure: no I/O, no clock.

import type { ConfigPath } from '@sallyport/protocol/found-problem'

import { child, isRecord } from '../values/written-tree.ts'

export interface Difference {
  readonly path: ConfigPath
  /** Undefined if it was not there. */
  readonly from: unknown
  /** Undefined if it is no longer there. */
  readonly to: unknown
}

/** The smallest parts that differ, in the order of the newer tree; entries of lists are compared by their place. */
export function differences(from: unknown, to: unknown, path: ConfigPath = []): Difference[] {
  if (Array.isArray(from) && Array.isArray(to)) {
    const length = Math.max(from.length, to.length)
    return Array.from({ length }, (_, index) => differences(from[index], to[index], [...path, index])).flat()
  }
  if (isRecord(from) && isRecord(to)) {
    const keys = new Set([...Object.keys(to), ...Object.keys(from)])
    return [...keys].flatMap((key) => differences(child(from, key), child(to, key), [...path, key]))
  }
  return Object.is(from, to) ? [] : [{ path, from, to }]
}
