// `close-connection`: closes the connection without an answer.

import type { Action, ConnectionAction } from '../../exchange/action.ts'

export function closeConnection(): Action {
  return async (exchange) => {
    exchange.cut(new Error(CLOSED))
    // A proxy's connection carries other visitors, too.
    if (!exchange.connection.isFromProxy) exchange.connection.end()
  }
}

/** The same for a connection, which the gate ends. */
export function closeNewConnection(): ConnectionAction {
  return () => new Error(CLOSED)
}

const CLOSED = 'closed by the policy'
