// Whole lines of a log as bytes, which leave with one write if the output has room. Lines become bytes soon:
// joining a thousand that waited as texts would hold up everything else for a millisecond or two. A piece is filled again
// once it is written.

const LINE_FEED = 0x0a
/** The first byte is a line feed, which is written only if the line before was torn off. */
const FIRST_LINE = 1
// For each unit of UTF-16.
const UTF8_MAX_BYTES = 3
const ESCAPED_MAX_BYTES = 6
/** Characters that JSON leaves unescaped and a terminal obeys: C1 controls, and those that end or reorder a line. */
const HOSTILE = /[\u0080-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

export class LogPiece {
  readonly bytes: Buffer
  /** The bytes before this index have been written, or need not be. */
  next = FIRST_LINE
  end = FIRST_LINE

  constructor(bytes: number) {
    this.bytes = Buffer.allocUnsafeSlow(bytes)
    this.bytes[0] = LINE_FEED
  }

  /** A piece that these lines fit into. */
  static for(lines: string, bytes: number): LogPiece {
    const mayBeLonger = FIRST_LINE + lines.length * ESCAPED_MAX_BYTES > bytes
    return new LogPiece(mayBeLonger ? Math.max(bytes, FIRST_LINE + encoded(lines).length) : bytes)
  }

  /** The bytes of its lines. */
  get size(): number {
    return this.end - FIRST_LINE
  }

  /** Returns false if there is no room for these lines. */
  add(lines: string): boolean {
    const room = this.bytes.length - this.end
    if (lines.length * UTF8_MAX_BYTES <= room) {
      const count = this.bytes.write(lines, this.end)
      if (count === lines.length) {
        this.end += count
        return true // ASCII, as nearly all are
      }
    }
    const bytes = encoded(lines)
    if (bytes.length > room) return false
    this.end += bytes.copy(this.bytes, this.end)
    return true
  }

  /** A torn-off line must not become the front of the first one. */
  endTornLine(): void {
    this.next = 0
  }

  /** Whether the byte before `next` is within a line. */
  get isTorn(): boolean {
    return this.bytes[this.next - 1] !== LINE_FEED
  }

  /** The number of lines that are not written, or not to their end. */
  countLinesLeft(): number {
    const left = this.bytes.subarray(0, this.end)
    let lines = 0
    for (let at = Math.max(this.next, FIRST_LINE); (at = left.indexOf(LINE_FEED, at) + 1) > 0;) lines++
    return lines
  }

  clear(): void {
    this.next = this.end = FIRST_LINE
  }
}

function encoded(lines: string): Buffer {
  return Buffer.from(lines.replaceAll(HOSTILE, escaped))
}

/** Escapes the character as JSON allows, so that the line keeps its meaning. */
function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
