// `set-headers`, for the request on its way to the app or the response on its way back.

import type { Edit } from '../edits-of.ts'
import type { Phase } from '../kind.ts'
import { linesFrom } from '../text.ts'
import type { SetHeadersConfig } from './kind.ts'

/** Sets headers: existing ones are replaced. */
export function setHeaders({ headers }: SetHeadersConfig, phase: Phase): Edit {
  const lines = linesFrom(headers, phase)
  return (edits, exchange, answer) => {
    for (const [name, value] of lines(exchange, answer)) edits.set(name, value)
  }
}
