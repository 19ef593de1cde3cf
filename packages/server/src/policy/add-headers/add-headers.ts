// `add-headers`, for the request on its way to the app or the response on its way back.
// The edits are noted on the exchange; forward/headers applies them when the head is written.

import type { Action } from '../../exchange/action.ts'
import type { Site } from '../builder.ts'
import { editsOf } from '../edits-of.ts'
import type { AddHeadersConfig } from './kind.ts'

/** Adds headers: those that are there already stay. */
export function addHeaders({ headers }: AddHeadersConfig, { phase }: Pick<Site, 'phase'>): Action {
  const pairs = Object.entries(headers)
  return async (exchange, next) => {
    const edits = editsOf(exchange, phase)
    for (const [name, value] of pairs) edits.append(name, value)
    await next()
  }
}
