// Headers as a flat list: name, value, name, value … Pure.

import type { VisitorHeaders } from './visitor-response.ts'

/** A name with several values comes once for each. */
export function flatHeaders(headers: VisitorHeaders): string[] {
  return Object.entries(headers).flatMap(([name, value]) => [value].flat().flatMap((each) => [name, String(each)]))
}
