// One name for all spellings of a header that some app cannot distinguish. All code that strips, replaces, refuses or
// compares headers by name uses this, so that no two rooms disagree. Pure, except for its cache.

/** Names are few but visitors choose them: each result is cached, up to a bound in number and in bytes. */
const MEMORY_MAX = 4096
const REMEMBERED_MAX_CHARS = 64
const names = new Map<string, string>()

/**
 * Lower case, with `-` for every character that is neither letter nor digit. CGI (RFC 3875 4.1.18) makes `_` of `-`; PHP does
 * it with a dot as well, and lighttpd with all other characters of RFC 9110 5.6.2: apps behind them see one name.
 */
export function normalHeaderName(name: string): string {
  const known = names.get(name)
  if (known !== undefined) return known
  const normal = name.toLowerCase().replace(/[^a-z0-9]/g, '-')
  if (name.length > REMEMBERED_MAX_CHARS) return normal
  if (names.size >= MEMORY_MAX) names.clear()
  names.set(name, normal)
  return normal
}
