// The common part of actions that read passwords and tokens: finding them, refusing, and keeping them from the app.
// Pure: no I/O, no clock.

import { normalHeaderName } from '../values/normal-header-name.ts'
import { RelayError } from '../errors.ts'
import type { Exchange } from '../exchange/exchange.ts'
import { HeaderEdits } from '../exchange/header-edits.ts'

/**
 * The part after the scheme of a credential, which is compared without case (RFC 9110 11.1).
 * @param prefix for instance `Bearer`; empty if the whole value counts
 * @returns undefined without a credential of that scheme
 */
export function behindScheme(value: string | undefined, prefix: string): string | undefined {
  if (value === undefined) return undefined
  if (prefix === '') return value.trim()
  const { length } = prefix
  if (value.charCodeAt(length) !== 0x20 || value.slice(0, length).toLowerCase() !== prefix.toLowerCase())
    return undefined
  return value.slice(length + 1).trim()
}

/** Keeps a header from the app. Later actions may still set it. */
export function withhold(exchange: Exchange, name: string): void {
  exchange.requestEdits ??= new HeaderEdits()
  exchange.requestEdits.remove(name)
}

/**
 * Lets a checked header pass only under its exact name, because an app may treat another spelling as the same
 * header.
 */
export function keepOneSpelling(exchange: Exchange, name: string, value: string): void {
  const { rawHeaders } = exchange.request
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const other = rawHeaders[i]! // pairs
    if (other.length !== name.length || other.toLowerCase() === name) continue
    if (normalHeaderName(other) !== normalHeaderName(name)) continue
    exchange.requestEdits ??= new HeaderEdits()
    exchange.requestEdits.set(name, value)
    return
  }
}

/**
 * Browsers send cookies and passwords along with requests that pages of other sites start, and CORS does not apply to
 * a WebSocket (RFC 6455 10.2). Programs send no Origin.
 */
export function refuseForeignUpgrade(exchange: Exchange): void {
  if (!exchange.upgrade) return
  const origin = exchange.header('origin')
  if (origin === undefined || origin === exchange.origin) return
  throw new RelayError('origin_refused', { detail: 'an upgrade from another origin' })
}

export interface BearerRefusal {
  /** RFC 6750 3.1 */
  error: 'invalid_token' | 'insufficient_scope'
  /** For the caller. */
  description?: string
  scope?: string
  /** For the log. */
  detail: string
  /** For the log, if a valid token names it. */
  user?: string
}

/** RFC 6750 3: the refusal of a bearer token. Without `refusal`, no token came, and the challenge names no error. */
export function bearerError(realm: string, refusal?: BearerRefusal): RelayError {
  const challenge = `Bearer realm="${realm}"`
  if (!refusal) return new RelayError('credentials_required', { headers: { 'www-authenticate': challenge } })
  const { error, description, scope, detail, user } = refusal
  const parts = [
    challenge,
    `error="${error}"`,
    ...(description === undefined ? [] : [`error_description="${description}"`]),
    ...(scope === undefined ? [] : [`scope="${scope}"`]),
  ]
  const code = error === 'insufficient_scope' ? 'credentials_insufficient' : 'credentials_refused'
  const headers = { 'www-authenticate': parts.join(', ') }
  return new RelayError(code, { detail, headers, ...(user !== undefined && { user }) })
}
