// Which content coding a visitor wants, by Accept-Encoding (RFC 9110 12.5.3). Pure: no I/O, no clock.

import type { Algorithm } from './algorithms.ts'

/** RFC 9110 12.4.2 */
const QUALITY = /^q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/i

/**
 * @param accepted the visitor's Accept-Encoding; undefined if there is none
 * @param algorithms in the order of preference
 * @returns undefined if the answer should be sent unchanged
 */
export function negotiate(accepted: string | undefined, algorithms: readonly Algorithm[]): Algorithm | undefined {
  // Without the header, any coding is allowed, but such a visitor may not be able to decode any.
  if (accepted === undefined) return undefined
  const qualities = read(accepted)
  const others = qualities.get('*') ?? 0
  // An unlisted coding has no weight, but identity is always possible: any other wanted coding is preferred to it.
  let best = qualities.get('identity') ?? 0
  let chosen: Algorithm | undefined
  for (const algorithm of algorithms) {
    const quality = qualities.get(algorithm) ?? others
    const isBetter = chosen ? quality > best : quality >= best
    if (quality === 0 || !isBetter) continue
    best = quality
    chosen = algorithm
  }
  return chosen
}

/** Weights by coding, in lower case. An unreadable entry counts as not wanted. */
function read(accepted: string): Map<string, number> {
  const qualities = new Map<string, number>()
  for (const item of accepted.split(',')) {
    const [name = '', ...parameters] = item.split(';', 8).map((part) => part.trim())
    if (name === '') continue
    const [weight] = parameters
    const quality = weight === undefined ? 1 : Number(QUALITY.exec(weight)?.[1] ?? 0)
    qualities.set(name.toLowerCase().replace(/^x-(?=gzip$)/, ''), quality) // RFC 9110 8.4.1.3
  }
  return qualities
}
