// Admission of HTTP/2 requests: the rules of admission.ts in terms of HTTP/2, and the request in the form of HTTP/1.1,
// so that all rooms after the listener see one form. nghttp2 refuses most malformed heads earlier. This module checks
// the rest, and the rules that a proxy has to check itself. Pure: no I/O, no clock. Source: RFC 9113 8.1 to 8.5, RFC
// 8441 4 and 5.

import { randomBytes } from 'node:crypto'
import { METHODS } from '@sallyport/protocol/node-http'

import { RelayError } from '../../errors.ts'
import { checkTarget, normalHost, refuse } from '../admission.ts'

export interface Http2Head {
  /** `GET` for a WebSocket. */
  method: string
  /** Path and query, as the visitor sent them. */
  target: string
  /** Normal form, lower case, no port. */
  host: string
  /** Flat; `host` first, cookies joined, framing announced, no pseudo-header. */
  rawHeaders: string[]
  /** Whether this is an extended CONNECT for a WebSocket (RFC 8441). */
  isWebSocket: boolean
}

export interface Http2Rules {
  /** The properties of the connection. */
  scheme: 'http' | 'https'
  /** Whether the sender may say `https` on a cleartext connection, because it is a trusted proxy that ended the TLS. */
  mayClaimHttps: boolean
  /** Whether a body follows the head. */
  hasBody: boolean
  headerMaxBytes: number
  headersMax: number
}

/**
 * Checks a request head.
 * @param raw name, value, name, value … as they came, pseudo-headers included
 * @throws RelayError `bad_request`, `headers_too_large` or `method_not_allowed`; the connection continues
 */
export function admitHttp2(raw: readonly string[], rules: Http2Rules): Http2Head {
  const pseudo = new Map<string, string>()
  const rawHeaders = ['host', '']
  let host: string | undefined
  let cookie: string | undefined
  let length: string | undefined
  let bytes = 0
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]! // pairs
    const value = raw[i + 1]!
    bytes += name.length + value.length
    if (name.startsWith(':')) {
      if (pseudo.has(name)) throw refuse(`two ${name}`)
      pseudo.set(name, value)
      continue
    }
    switch (name) {
      case 'host':
        if (host !== undefined) throw refuse('two Host headers')
        host = value
        break
      case 'cookie':
        cookie = cookie === undefined ? value : `${cookie}; ${value}` // RFC 9113 8.2.3
        break
      case 'content-length':
        if (length !== undefined || !/^\d{1,15}$/.test(value)) throw refuse('the Content-Length is not one number')
        length = value
        rawHeaders.push(name, value)
        break
      case 'te':
        if (value.toLowerCase() !== 'trailers') throw refuse('te with a value other than trailers')
        rawHeaders.push(name, value)
        break
      // RFC 9113 8.2.2: a connection-specific header makes an HTTP/2 request malformed.
      case 'connection':
      case 'keep-alive':
      case 'proxy-connection':
      case 'transfer-encoding':
      case 'upgrade':
        throw refuse(`${name} on HTTP/2`)
      default:
        if (name.toLowerCase() !== name) throw refuse('a header name in upper case')
        rawHeaders.push(name, value)
    }
  }
  if (cookie !== undefined) rawHeaders.push('cookie', cookie)
  if (bytes > rules.headerMaxBytes || rawHeaders.length / 2 > rules.headersMax) {
    throw new RelayError('headers_too_large', {
      limit: bytes > rules.headerMaxBytes ? 'header_bytes' : 'headers_count',
      detail: `${bytes} bytes, ${rawHeaders.length / 2} fields`,
    })
  }

  const isWebSocket = checkMethod(pseudo)
  checkScheme(pseudo.get(':scheme'), rules)
  const target = pseudo.get(':path')
  checkTarget(target)
  // RFC 9113 8.3.1: an intermediary that passes a request of HTTP/1.1 on may send Host alone, as HAProxy does.
  const authority = pseudo.get(':authority') ?? host
  const normal = normalHost(authority)
  if (host !== undefined && host.toLowerCase() !== authority?.toLowerCase()) throw refuse(':authority and Host differ')
  if (!rules.hasBody && Number(length ?? 0) > 0) throw refuse('a Content-Length without a body')

  rawHeaders[1] = authority! // normalHost has refused a missing one
  // A body needs no framing on HTTP/2; the app's connection does.
  if (rules.hasBody && length === undefined && !isWebSocket) rawHeaders.push('transfer-encoding', 'chunked')
  const method = isWebSocket ? 'GET' : pseudo.get(':method')!
  const headers = isWebSocket ? withHandshakeKey(rawHeaders) : rawHeaders
  return { method, target: target!, host: normal, rawHeaders: headers, isWebSocket } // checkTarget has refused a missing one
}

/** @returns whether this is a WebSocket */
function checkMethod(pseudo: ReadonlyMap<string, string>): boolean {
  for (const name of pseudo.keys()) if (!PSEUDO.has(name)) throw refuse('an unknown pseudo-header')
  const method = pseudo.get(':method')
  const protocol = pseudo.get(':protocol')
  if (method === undefined || !KNOWN_METHODS.has(method)) throw refuse('the method is not known')
  if (protocol !== undefined) {
    if (method !== 'CONNECT') throw refuse(':protocol without CONNECT')
    if (protocol === 'websocket') return true
    throw new RelayError('method_not_allowed', {
      status: 501,
      detail: `protocol ${protocol}`,
      advice: (texts) => texts.instead.onlyWebSockets,
    })
  }
  if (method === 'CONNECT' || method === 'TRACE') {
    throw new RelayError('method_not_allowed', { detail: `method ${method}` })
  }
  return false
}

function checkScheme(scheme: string | undefined, { scheme: own, mayClaimHttps }: Http2Rules): void {
  if (scheme === own || (scheme === 'https' && mayClaimHttps)) return
  // Some clients always write http. No decision uses this value; only the connection counts.
  if (scheme === 'http') return
  throw refuse('the :scheme is not that of the connection')
}

/** RFC 8441 5 omits the key; towards an app that speaks HTTP/1.1 the relay makes and verifies it. */
function withHandshakeKey(rawHeaders: readonly string[]): string[] {
  const kept = rawHeaders.filter((_, i) => rawHeaders[i - (i % 2)] !== 'sec-websocket-key')
  return [...kept, 'sec-websocket-key', randomBytes(16).toString('base64')]
}

const PSEUDO = new Set([':method', ':scheme', ':authority', ':path', ':protocol'])

// The methods that node:http's parser takes. A visitor must not be able to send others by HTTP/2.
const KNOWN_METHODS = new Set(METHODS)
