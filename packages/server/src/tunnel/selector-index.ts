// Values by selector, found by the labels of a tunnel: a tunnel is compared only with selectors that name one of its
// labels, however many others exist. In memory; no clock.

import { matchesSelector } from '@sallyport/protocol'
import type { Labels } from '@sallyport/protocol'

/** A value in the index, by which it is taken out again. */
export interface Indexed<T> {
  readonly value: T
  readonly selector: Labels
  /** The label of the selector by which it is found, as `key=value`. */
  readonly label: string
}

export class SelectorIndex<T> {
  /** Most labels have one value, and ten thousand sets of one take as much memory as the values. */
  readonly #byLabel = new Map<string, Indexed<T> | Set<Indexed<T>>>()

  /** @param selector at least one label */
  add(selector: Labels, value: T): Indexed<T> {
    const label = this.#rarestOf(selector)
    const indexed = { value, selector, label }
    const same = this.#byLabel.get(label)
    if (same instanceof Set) same.add(indexed)
    else this.#byLabel.set(label, same ? new Set([same, indexed]) : indexed)
    return indexed
  }

  /** @param indexed what add() has returned; taken out before, nothing changes */
  delete(indexed: Indexed<T>): void {
    const { label } = indexed
    const same = this.#byLabel.get(label)
    if (same instanceof Set) same.delete(indexed)
    if (same === indexed || (same instanceof Set && same.size === 0)) this.#byLabel.delete(label)
  }

  /** The values of all selectors that match a tunnel with these labels, each once. */
  *matching(labels: Labels): Generator<T> {
    for (const [key, value] of labels) {
      for (const indexed of this.#allOf(`${key}=${value}`)) {
        if (matchesSelector(indexed.selector, labels)) yield indexed.value
      }
    }
  }

  /** A matching tunnel has all labels of the selector, so the label with the fewest selectors is chosen. */
  #rarestOf(selector: Labels): string {
    let rarest: string | undefined
    let least = Infinity
    for (const [key, value] of selector) {
      const label = `${key}=${value}`
      const same = this.#byLabel.get(label)
      const count = same instanceof Set ? same.size : same ? 1 : 0
      if (count < least) [rarest, least] = [label, count]
    }
    if (rarest === undefined) throw new RangeError('a selector names at least one label')
    return rarest
  }

  #allOf(label: string): Iterable<Indexed<T>> {
    const same = this.#byLabel.get(label)
    return same instanceof Set ? same : same ? [same] : []
  }
}
