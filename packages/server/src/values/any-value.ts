// The schema of a value of any kind, with texts in it that may be templates. Pure: no I/O, no clock.

import { z } from 'zod'

/** No person writes a configuration that is nested deeper than this. */
const DEPTH_MAX = 16

export function anyValue() {
  return z.unknown().superRefine((value, context) => {
    if (isTooDeep(value)) context.addIssue({ code: 'custom', message: `is nested deeper than ${DEPTH_MAX} levels` })
  })
}

/** Without recursion. */
function isTooDeep(value: unknown): boolean {
  let level = [value]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > DEPTH_MAX) return true
    level = level.flatMap((each) => (typeof each === 'object' && each !== null ? Object.values(each) : []))
  }
  return false
}
