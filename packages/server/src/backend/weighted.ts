// Backends that share the visitors by weight, for example a new version with a tenth. Each exchange draws at random;
// with turns, the parts of a page could always fall on the same branch. The others take over the share of a branch
// without a working tunnel; a branch with weight 0 is off. Pure except for the draw.

import type { Tunnel } from '../tunnel/tunnel.ts'
import type { Asked, Backend, Destination, Tier } from './backend.ts'

export interface Branch {
  backend: Backend
  weight: number
}

export class Weighted implements Backend {
  readonly #branches: readonly Branch[]
  readonly #random: () => number

  constructor(branches: readonly Branch[], random: () => number = Math.random) {
    this.#branches = branches.filter(({ weight }) => weight > 0)
    this.#random = random
  }

  pick(asked: Asked, tier: Tier, tried?: ReadonlySet<Tunnel>, pin?: string): Destination | undefined {
    const pinned = pin === undefined ? undefined : this.pickPinned(pin, tier, tried)
    return pinned ?? (tried && this.#pickBeside(asked, tried, tier)) ?? this.#draw(asked, this.#branches, tier, tried)
  }

  pickPinned(pin: string, tier: Tier, tried?: ReadonlySet<Tunnel>): Tunnel | undefined {
    for (const { backend } of this.#branches) {
      const tunnel = backend.pickPinned(pin, tier, tried)
      if (tunnel) return tunnel
    }
    return undefined
  }

  holds(tunnel: Tunnel): boolean {
    return this.#branches.some(({ backend }) => backend.holds(tunnel))
  }

  note(asked: Asked, tunnel: Tunnel, hasFailed: boolean, now: number): void {
    for (const { backend } of this.#branches) if (backend.holds(tunnel)) backend.note(asked, tunnel, hasFailed, now)
  }

  failingAt(now: number): number {
    return this.#branches.reduce((count, { backend }) => count + backend.failingAt(now), 0)
  }

  /** An exchange that has begun with one branch stays there while it can. */
  #pickBeside(asked: Asked, tried: ReadonlySet<Tunnel>, tier: Tier): Destination | undefined {
    for (const tunnel of tried) {
      const branch = this.#branches.find(({ backend }) => backend.holds(tunnel))
      const destination = branch?.backend.pick(asked, tier, tried)
      if (destination) return destination
    }
    return undefined
  }

  #draw(
    asked: Asked,
    branches: readonly Branch[],
    tier: Tier,
    tried: ReadonlySet<Tunnel> | undefined,
  ): Destination | undefined {
    let total = 0
    for (const { weight } of branches) total += weight
    let ticket = this.#random() * total
    for (const branch of branches) {
      ticket -= branch.weight
      if (ticket >= 0) continue
      const destination = branch.backend.pick(asked, tier, tried)
      if (destination) return destination
      return this.#draw(
        asked,
        branches.filter((other) => other !== branch),
        tier,
        tried,
      )
    }
    return undefined
  }
}
