// The header names that a message calls its connection's own (RFC 9110 7.6.1): they never pass. Pure: no I/O, no clock.

import { normalHeaderName } from '../../values/normal-header-name.ts'

/** The normal names that the `Connection` lines of a message list; undefined if they list none. */
export function connectionOptionsOf(rawHeaders: readonly string[]): Set<string> | undefined {
  let listed: Set<string> | undefined
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]! // pairs
    if (name.length === 10 && name.toLowerCase() === 'connection') listed = addOptions(listed, rawHeaders[i + 1]!)
  }
  return listed
}

/** All lines in one set: a copy for each line would let a visitor cause much work. */
function addOptions(listed: Set<string> | undefined, value: string): Set<string> | undefined {
  if (value.length === 10 && value.toLowerCase() === 'keep-alive') return listed
  const all = listed ?? new Set()
  for (const option of value.split(',')) all.add(normalHeaderName(option.trim()))
  return all
}
