// The headers that a policy may add or remove, and their valid values. Pure: no I/O, no clock.

import { normalHeaderName } from './normal-header-name.ts'
import { setsOwnCookie } from './own-cookie.ts'

const NAME_MAX_CHARS = 256
/** The limit of a header's value. */
export const VALUE_MAX_CHARS = 8192

// RFC 9110 5.6.2: token
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

const FRAMING = new Set([
  'connection',
  'content-length',
  'expect',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** They never pass the relay, in either direction. */
const OF_A_PROXY = new Set(['proxy-authenticate', 'proxy-authentication-info', 'proxy-authorization'])

/**
 * Says why a policy may not change a header of this name, or undefined if it may.
 * @param allowsHost true for headers that an app gets
 */
export function headerNameProblem(name: string, allowsHost = false): string | undefined {
  if (!TOKEN.test(name) || name.length > NAME_MAX_CHARS) {
    return `${JSON.stringify(name)} is not a header name; write for example X-Environment`
  }
  const plain = normalHeaderName(name)
  if (FRAMING.has(plain)) return `${name} frames the message itself, so only the relay sets it; remove this line`
  if (OF_A_PROXY.has(plain))
    return `${name} is between a visitor and a proxy, and never passes the relay; remove this line`
  if (plain === 'host' && !allowsHost)
    return 'Host names the edge, so it cannot be changed here; see add-headers for what apps get'
  if (plain.startsWith('sallyport-'))
    return `${name} carries what the relay vouches for, so only the relay sets it; choose another name`
  if (plain === 'cdn-loop') return `${name} is how loops are found, so only the relay sets it; remove this line`
  if (plain.startsWith('x-forwarded-') || plain === 'forwarded') {
    return `${name} tells the app where the visitor came from, so only the relay sets it; choose another name`
  }
  return undefined
}

/** The possible characters of a `Host` for an app: the same as in the agent's --host-header. */
const HOST = /^[A-Za-z0-9._~[\]:-]{1,255}$/

/**
 * Says why a policy may not write this value under this name, or undefined if it may. The name and the value alone
 * have no problem.
 */
export function headerLineProblem(name: string, value: string): string | undefined {
  const plain = normalHeaderName(name)
  if (plain === 'host' && !HOST.test(value)) return 'is not a Host; write a value such as app.internal:8080'
  if (plain === 'set-cookie' && setsOwnCookie(value)) {
    return 'sets a cookie of the relay, which only the relay does; choose another name'
  }
  return undefined
}

/** The problem of a header value, or undefined without one. */
export function headerValueProblem(value: string): string | undefined {
  if (value.length > VALUE_MAX_CHARS) return `is longer than ${VALUE_MAX_CHARS} characters`
  // RFC 9110 5.5: CR, LF and NUL are dangerous; outside ASCII, two ends rarely agree on the meaning of the bytes.
  if (!/^[\t\x20-\x7e]*$/.test(value)) return 'may only contain printable ASCII characters, without line breaks'
  if (value !== value.trim()) return 'begins or ends with a space, which HTTP would drop; remove it'
  return undefined
}
