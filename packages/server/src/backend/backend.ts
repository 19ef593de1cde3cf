// The types of backends, by which they know each other: groups of tunnels, fixed responses, and combinations of them.
// Types only.

import type { Tunnel } from '../tunnel/tunnel.ts'
import type { FixedResponse } from './fixed-response.ts'

/** The destination of one attempt of an exchange. */
export type Destination = Tunnel | FixedResponse

/**
 * `well`: tunnels whose app is believed to answer. `any`: all that are online, used if none is well: then a visitor's
 * request is the test.
 */
export type Tier = 'well' | 'any'

/** The input of a choice: an exchange is one. */
export interface Asked {
  /** Monotonic milliseconds. */
  readonly startedAt: number
  /** Set for a WebSocket: these are distributed separately. */
  readonly upgrade: object | undefined
}

export interface Backend {
  /**
   * One destination, or undefined if this tier has no other.
   * @param tried tunnels that this exchange has tried already
   * @param pin the visitor's previous tunnel, as StickyCookie names it
   */
  pick(asked: Asked, tier: Tier, tried?: ReadonlySet<Tunnel>, pin?: string): Destination | undefined
  /** The visitor's previous tunnel, if it belongs to this backend and to this tier. */
  pickPinned(pin: string, tier: Tier, tried?: ReadonlySet<Tunnel>): Tunnel | undefined
  /** Whether a tunnel belongs to this backend. */
  holds(tunnel: Tunnel): boolean
  /**
   * Called with the result of an exchange that no pin had sent to the tunnel.
   * @param now monotonic milliseconds
   */
  note(asked: Asked, tunnel: Tunnel, hasFailed: boolean, now: number): void
  /** How many tunnels are put aside because they fail while their siblings do not. @param now monotonic milliseconds */
  failingAt(now: number): number
}
