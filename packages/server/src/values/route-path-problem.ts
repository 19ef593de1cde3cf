// Paths of routes. A route is matched on the path as the visitor has sent it and on its normal form, and a request is
// refused if the two choose differently; so only a path that is its own normal form can ever match. Pure: no I/O, no
// clock.

/** The problem of a route's path, or undefined without one. */
export function routePathProblem(path: string, kind: 'exact_path' | 'path_prefix'): string | undefined {
  if (!path.startsWith('/')) return `"${path}" must begin with /, for example /${path.replace(/^[./\\]+/, '')}`
  if (/[?#]/.test(path)) return `"${path}" contains ${path.includes('?') ? '?' : '#'}; routes look at the path only`
  if (path.includes('*')) {
    return `"${path}": a * is not a wildcard here; write a path_prefix, which covers everything below it`
  }
  // RFC 3986 3.3: the characters that a path may hold unescaped.
  if (!/^[A-Za-z0-9\-._~!$&'()+,=:@/]*$/.test(path)) {
    return `"${path}" contains a character that a route cannot be chosen by; write the part of the path before it as path_prefix`
  }
  if (path.includes('//')) return `"${path}" contains //, which never matches; write a single /`
  if (path.split('/').some((segment) => segment === '.' || segment === '..')) {
    return `"${path}" contains a dot segment, which never matches; write the path that it leads to`
  }
  if (kind === 'path_prefix' && path !== '/' && path.endsWith('/')) {
    return `leave the / at the end away: path_prefix ${path.slice(0, -1)} covers itself and everything below it`
  }
  if (path === '/.sallyport' || path.startsWith('/.sallyport/')) {
    return `${path} belongs to the relay and never reaches an app; choose another path`
  }
  return undefined
}
