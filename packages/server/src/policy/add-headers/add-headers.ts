// `add-headers`, for the request on its way to the app or the response on its way back.

import type { Edit } from '../headers/edits-of.ts'
import type { Phase } from '../kind.ts'
import { noteResult } from '../note-result.ts'
import type { Remembering } from '../note-result.ts'
import type { SourcesParts } from '../sources/sources.ts'
import { linesFrom, lowerCased } from '../text.ts'
import type { AddHeadersConfig } from './kind.ts'

/** Adds headers: existing ones stay. */
export function addHeaders({ headers }: AddHeadersConfig, phase: Phase, site: Remembering & SourcesParts): Edit {
  const lines = linesFrom(headers, phase, site)
  const isRead = site.readsResult('add_headers')
  return (edits, exchange, answer) => {
    const made = lines(exchange, answer)
    for (const [name, value] of made) edits.append(name, value)
    if (isRead) noteResult(exchange, 'add_headers', { headers_added: lowerCased(made) })
  }
}
