// `remove-headers`, for the request on its way to the app or the response on its way back.

import type { Edit } from '../headers/edits-of.ts'
import { noteResult } from '../note-result.ts'
import type { Remembering } from '../note-result.ts'
import type { RemoveHeadersConfig } from './kind.ts'

export function removeHeaders({ headers }: RemoveHeadersConfig, { readsResult }: Remembering): Edit {
  const removed = headers.map((name) => name.toLowerCase()) // as at ngrok
  const isRead = readsResult('remove_headers')
  return (edits, exchange) => {
    for (const name of headers) edits.remove(name)
    if (isRead) noteResult(exchange, 'remove_headers', { headers_removed: removed })
  }
}
