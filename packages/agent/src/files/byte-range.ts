// The Range header of a request for a file (RFC 9110 14). Pure: no I/O, no clock.

export type ByteRange =
  /** The answer is the whole file: no range, several, or an invalid one. */
  | { type: 'whole' }
  /** First and last byte, both inclusive. */
  | { type: 'part'; start: number; end: number }
  | { type: 'unsatisfiable' }

const WHOLE: ByteRange = { type: 'whole' }

/**
 * Reads `Range`. Several ranges get the whole file, as RFC 9110 14.2 permits: the few clients that ask for several also
 * take the whole file.
 * @param size of the file in bytes
 */
export function parseByteRange(header: string | undefined, size: number): ByteRange {
  if (header === undefined) return WHOLE
  const range = /^bytes=[\t ]*(\d{0,15})-(\d{0,15})[\t ]*$/i.exec(header)
  if (!range || (range[1] === '' && range[2] === '')) return WHOLE
  const [, first = '', last = ''] = range
  if (first === '') {
    const length = Number(last)
    if (length === 0 || size === 0) return { type: 'unsatisfiable' }
    return { type: 'part', start: Math.max(0, size - length), end: size - 1 }
  }
  const start = Number(first)
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1)
  if (last !== '' && Number(last) < start) return WHOLE // RFC 9110 14.1.1: invalid, and ignored
  if (start >= size) return { type: 'unsatisfiable' }
  return { type: 'part', start, end }
}
