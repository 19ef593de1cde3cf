// A backend of all tunnels with certain labels, which balances over the online ones, and leaves out tunnels that fail
// while their siblings do not.

import { randomInt } from 'node:crypto'

import type { BalanceMethod } from '../model/edge-config.ts'
import type { Selection } from '../tunnel/registry.ts'
import type { Tunnel } from '../tunnel/tunnel.ts'
import type { Asked, Backend, Tier } from './backend.ts'
import { Balancer } from './balancer.ts'
import { Outliers } from './outliers.ts'
import type { OutlierChange } from './outliers.ts'

const DRAWS = 2 ** 32

/** Called when a tunnel is put aside for its errors, or taken back. */
export type OnOutlier = (tunnel: Tunnel, change: OutlierChange) => void

export interface TunnelGroupInit {
  /** The live list of the group's tunnels. */
  selection: Selection
  balance?: BalanceMethod | undefined
  /** The sticky cookie; without it no visitor sticks to a tunnel. */
  pinFor?: ((tunnel: Tunnel) => string) | undefined
  onOutlier?: OnOutlier | undefined
}

export class TunnelGroup implements Backend {
  readonly #selection: Selection
  readonly #balancer: Balancer<Tunnel>
  /** For trials: it must not be predictable. */
  #byChance: Balancer<Tunnel> | undefined
  /** Both made when two tunnels first share visitors: most groups of endpoints have one. */
  #outliers: Outliers<Tunnel> | undefined
  readonly #onOutlier: OnOutlier | undefined
  readonly #pinFor: ((tunnel: Tunnel) => string) | undefined
  /** Pin → its tunnels: more than one only while an agent has different offers with one number. */
  #pins = new Map<string, Tunnel[]>()
  #pinned: readonly Tunnel[] = []

  constructor({ selection, balance, pinFor, onOutlier }: TunnelGroupInit) {
    this.#selection = selection
    this.#balancer = new Balancer(balance)
    this.#pinFor = pinFor
    this.#onOutlier = onOutlier
  }

  pick(asked: Asked, tier: Tier, tried?: ReadonlySet<Tunnel>, pin?: string): Tunnel | undefined {
    const pinned = pin === undefined ? undefined : this.pickPinned(pin, tier, tried)
    if (pinned) return pinned
    const { tunnels } = this.#selection
    const outliers = this.#outliers
    const lasts = asked.upgrade !== undefined
    if (!outliers) return this.#balancer.pick(tunnels, tier, tried, lasts)
    if (asked.startedAt >= outliers.nextAt) outliers.turn(asked.startedAt)
    const balancer = outliers.isTrial ? this.#chance() : this.#balancer
    const fit = outliers.fit(tunnels)
    const picked = balancer.pick(fit, tier, tried, lasts)
    // A tunnel that fails often is still better than none.
    return picked || fit === tunnels ? picked : balancer.pick(tunnels, tier, tried, lasts)
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

  note(asked: Asked, tunnel: Tunnel, hasFailed: boolean, now: number): void {
    const { tunnels } = this.#selection
    if (tunnels.length < 2) return
    this.#outliers ??= new Outliers(this.#onOutlier)
    this.#outliers.note(tunnel, hasFailed, tunnels, asked.startedAt, now)
  }

  failingAt(now: number): number {
    return this.#outliers?.asideAt(now) ?? 0
  }

  #chance(): Balancer<Tunnel> {
    return (this.#byChance ??= new Balancer<Tunnel>('random', () => randomInt(DRAWS) / DRAWS))
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
