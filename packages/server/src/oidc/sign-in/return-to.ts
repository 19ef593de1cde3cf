// The return address after signing in: always a path on the host where the sign-in began. Pure: no I/O, no clock.

const MAX_LENGTH = 8000 // longer ones do not occur in practice; if a cookie has no room for it, the query is dropped

/**
 * Turns a requested address into a path that no browser reads as another place. A doubtful address becomes `/`.
 * @param wanted a request target, or the value of `return_to`
 * @param origin of the edge, e.g. `https://docs.example.com`
 */
export function returnTo(wanted: string | null | undefined, origin: string): string {
  if (!wanted || wanted.length > MAX_LENGTH || !staysHere(wanted)) return '/'
  const url = URL.parse(wanted, origin)
  if (!url || url.origin !== new URL(origin).origin || url.username || url.password) return '/'
  const target = `${url.pathname}${url.search}${url.hash}`
  if (target.length > MAX_LENGTH || !staysHere(target)) return '/'
  // Signing in leads to a page of the app, never back into the sign-in.
  if (url.pathname === '/.sallyport' || url.pathname.startsWith('/.sallyport/')) return '/'
  return target
}

/**
 * The path of the page that a request comes from, if it is on this host.
 * @param referrer as the browser sends it
 */
export function pageBefore(referrer: string | undefined, origin: string): string | undefined {
  if (referrer === undefined || !referrer.startsWith(`${origin}/`)) return undefined
  return returnTo(referrer.slice(origin.length), origin)
}

/** Whether it has exactly one leading slash, even after a proxy, an app or a browser has decoded or stripped it. */
function staysHere(target: string): boolean {
  let path = target.replace(/[?#].*$/s, '')
  // Browsers drop tabs and line ends from URLs and read `\` as `/` (WHATWG URL, basic URL parser).
  if (hasControls(target)) return false
  for (let round = 0; round < 4; round++) {
    if (!path.startsWith('/') || /^\/[/\\]/.test(path) || path.includes('\\') || hasControls(path)) return false
    const decoded = decode(path)
    if (decoded === undefined) return false
    if (decoded === path) return true
    path = decoded
  }
  return false // encoded more often than is ever needed
}

function hasControls(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0x20 || unit === 0x7f) return true
  }
  return false
}

function decode(path: string): string | undefined {
  try {
    return decodeURIComponent(path)
  } catch {
    return undefined // not valid percent-encoding
  }
}
