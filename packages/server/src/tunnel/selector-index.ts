// Values by selector, found by the labels of a tunnel: a tunnel is compared only with selectors that name one of its
// labels, however many others exist. In memory; no clock.

import { matchesSelector } from '@sallyport/protocol'
import type { Labels } from '@sallyport/protocol'

interface Entry<T> {
  readonly selector: Labels
  readonly value: T
  /** One label of the selector, as `key=value`. */
  readonly label: string
}

export class SelectorIndex<T> {
  readonly #byLabel = new Map<string, Set<Entry<T>>>()
  readonly #entries = new Map<T, Entry<T>>()

  /**
   * @param selector at least one label
   * @param value not in the index yet
   */
  add(selector: Labels, value: T): void {
    const label = this.#rarestOf(selector)
    const entry = { selector, value, label }
    const same = this.#byLabel.get(label)
    if (same) same.add(entry)
    else this.#byLabel.set(label, new Set([entry]))
    this.#entries.set(value, entry)
  }

  delete(value: T): void {
    const entry = this.#entries.get(value)
    if (!entry) return
    this.#entries.delete(value)
    const same = this.#byLabel.get(entry.label)
    same?.delete(entry)
    if (same?.size === 0) this.#byLabel.delete(entry.label)
  }

  /** The values of all selectors that match a tunnel with these labels, each once. */
  *matching(labels: Labels): Generator<T> {
    for (const [key, value] of labels) {
      for (const entry of this.#byLabel.get(`${key}=${value}`) ?? []) {
        if (matchesSelector(entry.selector, labels)) yield entry.value
      }
    }
  }

  /** A matching tunnel has all labels of the selector, so the label with the fewest selectors is chosen. */
  #rarestOf(selector: Labels): string {
    let rarest: string | undefined
    let least = Infinity
    for (const [key, value] of selector) {
      const label = `${key}=${value}`
      const count = this.#byLabel.get(label)?.size ?? 0
      if (count < least) [rarest, least] = [label, count]
    }
    if (rarest === undefined) throw new RangeError('a selector names at least one label')
    return rarest
  }
}
