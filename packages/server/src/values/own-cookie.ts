// Cookies of the relay on an edge's host: they never reach the app, and nothing but the relay sets them. Pure.

const OWN_COOKIE = /^(?:__(?:host|secure|http|host-http)-)?sallyport\./i
// Browsers drop white space in front, and of a cookie without a name they send the value alone: `=sallyport.x=y` comes
// back as `sallyport.x=y` (RFC 6265bis 5.6, 5.8.3).
const SETS_OWN_COOKIE = /^[\s=]*(?:__(?:host|secure|http|host-http)-)?sallyport\./i

/** @param pair `name=value`, as in a `Cookie` header */
export function isOwnCookie(pair: string): boolean {
  return OWN_COOKIE.test(pair)
}

/** @param value of a `Set-Cookie` header */
export function setsOwnCookie(value: string): boolean {
  return SETS_OWN_COOKIE.test(value)
}

/** @param header the value of a `Cookie` header. @returns the value for the app; empty if nothing is left of it */
export function withoutOwnCookies(header: string): string {
  if (!header.includes('sallyport.') && !/sallyport\./i.test(header)) return header
  let kept = ''
  for (let start = 0; start < header.length;) {
    const semicolon = header.indexOf(';', start)
    const end = semicolon === -1 ? header.length : semicolon
    const pair = header.slice(start, end).trim()
    if (pair !== '' && !isOwnCookie(pair)) kept += kept === '' ? pair : `; ${pair}`
    start = end + 1
  }
  return kept
}
