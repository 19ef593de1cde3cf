// The shape of one policy step. It thinks once, when the configuration is read, and returns this closure.

import type { Exchange } from './exchange.ts'

/**
 * Looks at an exchange and either lets it pass with `next()`, answers it itself with `exchange.respond()`,
 * or throws a RelayError. `next()` resolves when the whole exchange is over, upgrades included, so what an
 * action opens it can close behind `next()`.
 */
export type Action = (exchange: Exchange, next: () => Promise<void>) => Promise<void>
