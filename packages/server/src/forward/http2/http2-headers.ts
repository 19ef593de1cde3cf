// The heads of HTTP/2 messages to and from an app. Pure: no I/O, no clock. Only headers.ts decides which headers cross
// the relay; this file converts its lines to the other form (RFC 9113 8.3).

import type { Exchange } from '../../exchange/exchange.ts'
import { writeRequestHead } from '../transfer/headers.ts'
import type { RequestFraming } from '../transfer/headers.ts'
import type { ResponseHead } from '../transfer/response-head.ts'

// RFC 9113 8.2.2: they belong to an HTTP/1.1 connection. The Host becomes :authority.
const OF_CONNECTIONS = new Set(['connection', 'transfer-encoding', 'host'])

/**
 * Writes the request head for the app, as the flat list that node:http2 takes.
 * @param hostHeader `preserve`, or the app's :authority
 */
export function writeHttp2Head(
  exchange: Exchange,
  hostHeader: string,
  scheme: 'http' | 'https',
  framing: RequestFraming,
): string[] {
  const lines = writeRequestHead(exchange, hostHeader, framing).split('\r\n')
  const fields: string[] = []
  let authority = ''
  // The first line is the request line; the empty line at the end makes two empty pieces.
  for (let i = 1; i < lines.length - 2; i++) {
    const line = lines[i]! // i is below the length
    const colon = line.indexOf(': ') // as writeRequestHead puts it
    const name = line.slice(0, colon).toLowerCase()
    if (name === 'host') authority = line.slice(colon + 2)
    if (!OF_CONNECTIONS.has(name)) fields.push(name, line.slice(colon + 2))
  }
  return [':method', exchange.method, ':scheme', scheme, ':authority', authority, ':path', exchange.target, ...fields]
}

/** The app's response head in the form that headers.ts filters. node:http2 has checked names and values already. */
export function readHttp2Head(rawHeaders: readonly string[]): ResponseHead {
  const fields: string[] = []
  let status = 0
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]! // pairs
    if (name === ':status') status = Number(rawHeaders[i + 1])
    else if (!name.startsWith(':')) fields.push(name, rawHeaders[i + 1]!)
  }
  return { status, rawHeaders: fields, framing: 'chunked', keepAlive: true, connectionOptions: undefined }
}
