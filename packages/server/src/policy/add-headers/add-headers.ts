// `add-headers`, for the request on its way to the app or the response on its way back.

import type { Edit } from '../edits-of.ts'
import type { Phase } from '../kind.ts'
import { linesFrom } from '../text.ts'
import type { AddHeadersConfig } from './kind.ts'

/** Adds headers: existing ones stay. */
export function addHeaders({ headers }: AddHeadersConfig, phase: Phase): Edit {
  const lines = linesFrom(headers, phase)
  return (edits, exchange, answer) => {
    for (const [name, value] of lines(exchange, answer)) edits.append(name, value)
  }
}
