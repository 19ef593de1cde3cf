// `set-headers`, for the request on its way to the app or the response on its way back.

import type { Edit } from '../edits-of.ts'
import type { SetHeadersConfig } from './kind.ts'

/** Sets headers: those that are there already are replaced. */
export function setHeaders({ headers }: SetHeadersConfig): Edit {
  const pairs = Object.entries(headers)
  return (edits) => {
    for (const [name, value] of pairs) edits.set(name, value)
  }
}
