// A backend that means all tunnels with certain labels, and balances over those that are online.

import { formatLabels } from '@sallyport/protocol'
import type { Labels } from '@sallyport/protocol'

import type { Selection } from '../tunnel/registry.ts'
import type { Tunnel } from '../tunnel/tunnel.ts'
import { Balancer } from './balancer.ts'

export class TunnelGroup {
  readonly labels: Labels
  readonly #selection: Selection
  readonly #balancer = new Balancer()

  constructor(labels: Labels, selection: Selection) {
    this.labels = labels
    this.#selection = selection
  }

  /** One online tunnel that is not excluded, or undefined. */
  pick(excluded?: ReadonlySet<Tunnel>): Tunnel | undefined {
    return this.#balancer.pick(this.#selection.tunnels, excluded)
  }

  /** How many tunnels could be picked now. */
  get online(): number {
    return this.#selection.tunnels.filter((tunnel) => tunnel.isOnline).length
  }

  /** The labels, for people. */
  describe(): string {
    return formatLabels(this.labels)
  }
}
