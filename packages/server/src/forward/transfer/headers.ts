// Which headers cross the relay, in both directions, and which ones the relay writes itself.
// Pure: no I/O, no clock. Framing is always rebuilt (RFC 9112 6), hop-by-hop fields never pass (RFC 9110 7.6.1),
// and a visitor's headers with the names of our own are dropped in every spelling.

import type { Reply } from '../../exchange/app-answer.ts'
import { normalHeaderName } from '../../values/normal-header-name.ts'
import { setsOwnCookie, withoutOwnCookies } from '../../values/own-cookie.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { HeaderEdits } from '../../exchange/header-edits.ts'
import { connectionOptionsOf } from '../../exchange/visitor/connection-options.ts'
import { edgeAuthority } from '../../exchange/visitor/edge-authority.ts'
import { HOP_BY_HOP, requestClass } from '../../exchange/visitor/request-class.ts'
import type { Tunnel } from '../../tunnel/tunnel.ts'
import { renameOwn } from './own-name.ts'
import type { ResponseHead } from './response-head.ts'

type ResponseClass = 'pass' | 'drop' | 'set-cookie' | 'trailer' | 'challenge' | 'length' | 'type'

/** The framing of a request's body towards the app. */
export type RequestFraming = { type: 'none' } | { type: 'length'; length: string } | { type: 'chunked' }
const NO_BODY: RequestFraming = { type: 'none' }

/** Names are few but visitors choose them: the meaning of each is remembered, up to a bound in number and in bytes. */
const MEMORY_MAX = 4096
const REMEMBERED_MAX_CHARS = 64
const responseClasses = new Map<string, ResponseClass>()

/** RFC 9112 6.3: a request has a body exactly if it says so. Admission has refused everything ambiguous. */
export function framingOf(exchange: Exchange): RequestFraming {
  if (exchange.header('transfer-encoding') !== undefined) return { type: 'chunked' }
  const length = exchange.header('content-length')
  if (length !== undefined) return Number(length) === 0 && exchange.isSafe ? NO_BODY : { type: 'length', length }
  return NO_BODY
}

/**
 * Writes the request head for the app.
 * @param hostHeader `preserve`, or the app's Host
 * @param upgrade the protocol to switch to, on an upgrade
 */
export function writeRequestHead(
  exchange: Exchange,
  hostHeader: string,
  framing: RequestFraming,
  upgrade?: string,
): string {
  const { rawHeaders } = exchange.request
  const edits = exchange.requestEdits
  const authority = edgeAuthority(exchange)
  let head = `${exchange.method} ${exchange.target} HTTP/1.1\r\n`
  head += `Host: ${edits?.lastOf('host') ?? (hostHeader === 'preserve' ? authority : hostHeader)}\r\n`
  const listed = connectionOptionsOf(rawHeaders)
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]! // rawHeaders comes in pairs
    const kind = requestClass(name)
    if (kind === 'drop' || kind === 'unseen') continue
    if (listed?.has(normalHeaderName(name))) continue
    if (edits?.touches(name)) continue
    const value = rawHeaders[i + 1]!
    if (kind === 'pass') {
      head += `${name}: ${value}\r\n`
    } else if (kind === 'cookie') {
      const kept = withoutOwnCookies(value)
      if (kept !== '') head += `${name}: ${kept}\r\n`
    } else if (kind === 'te') {
      if (/(?:^|,)\s*trailers\s*(?:,|$)/i.test(value)) head += 'TE: trailers\r\nConnection: TE\r\n'
    } else if (value.toLowerCase() === '100-continue' && framing.type !== 'none') {
      head += 'Expect: 100-continue\r\n'
    }
  }
  if (edits) {
    for (const { name, value } of edits) if (normalHeaderName(name) !== 'host') head += `${name}: ${value}\r\n`
  }
  head += `X-Forwarded-For: ${exchange.forwardedFor}\r\nX-Forwarded-Proto: ${exchange.scheme}\r\n`
  head += `X-Forwarded-Host: ${authority}\r\n`
  head += `Sallyport-Request-Id: ${exchange.requestId}\r\n`
  if (exchange.relayName !== '') head += `CDN-Loop: ${exchange.relayName}\r\n` // adds a line to that list
  if (exchange.identity) head += identityHeaders(exchange.identity)
  if (framing.type === 'length') head += `Content-Length: ${framing.length}\r\n`
  else if (framing.type === 'chunked') head += 'Transfer-Encoding: chunked\r\n'
  if (upgrade) head += `Connection: Upgrade\r\nUpgrade: ${upgrade}\r\n`
  return `${head}\r\n`
}

