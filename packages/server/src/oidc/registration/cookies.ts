// The cookies of sign-in: their names and their attributes.
// Pure: no I/O, no clock.

const MAX_STATE_COOKIES = 32 // tabs that sign in at the same time: a restored browser has thirty
const MAX_STATE_BYTES = 8192 // half of what common servers accept as a request head

export interface CookieNames {
  session: string
  /** The name of a state cookie begins with this; the name of one sign-in follows. */
  statePrefix: string
  /** Carries the ID token from the sign-out to the provider, for a minute. */
  signOut: string
  secure: boolean
  /** Set if the hosts of a domain share the session; no other cookie is shared. */
  domain?: string
}

/**
 * With `__Host-`, browsers insist on Secure, Path=/ and no Domain (RFC 6265bis 4.1.3.2), and accept it only on https. A
 * shared session can only have `__Secure-`. Its name contains the domain, so that sessions of two domains have
 * different names.
 */
export function cookieNames(authId: string, secure: boolean, domain?: string): CookieNames {
  const stem = `${secure ? '__Host-' : ''}sallyport.${authId}`
  const own = { session: `${stem}.session`, statePrefix: `${stem}.state.`, signOut: `${stem}.sign-out`, secure }
  if (domain === undefined) return own
  return { ...own, session: `${secure ? '__Secure-' : ''}sallyport.${authId}.${domain}.session`, domain }
}

/** The Set-Cookie line of a session. An age of 0 removes it. */
export function setSessionCookie({ session, secure, domain }: CookieNames, id: string, maxAgeSeconds: number): string {
  const line = setCookie(session, id, maxAgeSeconds, secure)
  return domain === undefined ? line : `${line}; Domain=${domain}`
}

/** A Set-Cookie line. An age of 0 removes the cookie. */
export function setCookie(name: string, value: string, maxAgeSeconds: number, secure: boolean): string {
  return `${name}=${value}; Path=/; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`
}

/**
 * The state cookies to remove so that the new one fits: the oldest first, over all sign-ins of the host. Names of
 * sign-ins begin with their time, so they show the age.
 */
export function surplusStateCookies(header: string | undefined, newCookieBytes: number): string[] {
  const present = (header ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .map((pair) => ({ bytes: pair.length, found: /^((?:__Host-)?sallyport\.[\w-]+\.state\.([\w-]+))=/.exec(pair) }))
    .flatMap(({ bytes, found }) => (found ? [{ bytes, name: found[1]!, signIn: found[2]! }] : [])) // both groups matched
    .toSorted((a, b) => (a.signIn < b.signIn ? 1 : -1))
  let count = 1
  let bytes = newCookieBytes
  return present.flatMap((cookie) => {
    count += 1
    bytes += cookie.bytes
    return count > MAX_STATE_COOKIES || bytes > MAX_STATE_BYTES ? [cookie.name] : []
  })
}
