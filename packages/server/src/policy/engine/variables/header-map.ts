// `req.headers` and similar maps. A lookup scans the raw list of the message and ignores case; the whole map is built only for an
// iteration. Section 5.1 of the reference: an iteration has names in lower case, with `-` for every
// character that is neither a letter nor a digit, and `host` is among them. Pure: no I/O, no clock.

import { ValueError } from '../expression-error.ts'
import { HEADERS_MAX } from '../limits.ts'
import { normalHeaderName } from '../../../values/normal-header-name.ts'

/** Called for each lookup, because an action may change a header between two rules. */
export type RawList = () => readonly string[]

/** Name → values, one for each line of the message. */
export class HeaderMap extends Map<string, string[]> {
  readonly #raw: RawList

  constructor(raw: RawList) {
    super()
    this.#raw = raw
  }

  override get(name: string): string[] | undefined {
    return typeof name === 'string' ? linesOf(this.#raw(), name) : undefined
  }

  override has(name: string): boolean {
    return this.get(name) !== undefined
  }

  override get size(): number {
    return this.#whole().size
  }

  override keys(): MapIterator<string> {
    return this.#whole().keys()
  }

  override values(): MapIterator<string[]> {
    return this.#whole().values()
  }

  override entries(): MapIterator<[string, string[]]> {
    return this.#whole().entries()
  }

  override [Symbol.iterator](): MapIterator<[string, string[]]> {
    return this.entries()
  }

  #whole(): Map<string, string[]> {
    const raw = this.#raw()
    if (raw.length > 2 * HEADERS_MAX) throw new ValueError(`goes over more than ${HEADERS_MAX} header fields`)
    const whole = new Map<string, string[]>()
    for (let i = 0; i < raw.length; i += 2) {
      const name = normalHeaderName(raw[i]!) // pairs
      const lines = whole.get(name)
      if (lines) lines.push(raw[i + 1]!)
      else whole.set(name, [raw[i + 1]!])
    }
    return whole
  }
}

// cel-js recognises a map by its constructor.
Object.defineProperty(HeaderMap.prototype, 'constructor', { value: Map })

/**
 * All values of a header; undefined if it is absent. Some apps take `X_Role` for `X-Role`: values under another spelling of the
 * name come behind the others.
 */
export function linesOf(raw: readonly string[], name: string): string[] | undefined {
  const lower = name.toLowerCase()
  let found: string[] | undefined
  let others: string[] | undefined
  for (let i = 0; i < raw.length; i += 2) {
    const key = raw[i]! // pairs
    if (key.length !== lower.length) continue
    if (key.toLowerCase() === lower) (found ??= []).push(raw[i + 1]!)
    else if (normalHeaderName(key) === normalHeaderName(lower)) (others ??= []).push(raw[i + 1]!)
  }
  if (others) return [...(found ?? []), ...others]
  return found
}
