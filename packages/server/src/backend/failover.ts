// Backends in order of preference: the next one serves only while those before it have no working tunnel. When the
// preferred one is back, it serves again at once, even visitors who stick to another. Pure.

import type { Tunnel } from '../tunnel/tunnel.ts'
import type { Asked, Backend, Destination, Tier } from './backend.ts'

export class Failover implements Backend {
  readonly #steps: readonly Backend[]

  constructor(steps: readonly Backend[]) {
    this.#steps = steps
  }

  pick(asked: Asked, tier: Tier, tried?: ReadonlySet<Tunnel>, pin?: string): Destination | undefined {
    for (const step of this.#steps) {
      const destination = step.pick(asked, tier, tried, pin)
      if (destination) return destination
    }
    return undefined
  }

  pickPinned(pin: string, tier: Tier, tried?: ReadonlySet<Tunnel>): Tunnel | undefined {
    for (const step of this.#steps) {
      const tunnel = step.pickPinned(pin, tier, tried)
      if (tunnel) return tunnel
    }
    return undefined
  }

  holds(tunnel: Tunnel): boolean {
    return this.#steps.some((step) => step.holds(tunnel))
  }

  note(asked: Asked, tunnel: Tunnel, hasFailed: boolean, now: number): void {
    for (const step of this.#steps) if (step.holds(tunnel)) step.note(asked, tunnel, hasFailed, now)
  }

  failingAt(now: number): number {
    return this.#steps.reduce((count, step) => count + step.failingAt(now), 0)
  }
}
