// `remove-headers`, for the request on its way to the app or the response on its way back.
// The edits are noted on the exchange; forward/headers applies them when the head is written.

import type { Action } from '../../exchange/action.ts'
import type { Site } from '../builder.ts'
import { editsOf } from '../edits-of.ts'
import type { RemoveHeadersConfig } from './kind.ts'

export function removeHeaders({ headers }: RemoveHeadersConfig, { phase }: Pick<Site, 'phase'>): Action {
  return async (exchange, next) => {
    const edits = editsOf(exchange, phase)
    for (const name of headers) edits.remove(name)
    await next()
  }
}
