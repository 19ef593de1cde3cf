// The destination of one route: a backend, its sticky cookie, and its retry budget.

import type { Labels } from '@sallyport/protocol'

import type { Exchange } from '../exchange/exchange.ts'
import type { Saying } from '../texts/page-texts.ts'
import type { Tunnel } from '../tunnel/tunnel.ts'
import type { Backend, Destination } from './backend.ts'
import { RetryBudget, type RetryCounts } from './retry-budget.ts'
import type { StickyCookie } from './sticky-cookie.ts'

export interface RouteBackendInit {
  selectors: readonly Labels[]
  advice?: Saying | undefined
  sticky?: StickyCookie | undefined
  /** The counter of its retries. */
  retries: RetryCounts
}

export class RouteBackend {
  /** The selectors of its tunnel groups; empty without labels. */
  readonly selectors: readonly Labels[]
  /** The advice for the operator while no tunnel is online, if it does not follow from the labels. */
  readonly advice: Saying | undefined
  readonly budget: RetryBudget
  readonly #backend: Backend
  readonly #sticky: StickyCookie | undefined

  constructor(backend: Backend, { selectors, advice, sticky, retries }: RouteBackendInit) {
    this.#backend = backend
    this.selectors = selectors
    this.advice = advice
    this.#sticky = sticky
    this.budget = new RetryBudget(retries)
  }

  /**
   * The destination of the next attempt of an exchange; undefined if nothing is left. If every app is believed to be
   * down, the tunnels are still tried: a visitor may be the first to find an app that is back.
   */
  pick(exchange: Exchange, tried?: ReadonlySet<Tunnel>): Destination | undefined {
    const pin = this.#sticky?.pinOf(exchange)
    return this.#backend.pick(exchange, 'well', tried, pin) ?? this.#backend.pick(exchange, 'any', tried, pin)
  }

  /**
   * Called with a tunnel's result. Exchanges that a cookie has directed do not count: visitors could choose which
   * tunnel they harm.
   * @param now monotonic milliseconds
   */
  note(exchange: Exchange, tunnel: Tunnel, hasFailed: boolean, now: number): void {
    if (this.#sticky?.pinOf(exchange) === undefined) this.#backend.note(exchange, tunnel, hasFailed, now)
  }

  /** How many tunnels this route has put aside because they fail while their siblings do not. */
  failingAt(now: number): number {
    return this.#backend.failingAt(now)
  }

  /** The Set-Cookie value that goes with an answer from `tunnel`, if one must be set. */
  cookieFor(exchange: Exchange, tunnel: Tunnel): string | undefined {
    return this.#sticky?.lineFor(exchange, tunnel)
  }
}
