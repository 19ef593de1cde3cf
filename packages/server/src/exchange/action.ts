// The types of one policy step. Its builder does all preparation once, when the configuration is read, and returns this
// closure.

import type { AppAnswer } from './app-answer.ts'
import type { Exchange } from './exchange.ts'

/**
 * Looks at an exchange and either lets it pass with `next()`, answers it itself with `exchange.respond()`,
 * or throws a RelayError. `next()` resolves when the whole exchange has ended, upgrades included, so an action can
 * close after `next()` everything that it has opened.
 */
export type Action = (exchange: Exchange, next: () => Promise<void>) => Promise<void>

/**
 * Looks at the connection of a visitor, with the first exchange that it brings. It throws a RelayError if it cannot decide: this
 * exchange is refused then, and the next one is looked at anew.
 * @returns why the connection has to end; undefined if it may stay
 */
export type ConnectionAction = (exchange: Exchange) => Error | undefined

/**
 * Looks at the head of an app's answer. It may note edits in `exchange.responseEdits`, and set properties of the
 * answer. It throws a RelayError to refuse the answer; the visitor then gets that error instead.
 * Only an action whose kind says `waits` returns a promise: the app's answer is held meanwhile.
 */
export type ResponseAction = (exchange: Exchange, answer: AppAnswer) => void | Promise<void>
