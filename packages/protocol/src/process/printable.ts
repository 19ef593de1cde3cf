// Text that came over a network, made fit for a terminal: without control characters it cannot move the
// cursor, change the window's title or forge a log line. Pure.

const MAX_CHARS = 1024
// C0, DEL, C1, line ends, and the bidirectional marks and controls that would reorder a line (Unicode: Bidi_Control).
const UNFIT = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu

export function printable(text: string): string {
  return withoutControls(text.slice(0, MAX_CHARS))
}

/** The same, without a change of the length. */
export function withoutControls(text: string): string {
  return text.replaceAll(UNFIT, '\u{fffd}')
}
