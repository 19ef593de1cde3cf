// What a route leads to, as its parts see each other: groups of tunnels, fixed responses, and combinations of them.
// Types only.

import type { Tunnel } from '../tunnel/tunnel.ts'
import type { FixedResponse } from './fixed-response.ts'

/** Where one attempt of an exchange goes. */
export type Destination = Tunnel | FixedResponse

/**
 * `well`: tunnels whose app is believed to answer. `any`: all that are online, for when no one is well:
 * then a visitor's request is the test.
 */
export type Tier = 'well' | 'any'

/** What a choice looks at of whoever is to be sent somewhere: an exchange is one. */
export interface Asked {
  /** Monotonic milliseconds. */
  readonly startedAt: number
  /** There where it is a WebSocket: those are shared out by themselves. */
  readonly upgrade: object | undefined
}

export interface Backend {
  /**
   * One destination, or undefined where nothing of this tier is left.
   * @param tried tunnels that this exchange has tried already
   * @param pin the tunnel that this visitor was with before, as StickyCookie names it
   */
  pick(asked: Asked, tier: Tier, tried?: ReadonlySet<Tunnel>, pin?: string): Destination | undefined
  /** The tunnel that this visitor was with before, where it belongs to this backend and is of this tier. */
  pickPinned(pin: string, tier: Tier, tried?: ReadonlySet<Tunnel>): Tunnel | undefined
  /** Whether a tunnel is one of this backend's. */
  holds(tunnel: Tunnel): boolean
  /**
   * Hears how a tunnel has answered somebody whom no pin had sent there.
   * @param now monotonic milliseconds
   */
  note(asked: Asked, tunnel: Tunnel, hasFailed: boolean, now: number): void
  /** How many tunnels are put aside because they fail where their siblings do not. @param now monotonic milliseconds */
  failingAt(now: number): number
}
