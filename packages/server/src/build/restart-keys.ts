// Which keys of a new configuration are taken over with its edges, and which count only after a restart. Pure: no I/O, no clock.

import type { Config } from '../config/config.ts'
import { isSameValue } from '../edge/same-value.ts'

/** Parts of edges, or data that policies read while they run. */
const TAKEN_OVER: ReadonlySet<string> = new Set([
  'certificate_authorities',
  'geo',
  'ip_lists',
  'ip_policies',
  'region',
  'secrets',
] satisfies (keyof Config)[])

/** The paths of keys that differ and take effect only at a restart, such as `listen.http`. */
export function restartKeys(before: Config, after: Config): string[] {
  return differingKeys(before, after, (key) => key !== 'edges' && !TAKEN_OVER.has(key))
}

/** The paths of keys that differ and are taken over, such as `geo.city_file`; without `edges`. */
export function takenKeys(before: Config, after: Config): string[] {
  return differingKeys(before, after, (key) => TAKEN_OVER.has(key)).toSorted()
}

function differingKeys(before: Config, after: Config, isMeant: (key: string) => boolean): string[] {
  return differences(before, after, isMeant).flatMap((key) => {
    const [one, other] = [before, after].map((config): unknown => Reflect.get(config, key))
    if (!isPlain(one) || !isPlain(other)) return [key]
    return differences(one, other).map((below) => `${key}.${below}`)
  })
}

function differences(one: object, other: object, isMeant: (key: string) => boolean = () => true): string[] {
  const keys = new Set([...Object.keys(one), ...Object.keys(other)])
  return [...keys].filter((key) => isMeant(key) && !isSameValue(Reflect.get(one, key), Reflect.get(other, key)))
}

function isPlain(value: unknown): value is object {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}
