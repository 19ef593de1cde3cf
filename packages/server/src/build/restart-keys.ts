// Which keys of a new configuration count only after a restart: all but the edges and
// what only edges use. Pure: no I/O, no clock.

import type { Config } from '../config/config.ts'
import { isSameValue } from '../edge/same-value.ts'

/** IP policies are parts of the edges that use them. */
const TAKEN_OVER = { edges: [], certificate_authorities: {}, secrets: undefined, ip_policies: undefined }

/** The paths of keys that differ, such as `listen.http`; keys that a reload takes over are left out. */
export function restartKeys(before: Config, after: Config): string[] {
  return differences({ ...before, ...TAKEN_OVER }, { ...after, ...TAKEN_OVER }).flatMap((key) => {
    const [one, other] = [before, after].map((config): unknown => Reflect.get(config, key))
    if (!isPlain(one) || !isPlain(other)) return [key]
    return differences(one, other).map((below) => `${key}.${below}`)
  })
}

function differences(one: object, other: object): string[] {
  const keys = new Set([...Object.keys(one), ...Object.keys(other)])
  return [...keys].filter((key) => !isSameValue(Reflect.get(one, key), Reflect.get(other, key)))
}

function isPlain(value: unknown): value is object {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}
