// The life of an exchange, from its start to its line in the log. handle.ts has the steps in between.

import type { LimitName } from '../config/config.ts'
import type { AccessLog } from '../exchange/access-log.ts'
import type { Border, OnFault } from '../exchange/border.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { Look } from '../pages/look.ts'

export interface ServeParts {
  readonly accessLog: AccessLog
  /** Whether an exchange without an error gets a line, too. */
  readonly logsAll: boolean
  readonly counts: {
    count(status: number, milliseconds: number, code: string | undefined): void
    countFault(border: Border): void
  }
  readonly refusals: { count(limit: LimitName, address: string): void }
  /** The appearance of pages outside edges. */
  readonly look: Look
  /** The value of Strict-Transport-Security; undefined if the relay sends none. */
  readonly strictTransport: string | undefined
  readonly onFault: OnFault
}

/** Serves an exchange; resolves when it has ended, and never rejects. */
export type Serve = (exchange: Exchange, handle: (exchange: Exchange) => Promise<void>) => Promise<void>

export function serveIn({ accessLog, logsAll, counts, refusals, look, strictTransport, onFault }: ServeParts): Serve {
  const fail = (exchange: Exchange, thrown: unknown): void => {
    try {
      exchange.fail(thrown)
    } catch (error) {
      // The refusal could not be sent either.
      onFault(error, 'exchange')
      exchange.cut(new Error('the refusal could not be sent', { cause: error }))
      return
    }
    if (exchange.error?.code === 'internal') counts.countFault('exchange') // the line of the log has the stack
  }
  return async (exchange, handle) => {
    exchange.look = look
    if (strictTransport !== undefined) exchange.holdToHttps(strictTransport)
    try {
      await handle(exchange)
    } catch (error) {
      fail(exchange, error)
    }
    try {
      const now = performance.now()
      const { error } = exchange
      counts.count(exchange.status, now - exchange.startedAt, error?.publicCode)
      if (error?.limit) refusals.count(error.limit, exchange.clientIp)
      if (logsAll || error) accessLog.write(exchange, now)
    } catch (error) {
      onFault(error, 'exchange')
    }
  }
}
