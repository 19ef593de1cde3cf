// `add-headers` and `remove-headers`, for the request on its way to the app or the response on its way back.
// The edits are noted on the exchange; forward/headers applies them when the head is written.

import type { AddHeadersConfig, RemoveHeadersConfig } from '../../model/policy-schema.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { HeaderEdits } from '../../exchange/header-edits.ts'
import type { Action } from '../../exchange/action.ts'

type Phase = 'request' | 'response'

/** Sets headers: one that is there already is replaced. */
export function addHeaders({ headers }: AddHeadersConfig, phase: Phase): Action {
  const pairs = Object.entries(headers)
  return async (exchange, next) => {
    const edits = editsOf(exchange, phase)
    for (const [name, value] of pairs) edits.set(name, value)
    await next()
  }
}

export function removeHeaders({ headers }: RemoveHeadersConfig, phase: Phase): Action {
  return async (exchange, next) => {
    const edits = editsOf(exchange, phase)
    for (const name of headers) edits.remove(name)
    await next()
  }
}

function editsOf(exchange: Exchange, phase: Phase): HeaderEdits {
  if (phase === 'request') return (exchange.requestEdits ??= new HeaderEdits())
  return (exchange.responseEdits ??= new HeaderEdits())
}
