// `remove-headers`, for the request on its way to the app or the response on its way back.

import type { Edit } from '../edits-of.ts'
import type { RemoveHeadersConfig } from './kind.ts'

export function removeHeaders({ headers }: RemoveHeadersConfig): Edit {
  return (edits) => {
    for (const name of headers) edits.remove(name)
  }
}
