// Which tunnels are online, and live selections of them by labels. In memory only: a tunnel lives as long as
// its session.

import { formatLabels, matchesSelector } from '@sallyport/protocol'
import type { Labels } from '@sallyport/protocol'

import type { Tunnel } from './tunnel.ts'

/** The tunnels that match one selector. The array is replaced, never changed, when tunnels come and go. */
export interface Selection {
  readonly tunnels: readonly Tunnel[]
}

export class Registry {
  readonly #tunnels = new Set<Tunnel>()
  readonly #selections = new Map<string, { selector: Labels; tunnels: readonly Tunnel[] }>()

  /** The live selection for a selector; the same object for equal selectors. */
  select(selector: Labels): Selection {
    const key = formatLabels(selector)
    let selection = this.#selections.get(key)
    if (!selection) {
      selection = { selector, tunnels: [] }
      this.#selections.set(key, selection)
      this.#refresh(selection)
    }
    return selection
  }

  add(tunnel: Tunnel): void {
    this.#tunnels.add(tunnel)
    this.#changed(tunnel)
  }

  /** Safe to call twice. */
  remove(tunnel: Tunnel): void {
    if (this.#tunnels.delete(tunnel)) this.#changed(tunnel)
  }

  get tunnels(): ReadonlySet<Tunnel> {
    return this.#tunnels
  }

  #changed(tunnel: Tunnel): void {
    for (const selection of this.#selections.values()) {
      if (matchesSelector(selection.selector, tunnel.labels)) this.#refresh(selection)
    }
  }

  #refresh(selection: { selector: Labels; tunnels: readonly Tunnel[] }): void {
    selection.tunnels = [...this.#tunnels].filter((tunnel) => matchesSelector(selection.selector, tunnel.labels))
  }
}
