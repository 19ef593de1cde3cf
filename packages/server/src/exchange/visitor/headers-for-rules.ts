// The headers of a request as the rules of a policy see them. A rule must not decide about something that the app does not get,
// so names that only the relay may write have the relay's values, whatever a visitor has sent. Pure: no I/O, no clock.

import { normalHeaderName } from '../../values/normal-header-name.ts'
import { withoutOwnCookies } from '../../values/own-cookie.ts'
import type { Exchange } from '../exchange.ts'
import { connectionOptionsOf } from './connection-options.ts'
import { edgeAuthority } from './edge-authority.ts'
import { requestClass } from './request-class.ts'

type Seen = Pick<Exchange, 'request' | 'forwardedFor' | 'scheme' | 'origin' | 'host'>

/** @returns name, value, name, value … */
export function headersForRules(exchange: Seen): readonly string[] {
  const { rawHeaders } = exchange.request
  const own = ['x-forwarded-for', exchange.forwardedFor, 'x-forwarded-proto', exchange.scheme]
  own.push('x-forwarded-host', edgeAuthority(exchange))
  const seen = isPlain(rawHeaders) ? rawHeaders : visible(rawHeaders, connectionOptionsOf(rawHeaders))
  return [...seen, ...own]
}

/** @returns name, value, name, value … */
export function trailersForRules({ rawTrailers, rawHeaders }: Exchange['request']): readonly string[] {
  return rawTrailers.length === 0 ? rawTrailers : visible(rawTrailers, connectionOptionsOf(rawHeaders))
}

/** Whether all headers are visible as they are, as in most requests. */
function isPlain(raw: readonly string[]): boolean {
  for (let i = 0; i < raw.length; i += 2) {
    const kind = requestClass(raw[i]!) // pairs
    if (kind === 'pass') continue
    const value = raw[i + 1]!
    if (kind === 'unseen' || (kind === 'cookie' && withoutOwnCookies(value) !== value)) return false
    if (kind === 'drop' && raw[i]!.length === 10 && value.toLowerCase() !== 'keep-alive') return false // Connection, or one more like it
  }
  return true
}

function visible(raw: readonly string[], listed: ReadonlySet<string> | undefined): string[] {
  const seen: string[] = []
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i]! // pairs
    const value = shown(name, raw[i + 1]!, listed)
    if (value !== undefined) seen.push(name, value)
  }
  return seen
}

function shown(name: string, value: string, listed: ReadonlySet<string> | undefined): string | undefined {
  const kind = requestClass(name)
  if (kind === 'unseen') return undefined
  if (kind === 'drop') return value // a fact of the request, also if Connection lists it
  if (listed?.has(normalHeaderName(name))) return undefined
  if (kind !== 'cookie') return value
  const kept = withoutOwnCookies(value)
  return kept === '' ? undefined : kept
}