function originOf({ origin, scheme, host }: Exchange): string {
  return origin === '' ? `${scheme}://${host}` : origin
}

/** Whether the request authenticates the connection rather than itself (NTLM, Negotiate): such a stream is never pooled. */
export function authenticatesConnection(authorization: string | undefined): boolean {
  return authorization !== undefined && /^\s*(?:ntlm|negotiate)\b/i.test(authorization)
}

/**
 * Filters the trailers of a request or a response (RFC 9110 6.5.1): the header rules of that direction apply, including
 * those of the route's policies, and no framing, routing, credential or identity field is allowed.
 * @param edits the policies' changes of that message's headers
 * @param listed the names in its `Connection`, "header or trailer field(s)" alike (RFC 9110 7.6.1)
 */
export function filterTrailers(
  rawTrailers: readonly string[],
  edits: HeaderEdits | undefined,
  listed: ReadonlySet<string> | undefined,
): [name: string, value: string][] {
  const kept: [string, string][] = []
  for (let i = 0; i + 1 < rawTrailers.length; i += 2) {
    const name = rawTrailers[i]!
    const normal = normalHeaderName(name)
    if (NEVER_IN_TRAILERS.has(normal) || requestClass(name) !== 'pass' || responseClass(name) !== 'pass') continue
    if (edits?.touches(name) || listed?.has(normal)) continue
    kept.push([name, rawTrailers[i + 1]!])
  }
  return kept
}

/** The trailers of a complete request, for the app. */
export function requestTrailersOf({ request, requestEdits }: Exchange): [name: string, value: string][] {
  const { rawTrailers, rawHeaders } = request
  const listed = rawTrailers.length > 0 ? connectionOptionsOf(rawHeaders) : undefined
  return filterTrailers(rawTrailers, requestEdits, listed)
}

export interface VisitorHead {
  /** Flat name, value list for `writeHead`. */
  headers: string[]
  /** Whether the app authenticates the connection: then the stream is never pooled. */
  authenticatesConnection: boolean
  /** Whether it is a stream of server-sent events, which lasts. */
  isEventStream: boolean
  /** The answer of a rule for responses that replaces it. */
  instead?: Reply
}

/**
 * The one place in which an app's head passes towards the visitor: the rules of the route for responses run here.
 * @param allowTrailer whether the response will be chunked, so that trailers can follow
 * @param tunnel that the answer has come through
 * @throws RelayError if a rule refuses the answer
 */
export function passHead(
  exchange: Exchange,
  head: ResponseHead,
  allowTrailer: boolean,
  tunnel: Tunnel | undefined,
): VisitorHead {
  if (tunnel?.renamesAnswers && !exchange.waitsAtAnswer)
    renameOwn(head, { own: tunnel.hostHeader, origin: originOf(exchange) })
  if (!exchange.hasResponseRules) return filterResponseHead(head, exchange.responseEdits, allowTrailer)
  const instead = exchange.runResponseRules(
    head.status,
    () => filterResponseHead(head, undefined, allowTrailer).headers,
  )
  const passed = filterResponseHead(head, exchange.responseEdits, allowTrailer)
  if (instead) passed.instead = instead
  return passed
}

/**
 * Comes before passHead() if a rule for responses is asynchronous, with the same arguments.
 * @returns resolves when they have decided, or rejects with their refusal; undefined on most routes
 */
export function decideHead(
  exchange: Exchange,
  head: ResponseHead,
  allowTrailer: boolean,
  tunnel: Tunnel | undefined,
): Promise<void> | undefined {
  if (!exchange.waitsAtAnswer) return undefined
  if (tunnel?.renamesAnswers) renameOwn(head, { own: tunnel.hostHeader, origin: originOf(exchange) })
  return exchange.decideAnswer(head.status, () => filterResponseHead(head, undefined, allowTrailer).headers)
}

