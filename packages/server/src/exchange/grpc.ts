// The relay's knowledge of gRPC: recognising a call, the form of an error, and the time limit of a call.
// Pure: no I/O, no clock. Source: "gRPC over HTTP2" and "HTTP to gRPC Status Code Mapping" of the gRPC specification.

import type { RelayError } from '../errors.ts'
import { errorHeaders } from '../pages/error-page.ts'
import type { ErrorAnswer } from '../pages/error-page.ts'
import type { Frame } from '../pages/frame.ts'

/** The gRPC status for a status of ours. */
const STATUS_OF: ReadonlyMap<number, number> = new Map([
  [400, 13], // INTERNAL
  [401, 16], // UNAUTHENTICATED
  [403, 7], // PERMISSION_DENIED
  [404, 12], // UNIMPLEMENTED
  [405, 12],
  [408, 4], // DEADLINE_EXCEEDED
  [429, 8], // RESOURCE_EXHAUSTED
  [431, 8],
  [500, 13],
  [501, 12],
  [502, 14], // UNAVAILABLE
  [503, 14],
  [504, 4],
  [508, 13],
])
const UNKNOWN = 2 // for a status that an operator has chosen

const MESSAGE_MAX_CHARS = 500 // advice may list all labels of a route, and some libraries take only 8 KiB of headers
const UNIT_MS: ReadonlyMap<string, number> = new Map([
  ['H', 3_600_000],
  ['M', 60_000],
  ['S', 1000],
  ['m', 1],
  ['u', 0.001],
  ['n', 0.000_001],
])

/**
 * The content type for answers to a gRPC call: its own, without parameters; undefined if it is not a gRPC call.
 * `application/grpc-web` is not one: its libraries run in pages, and read the status of HTTP.
 */
export function grpcTypeOf(method: string, contentType: string | undefined): string | undefined {
  if (method !== 'POST' || contentType === undefined || !GRPC.test(contentType)) return undefined
  const end = contentType.indexOf(';')
  return (end === -1 ? contentType : contentType.slice(0, end)).trimEnd().toLowerCase()
}

/** Trailers-Only: a status of gRPC in a head of 200 without a body. */
export function grpcAnswer(
  error: RelayError,
  { texts, requestId, toOperator }: Frame,
  contentType: string,
): ErrorAnswer {
  const { status } = error
  return {
    status: 200,
    headers: {
      'content-type': contentType,
      'grpc-status': String(STATUS_OF.get(status) ?? UNKNOWN),
      'grpc-message': percentEncode(
        `${error.titleIn(texts)}: ${error.adviceIn(texts, toOperator)}`.slice(0, MESSAGE_MAX_CHARS),
      ),
      ...errorHeaders(error, requestId),
    },
    body: '',
  }
}

/** The value of `grpc-timeout`, in milliseconds; undefined if it is missing or unreadable. */
export function readGrpcTimeout(value: string | undefined): number | undefined {
  if (value === undefined || !TIMEOUT.test(value)) return undefined
  const unit = UNIT_MS.get(value.at(-1)!) // TIMEOUT has one at the end
  return unit === undefined ? undefined : Number(value.slice(0, -1)) * unit
}

const GRPC = /^application\/grpc(?:\+[\w.-]{1,40})?[ \t]*(?:;|$)/i
const TIMEOUT = /^\d{1,8}[HMSmun]$/

/** "Percent-Encoded": UTF-8, and plain only from the space to the tilde, without the percent sign. */
function percentEncode(message: string): string {
  let encoded = ''
  for (const byte of Buffer.from(message, 'utf8')) {
    const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25
    encoded += isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return encoded
}
