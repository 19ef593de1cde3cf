// `req.content_type`: the bare media type as a text, its parameters as fields (RFC 9110 8.3). Pure: no I/O, no clock.

import { defineRecord, value } from './record.ts'

export interface MediaTypeFacts {
  /** The header as it came. */
  readonly raw: string
}

export const MEDIA_TYPE = defineRecord<MediaTypeFacts>('sallyport.MediaType', {
  raw: value('string', 'the whole header, unchanged', (type) => type.raw),
  parameters: value('map<string, string>', 'its parameters, for example `{"charset": "utf-8"}`', (type) =>
    parametersOf(type.raw),
  ),
})

/** `text/html; charset=utf-8` → `text/html`, in lower case. */
export function bareMediaType(raw: string): string {
  const end = raw.indexOf(';')
  return (end === -1 ? raw : raw.slice(0, end)).trim().toLowerCase()
}

function parametersOf(raw: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const written of raw.slice(0, PARAMETERS_MAX_CHARS).split(';').slice(1)) {
    const equals = written.indexOf('=')
    if (equals === -1) continue
    const text = written.slice(equals + 1).trim()
    const isQuoted = text.length > 1 && text.startsWith('"') && text.endsWith('"')
    found.set(written.slice(0, equals).trim().toLowerCase(), isQuoted ? text.slice(1, -1) : text)
  }
  return found
}

const PARAMETERS_MAX_CHARS = 4096
