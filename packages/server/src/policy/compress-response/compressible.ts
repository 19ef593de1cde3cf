// Which answers may be compressed, and their heads afterwards. Pure: no I/O, no clock.

import type { Algorithm } from './algorithms.ts'

/** A flat list: name, value, name, value … */
type Headers = readonly string[]

// For shorter bodies, compression saves less than a packet.
const BODY_MIN_BYTES = 1024

/** 204, 205 and 304 have no body; the ranges of a 206 are those of the app's own bytes. */
const LEFT_ALONE = new Set([204, 205, 206, 304])

// Digests of the bytes as they are sent (RFC 9530, RFC 3230, RFC 2616 14.15). Compression would make them wrong.
const DIGESTS = ['content-digest', 'repr-digest', 'digest', 'content-md5']

const TYPES = new Set([
  'application/javascript',
  'application/ecmascript',
  'application/graphql',
  'application/json',
  'application/jsonl',
  'application/ndjson',
  'application/rtf',
  'application/sql',
  'application/toml',
  'application/vnd.ms-fontobject',
  'application/wasm',
  'application/x-javascript',
  'application/x-ndjson',
  'application/x-sh',
  'application/x-www-form-urlencoded',
  'application/x-yaml',
  'application/xml',
  'application/xml-dtd',
  'application/yaml',
  'font/collection',
  'font/otf',
  'font/ttf',
  'image/bmp',
  'image/svg+xml',
  'image/vnd.microsoft.icon',
  'image/x-icon',
])

/** Whether compression makes an answer with this head smaller, and the head allows it. */
export function isCompressible(method: string, status: number, headers: Headers): boolean {
  if (method === 'HEAD' || status < 200 || LEFT_ALONE.has(status)) return false
  const value = (name: string): string | undefined => valueOf(headers, name)
  if (value('content-encoding') !== undefined || value('content-range') !== undefined) return false
  if (DIGESTS.some((name) => value(name) !== undefined)) return false
  if (lists(value('cache-control'), 'no-transform')) return false // RFC 9111 5.2.2.6
  const length = value('content-length')
  if (length !== undefined && Number(length) < BODY_MIN_BYTES) return false
  return gains(value('content-type') ?? '')
}

/** The head of an answer whose coding depends on Accept-Encoding (RFC 9110 12.5.5), whether or not it gets one. */
export function varying(headers: Headers): string[] {
  const vary = valueOf(headers, 'vary')
  if (lists(vary, '*') || lists(vary, 'accept-encoding')) return [...headers]
  return [...headers, 'Vary', 'Accept-Encoding']
}

/** The head of an answer that is compressed. */
export function encodedHead(headers: Headers, algorithm: Algorithm): string[] {
  const head: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]! // pairs
    const value = headers[i + 1]!
    const lower = name.toLowerCase()
    // The length is unknown before the end. Ranges would refer to other bytes.
    if (lower === 'content-length' || lower === 'accept-ranges') continue
    // RFC 9110 8.8.1: two codings of an answer have different bytes, so a strong validator would be wrong.
    if (lower === 'etag') head.push(name, value.startsWith('W/') ? value : `W/${value}`)
    else head.push(name, value)
  }
  head.push('Content-Encoding', algorithm)
  return head
}

function gains(contentType: string): boolean {
  const end = contentType.indexOf(';')
  const type = (end === -1 ? contentType : contentType.slice(0, end)).trim().toLowerCase()
  if (type.startsWith('application/grpc')) return false // its messages name their compression themselves
  if (type.startsWith('text/') || TYPES.has(type)) return true
  return type.endsWith('+json') || type.endsWith('+xml') || type.endsWith('+yaml')
}

/** All lines of a name as one. */
function valueOf(headers: Headers, name: string): string | undefined {
  let all: string | undefined
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i]!.length !== name.length || headers[i]!.toLowerCase() !== name) continue // pairs
    all = all === undefined ? headers[i + 1]! : `${all}, ${headers[i + 1]!}`
  }
  return all
}

function lists(value: string | undefined, wanted: string): boolean {
  return value !== undefined && value.split(',').some((item) => item.trim().toLowerCase() === wanted)
}
