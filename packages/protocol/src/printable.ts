// Text that came over a network, made fit for a terminal: without control characters it cannot move the
// cursor, change the window's title or forge a log line. Pure.

const MAX_CHARS = 1024

export function printable(text: string): string {
  // C0, DEL, C1, and the bidirectional controls that would reorder the line.
  // oxlint-disable-next-line no-control-regex
  return text.slice(0, MAX_CHARS).replaceAll(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '\u{fffd}')
}
