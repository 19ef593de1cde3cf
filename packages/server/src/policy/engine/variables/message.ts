// The fields that requests and responses share. Pure: no I/O, no clock.

import type { MessageFacts } from '../facts.ts'
import { HeaderMap, linesOf } from './header-map.ts'
import { MEDIA_TYPE, bareMediaType } from './media-type.ts'
import { type Field, textWithFields, value } from './record.ts'

/** Fields of every message. */
export function messageFields<Facts extends MessageFacts>(): Readonly<Record<string, Field<Facts>>> {
  return {
    headers: value(
      'map<string, list<string>>',
      'the values by the name of the header; the case of a name does not matter',
      (message) => new HeaderMap(() => message.rawHeaders),
    ),
    trailers: value(
      'map<string, list<string>>',
      'the values by the name of the trailer; empty until the whole body has come',
      (message) => new HeaderMap(() => message.rawTrailers),
    ),
    content_length: value('int', 'the announced length of the body; absent without the header', contentLength, SCAN),
    content_type: textWithFields(
      MEDIA_TYPE,
      'the media type without its parameters; empty without the header',
      (message) => bareMediaType(first(message, 'content-type') ?? ''),
      (message) => ({ raw: first(message, 'content-type') ?? '' }),
      SCAN,
    ),
    content_encoding: value('list<string>', 'the codings, in their order', contentEncoding, SCAN),
    location: value(
      'string',
      'the header `Location`; empty without the header',
      (message) => first(message, 'location') ?? '',
      SCAN,
    ),
  }
}

/** A lookup scans all lines of a head. */
const SCAN = { units: 40 }

function first(message: MessageFacts, name: string): string | undefined {
  return linesOf(message.rawHeaders, name)?.[0]
}

function contentLength(message: MessageFacts): bigint | undefined {
  const written = first(message, 'content-length')
  return written !== undefined && /^\d{1,18}$/.test(written) ? BigInt(written) : undefined
}

function contentEncoding(message: MessageFacts): string[] {
  const lines = linesOf(message.rawHeaders, 'content-encoding') ?? []
  return lines
    .flatMap((line) => line.split(','))
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== '')
}
