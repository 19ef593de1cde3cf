// The form of a request target, of visitors and of policies. Pure: no I/O, no clock.

// RFC 9112 3.2.1: absolute-path [ "?" query ]. Visible ASCII only; `#`, and `\` in a path, are read differently by different
// apps. In a query, `\` is allowed: browsers send it unencoded (https://url.spec.whatwg.org/#query-percent-encode-set),
// and no route reads the query.
const TARGET = /^\/[\x21\x22\x24-\x3e\x40-\x5b\x5d-\x7e\x80-\xff]*(?:\?[\x21\x22\x24-\x7e\x80-\xff]*)?$/

export function isOriginForm(target: string): boolean {
  return TARGET.test(target)
}

/** The raw path: the target up to `?`. */
export function pathOf(target: string): string {
  const query = target.indexOf('?')
  return query === -1 ? target : target.slice(0, query)
}
