// If an app gets its own name as Host (`--host-header rewrite`), its answers may send visitors to that name, which they
// cannot reach. Here `Location` and the `Domain` of cookies get the public name, if they name exactly the app's host;
// nothing else of an answer is read. Pure.

import { isIP } from 'node:net'

import type { ResponseHead } from './response-head.ts'

/** The app's name, and the edge's origin as the visitor sees it. */
export interface Names {
  /** The Host that the app is given: `localhost:3000`. */
  readonly own: string
  /** For instance `https://docs.example.com`. */
  readonly origin: string
}

/** Changes the lines of a head. */
export function renameOwn({ rawHeaders }: ResponseHead, names: Names): void {
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase() // pairs
    if (name === 'location') rawHeaders[i + 1] = publicLocation(rawHeaders[i + 1]!, names)
    else if (name === 'set-cookie') rawHeaders[i + 1] = publicCookie(rawHeaders[i + 1]!, names)
  }
}

/** RFC 3986 3: a scheme, which `//host` leaves out, and an authority up to one of the characters that end it. */
const ABSOLUTE = /^(https?:)?\/\/([^/?#\\@\s]+)(?=[/?#]|$)/i

function publicLocation(location: string, { own, origin }: Names): string {
  const [start, scheme = '', authority = ''] = ABSOLUTE.exec(location) ?? []
  if (start === undefined || !isSameHost(authority, scheme.toLowerCase(), own)) return location
  const to = scheme === '' ? origin.slice(origin.indexOf('//')) : origin
  return to + location.slice(start.length)
}

/** An app may also write the port that its scheme implies. */
function isSameHost(authority: string, scheme: string, own: string): boolean {
  const written = authority.toLowerCase()
  const implied = scheme === 'http:' ? ':80' : scheme === 'https:' ? ':443' : undefined
  return written === own.toLowerCase() || (implied !== undefined && written === own.toLowerCase() + implied)
}

const DOMAIN = /;[ \t]*domain[ \t]*=([^;]*)/gi

/** RFC 6265 5.2.3: a dot in front means nothing. A cookie of an address has no domain (5.1.3). */
function publicCookie(cookie: string, { own, origin }: Names): string {
  return cookie.replace(DOMAIN, (whole, value: string) => {
    const isOwn = value.trim().replace(/^\./, '').toLowerCase() === new URL(`http://${own}`).hostname
    if (!isOwn) return whole
    const { hostname } = new URL(origin)
    return isIP(hostname) === 0 && !hostname.startsWith('[') ? `; Domain=${hostname}` : ''
  })
}
