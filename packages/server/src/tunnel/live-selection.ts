// The tunnels that match one selector, while the selection is in use. The registry adds and removes them.

import { matchesSelector } from '@sallyport/protocol'
import type { Labels } from '@sallyport/protocol'

import type { Tunnel } from './tunnel.ts'

export class LiveSelection {
  readonly selector: Labels
  readonly #members = new Set<Tunnel>()
  #listed: readonly Tunnel[] | undefined

  constructor(selector: Labels, online: Iterable<Tunnel>) {
    this.selector = selector
    for (const tunnel of online) this.add(tunnel)
  }

  /**
   * The array is replaced, never changed, when tunnels come and go. It is made on access, because thousands of agents
   * may come or go at once, and an array for each change would take quadratic time.
   */
  get tunnels(): readonly Tunnel[] {
    return (this.#listed ??= [...this.#members])
  }

  /** Takes a tunnel that has come online, if it matches. */
  add(tunnel: Tunnel): void {
    if (!matchesSelector(this.selector, tunnel.labels)) return
    this.#members.add(tunnel)
    this.#listed = undefined
  }

  delete(tunnel: Tunnel): void {
    if (this.#members.delete(tunnel)) this.#listed = undefined
  }
}
