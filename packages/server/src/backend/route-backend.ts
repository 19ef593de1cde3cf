// Where one route leads: a backend, whether visitors stick to a tunnel of it, and how much may be retried.

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
  /** Where its retries are counted. */
  retries: RetryCounts
}

export class RouteBackend {
  /** What its tunnel groups select by; empty where no label leads here. */
  readonly selectors: readonly Labels[]
  /** What the operator is told while no tunnel is online, where that does not follow from the labels. */
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
   * Where the next attempt of an exchange goes; undefined where nothing is left. Where every app is believed to be down,
   * the tunnels are tried all the same: a visitor may be the first to see that one is back.
   */
  pick(exchange: Exchange, tried?: ReadonlySet<Tunnel>): Destination | undefined {
    const pin = this.#sticky?.pinOf(exchange)
    return this.#backend.pick(exchange, 'well', tried, pin) ?? this.#backend.pick(exchange, 'any', tried, pin)
  }

  /**
   * Hears how a tunnel has answered. Whom a cookie has sent there does not count: visitors could choose whom they harm.
   * @param now monotonic milliseconds
   */
  note(exchange: Exchange, tunnel: Tunnel, hasFailed: boolean, now: number): void {
    if (this.#sticky?.pinOf(exchange) === undefined) this.#backend.note(exchange, tunnel, hasFailed, now)
  }

  /** How many tunnels this route does without, because they fail where their siblings do not. */
  failingAt(now: number): number {
    return this.#backend.failingAt(now)
  }

  /** The Set-Cookie value that goes with an answer from `tunnel`, if there is one to set. */
  cookieFor(exchange: Exchange, tunnel: Tunnel): string | undefined {
    return this.#sticky?.lineFor(exchange, tunnel)
  }
}