/**
 * Chooses the response headers for the visitor. Transfers ask passHead().
 * @param allowTrailer whether the response will be chunked, so that trailers can follow
 */
export function filterResponseHead(
  head: ResponseHead,
  edits: HeaderEdits | undefined,
  allowTrailer: boolean,
): VisitorHead {
  const { rawHeaders, connectionOptions } = head
  const headers: string[] = []
  let authenticates = false
  let isEventStream = false
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]! // pairs
    const kind = responseClass(name)
    if (kind === 'drop') continue
    if (connectionOptions?.has(normalHeaderName(name))) continue
    if (edits?.touches(name)) continue
    const value = rawHeaders[i + 1]!
    if (kind === 'set-cookie' && setsOwnCookie(value)) continue
    if (kind === 'trailer' && !allowTrailer) continue
    if (kind === 'length' && head.status === 204) continue // RFC 9110 8.6
    if (kind === 'challenge' && authenticatesConnection(value)) authenticates = true
    if (kind === 'type' && value.startsWith('text/event-stream')) isEventStream = true
    headers.push(name, value)
  }
  if (edits) {
    for (const { name, value } of edits) {
      if (responseClass(name) !== 'set-cookie' || !setsOwnCookie(value)) headers.push(name, value)
    }
  }
  return { headers, authenticatesConnection: authenticates, isEventStream }
}

function identityHeaders(identity: NonNullable<Exchange['identity']>): string {
  let head = `Sallyport-Auth-User-Id: ${headerSafe(identity.subject)}\r\n`
  if (identity.name !== undefined) head += `Sallyport-Auth-User-Name: ${headerSafe(identity.name)}\r\n`
  if (identity.email !== undefined) head += `Sallyport-Auth-User-Email: ${headerSafe(identity.email)}\r\n`
  if (identity.groups.length > 0) {
    const groups = identity.groups.map((group) => headerSafe(group).replaceAll(',', '%2C'))
    head += `Sallyport-Auth-User-Groups: ${groups.join(',')}\r\n`
  }
  if (identity.jwt !== undefined) head += `Sallyport-Auth-Jwt: ${identity.jwt}\r\n`
  if (identity.accessToken !== undefined) head += `Sallyport-Auth-Access-Token: ${identity.accessToken}\r\n`
  return head
}

/** A claim as a header value: characters that are not printable ASCII, and `%`, are percent-encoded UTF-8. */
function headerSafe(claim: string): string {
  if (/^[\x20-\x24\x26-\x7e]*$/.test(claim)) return claim.trim()
  return claim
    .toWellFormed()
    .replace(/[^\x20-\x24\x26-\x7e]/gu, (character) =>
      [...Buffer.from(character, 'utf8')]
        .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)
        .join(''),
    )
    .trim()
}

function responseClass(name: string): ResponseClass {
  let kind = responseClasses.get(name)
  if (kind === undefined) {
    kind = classifyResponseHeader(normalHeaderName(name))
    if (name.length > REMEMBERED_MAX_CHARS) return kind
    if (responseClasses.size >= MEMORY_MAX) responseClasses.clear()
    responseClasses.set(name, kind)
  }
  return kind
}

function classifyResponseHeader(normal: string): ResponseClass {
  if (normal === 'content-type') return 'type'
  if (normal === 'set-cookie') return 'set-cookie'
  if (normal === 'trailer') return 'trailer'
  if (normal === 'content-length') return 'length'
  if (normal === 'www-authenticate') return 'challenge'
  if (HOP_BY_HOP.has(normal) || normal.startsWith('sallyport-') || normal === 'te') return 'drop'
  return 'pass'
}

const NEVER_IN_TRAILERS = new Set([
  'age',
  'authorization',
  'cache-control',
  'content-encoding',
  'content-range',
  'content-type',
  'date',
  'expires',
  'location',
  'max-forwards',
  'pragma',
  'range',
  'retry-after',
  'vary',
  'warning',
])
