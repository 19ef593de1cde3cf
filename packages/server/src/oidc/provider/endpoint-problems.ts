// Whether the endpoints that a discovery document names can be used. Pure: no I/O, no clock.

import { isLoopbackHost } from '../../values/host-pattern.ts'
import { inWords } from './provider-words.ts'

const NEEDED = ['authorization_endpoint', 'token_endpoint', 'jwks_uri'] as const
const ALL = [...NEEDED, 'userinfo_endpoint', 'end_session_endpoint'] as const

/** Whether plain http to a provider is allowed: only if it is on this machine. */
export function isInsecureIssuer(issuerUrl: string): boolean {
  const url = new URL(issuerUrl)
  return url.protocol === 'http:' && isLoopbackHost(url.hostname)
}

/**
 * One clause for each endpoint that is missing or not allowed.
 * @param isInsecure whether plain http to this machine is allowed
 */
export function endpointProblems(
  metadata: Readonly<Partial<Record<(typeof ALL)[number], unknown>>>,
  isInsecure: boolean,
): string[] {
  return ALL.flatMap((endpoint) => {
    const written = metadata[endpoint]
    if (written === undefined || written === null) {
      return NEEDED.some((needed) => needed === endpoint) ? [`its discovery document has no ${endpoint}`] : []
    }
    return isUsable(written, isInsecure) ? [] : [`its ${endpoint}, ${shown(written)}, is not an https URL`]
  })
}

function isUsable(written: unknown, isInsecure: boolean): boolean {
  const url = typeof written === 'string' ? URL.parse(written) : null
  if (!url || url.username || url.password) return false
  return url.protocol === 'https:' || (isInsecure && url.protocol === 'http:' && isLoopbackHost(url.hostname))
}

function shown(written: unknown): string {
  return (
    inWords(written) ??
    (written === '' ? 'which is empty' : `a JSON ${Array.isArray(written) ? 'list' : typeof written}`)
  )
}
