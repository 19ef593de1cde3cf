// Where visitors come back to from an issuer, and what is registered there. The path names the issuer: what one has
// answered can then never pass for the answer of another (RFC 9700 4.4.2, "use of different redirect URIs for each
// issuer"). Pure: no I/O, no clock, and no discovery, which the issuer writes itself.

import { createHash } from 'node:crypto'

const HOST_CHARS = 100 // for people; it is the hash that tells issuers apart
const HASH_CHARS = 20 // hexadecimal, so 80 bits: nobody finds a second issuer for a name

/** In the path of every redirect URI; was the whole of it once. */
export const CALLBACK = '/oidc/callback'

/**
 * The same for all edges and clients of an issuer, whether or not its `issuer_url` ends in a slash.
 * @param issuerUrl as the schema has let it pass: a URL without query and fragment
 */
export function callbackPath(issuerUrl: string): string {
  const { href, hostname } = new URL(issuerUrl) // as isSameIssuer() compares: without regard to the case of the host
  const host = hostname.replaceAll(/[^a-z0-9.-]+/g, '-').slice(0, HOST_CHARS)
  const digest = createHash('sha256').update(href.replace(/\/$/, '')).digest('hex')
  return `${CALLBACK}/${host}-${digest.slice(0, HASH_CHARS)}`
}

/** @param publicOrigin that of `public_url` */
export function redirectUri(publicOrigin: string, issuerUrl: string): string {
  return `${publicOrigin}${callbackPath(issuerUrl)}`
}
