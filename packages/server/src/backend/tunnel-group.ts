// A backend that means all tunnels with certain labels, and balances over those that are online.

import type { BalanceMethod } from '../config/config.ts'
import type { Selection } from '../tunnel/registry.ts'
import type { Tunnel } from '../tunnel/tunnel.ts'
import type { Asked, Backend, Tier } from './backend.ts'
import { Balancer } from './balancer.ts'

export interface TunnelGroupOptions {
  /** The live list of the tunnels that are meant. */
  selection: Selection
  balance?: BalanceMethod | undefined
  /** What a visitor who sticks to a tunnel holds; without it nobody sticks. */
  pinFor?: ((tunnel: Tunnel) => string) | undefined
}

export class TunnelGroup implements Backend {
  readonly #selection: Selection
  readonly #balancer: Balancer<Tunnel>
  readonly #pinFor: ((tunnel: Tunnel) => string) | undefined
  /** Pin → the tunnels it means: more than one only while an agent offers different things under one number. */
  #pins = new Map<string, Tunnel[]>()
  #pinned: readonly Tunnel[] = []

  constructor({ selection, balance, pinFor }: TunnelGroupOptions) {
    this.#selection = selection
    this.#balancer = new Balancer(balance)
    this.#pinFor = pinFor
  }

  pick(asked: Asked, tier: Tier, tried?: ReadonlySet<Tunnel>, pin?: string): Tunnel | undefined {
    const pinned = pin === undefined ? undefined : this.pickPinned(pin, tier, tried)
    return pinned ?? this.#balancer.pick(this.#selection.tunnels, tier, tried, asked.upgrade !== undefined)
  }

  pickPinned(pin: string, tier: Tier, tried?: ReadonlySet<Tunnel>): Tunnel | undefined {
    if (this.#pinned !== this.#selection.tunnels) this.#indexPins()
    let best: Tunnel | undefined
    for (const tunnel of this.#pins.get(pin) ?? []) {
      if (!tunnel.isOnline || (!tunnel.isWell && tier === 'well') || tried?.has(tunnel)) continue
      if (!best || tunnel.inFlight < best.inFlight) best = tunnel
    }
    return best
  }

  holds(tunnel: Tunnel): boolean {
    return this.#selection.tunnels.includes(tunnel)
  }

  #indexPins(): void {
    this.#pinned = this.#selection.tunnels
    this.#pins = new Map()
    if (!this.#pinFor) return
    for (const tunnel of this.#pinned) {
      const pin = this.#pinFor(tunnel)
      const same = this.#pins.get(pin)
      if (same) same.push(tunnel)
      else this.#pins.set(pin, [tunnel])
    }
  }
}
