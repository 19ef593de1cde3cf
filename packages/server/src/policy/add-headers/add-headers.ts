// `add-headers`, for the request on its way to the app or the response on its way back.

import type { Edit } from '../edits-of.ts'
import type { AddHeadersConfig } from './kind.ts'

/** Adds headers: those that are there already stay. */
export function addHeaders({ headers }: AddHeadersConfig): Edit {
  const pairs = Object.entries(headers)
  return (edits) => {
    for (const [name, value] of pairs) edits.append(name, value)
  }
}
