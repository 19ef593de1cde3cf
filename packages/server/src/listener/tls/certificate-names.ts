// The hosts of a certificate, as browsers read it. Pure: no I/O, no clock.

import type { X509Certificate } from 'node:crypto'
import { isIPv6 } from 'node:net'

import { hostMatches } from '../../values/host-pattern.ts'

/** In lowercase, addresses as URLs write them. RFC 9525 2: the common name of the subject does not count. */
export function namesOf({ subjectAltName = '' }: X509Certificate): string[] {
  return subjectAltName.split(', ').flatMap((entry) => {
    const [, kind, name = ''] = /^(DNS|IP Address):(.+)$/.exec(entry) ?? []
    if (kind === undefined) return []
    return isIPv6(name) ? [new URL(`http://[${name}]`).hostname] : [name.toLowerCase()]
  })
}

/**
 * Whether a name of a certificate is for a host. RFC 9525 6.3: a wildcard covers one label, the leftmost.
 * @param host of a visitor, or of an edge, whose wildcard covers every host below: a certificate can cover that at best
 * with the same wildcard
 */
export function isNameOf(name: string, host: string): boolean {
  if (!name.startsWith('*.')) return name === host
  return hostMatches(name, host) && name.split('.').length === host.split('.').length
}
