// The redirect URI of an issuer, to which visitors come back and which is registered there. The path names the issuer:
// so the answer of one can never pass for the answer of another (RFC 9700 4.4.2, "use of different redirect URIs for
// each issuer"). Pure: no I/O, no clock, and no discovery, which the issuer controls.

import { createHash } from 'node:crypto'

const HOST_CHARS = 100 // for people; the hash distinguishes issuers
const HASH_CHARS = 20 // hexadecimal, so 80 bits: nobody finds a second issuer for a name

/** The beginning of every redirect URI's path; formerly the whole path. */
export const CALLBACK = '/oidc/callback'

/**
 * The same for all edges and clients of an issuer, whether or not its `issuer_url` ends in a slash.
 * @param issuerUrl checked by the schema: a URL without query and fragment
 */
export function callbackPath(issuerUrl: string): string {
  const { href, hostname } = new URL(issuerUrl) // like isSameIssuer(): the case of the host does not count
  const host = hostname.replaceAll(/[^a-z0-9.-]+/g, '-').slice(0, HOST_CHARS)
  const digest = createHash('sha256').update(href.replace(/\/$/, '')).digest('hex')
  return `${CALLBACK}/${host}-${digest.slice(0, HASH_CHARS)}`
}

/** @param publicOrigin the origin of `public_url` */
export function redirectUri(publicOrigin: string, issuerUrl: string): string {
  return `${publicOrigin}${callbackPath(issuerUrl)}`
}
