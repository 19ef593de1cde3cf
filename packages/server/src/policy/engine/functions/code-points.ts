// Code points of texts. CEL counts code points (cel-spec: "Strings are sequences of Unicode code points"), JavaScript counts UTF-16
// units. Both are the same for texts without surrogate pairs, which are nearly all texts. Pure.

const TWO_UNITS = /[\ud800-\udfff]/

export function hasPairs(text: string): boolean {
  return TWO_UNITS.test(text)
}

export function codePointCount(text: string): number {
  if (!hasPairs(text)) return text.length
  let count = 0
  for (const _ of text) count++
  return count
}

/** The part from one code point up to another. */
export function codePointSlice(text: string, start: number, end?: number): string {
  return hasPairs(text) ? Array.from(text).slice(start, end).join('') : text.slice(start, end)
}

/** The index of the code point that begins at a unit. */
export function codePointAtUnit(text: string, unit: number): number {
  return unit <= 0 || !hasPairs(text) ? unit : codePointCount(text.slice(0, unit))
}

/** The unit at which a code point begins. */
export function unitOfCodePoint(text: string, point: number): number {
  return hasPairs(text) ? Array.from(text).slice(0, point).join('').length : point
}
