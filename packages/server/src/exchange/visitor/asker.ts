// Finds out from a request who has sent it, for the relay's own answers: a person's browser or a program, the operator
// or a stranger. No decision about access depends on it. Pure: no I/O, no clock.

import type { Look } from '../../pages/look.ts'
import { UNKNOWN_ADDRESS, isForwarded, isLoopback, isNearby } from './client-ip.ts'
import type { Upgrade } from './upgrade.ts'
import type { VisitorRequest } from './visitor-request.ts'

/** As much of an exchange as this is about. */
export interface Asking {
  readonly request: VisitorRequest
  readonly clientIp: string
  readonly forwardedFor: string
  readonly scheme: 'http' | 'https'
  readonly origin: string
  readonly look: Look
  readonly hasCredentials: boolean
  readonly upgrade: Upgrade | undefined
  header(name: string): string | undefined
}

/** Whether a person's browser will show the answer as a page, or in a frame of one. */
export function leadsTo(asking: Asking, place: 'page' | 'frame'): boolean {
  if (asking.hasCredentials || asking.upgrade) return false
  const destination = asking.header('sec-fetch-dest')
  if (place === 'frame') return destination === 'iframe' || destination === 'frame'
  if (destination === undefined) return /(?:^|[\s,])text\/html/i.test(asking.header('accept') ?? '')
  // If a service worker passes a page's request on, it has no destination; no script can forge the mode (Fetch, "new
  // Request(input, init)"), and the redirect goes to the browser, not to the worker.
  return destination === 'document' || (destination === 'empty' && asking.header('sec-fetch-mode') === 'navigate')
}

/**
 * Whether the visitor may see the operator's details. A visitor from this machine counts as the operator, unless a
 * proxy on it may have forwarded a stranger's request: a proxy adds headers, speaks HTTP/1.0 as nginx does by
 * default, or has ended the TLS of a site that visitors see under https.
 */
export function mayBeOperator({ look, clientIp, forwardedFor, request, scheme, origin }: Asking): boolean {
  const { details } = look
  if (details !== 'local') return details === 'full'
  if (forwardedFor !== clientIp || !isLoopback(clientIp)) return false
  if (scheme === 'http' && origin.startsWith('https:')) return false
  return request.httpVersionMinor > 0 && !isForwarded(request.rawHeaders)
}

/**
 * Undefined if it would be the address of a proxy that is not trusted. That address is of no use to a visitor and
 * should not be shown.
 */
export function shownAddress({ clientIp, forwardedFor, request }: Asking): string | undefined {
  const isPeer = forwardedFor === clientIp // otherwise a trusted proxy vouches for it
  if (clientIp === UNKNOWN_ADDRESS || (isPeer && isNearby(clientIp) && isForwarded(request.rawHeaders))) {
    return undefined
  }
  return clientIp
}
