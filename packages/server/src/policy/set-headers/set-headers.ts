// `set-headers`, for the request on its way to the app or the response on its way back.

import type { Edit } from '../headers/edits-of.ts'
import type { Phase } from '../kind.ts'
import { noteResult } from '../note-result.ts'
import type { Remembering } from '../note-result.ts'
import type { SourcesParts } from '../sources/sources.ts'
import { linesFrom, lowerCased } from '../text.ts'
import type { SetHeadersConfig } from './kind.ts'

/** Sets headers: existing ones are replaced. */
export function setHeaders({ headers }: SetHeadersConfig, phase: Phase, site: Remembering & SourcesParts): Edit {
  const lines = linesFrom(headers, phase, site)
  const isRead = site.readsResult('set_headers')
  return (edits, exchange, answer) => {
    const made = lines(exchange, answer)
    for (const [name, value] of made) edits.set(name, value)
    if (isRead) noteResult(exchange, 'set_headers', { headers_set: lowerCased(made) })
  }
}
