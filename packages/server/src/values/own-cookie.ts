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
