// `close-connection`: closes the connection without an answer.

import type { Action } from '../../exchange/action.ts'

export function closeConnection(): Action {
  return async (exchange) => {
    exchange.cut(new Error('closed by the policy'))
    // A proxy's connection carries other visitors, too.
    if (!exchange.connection.isFromProxy) exchange.connection.end()
  }
}
