// Quotes foreign text in a sentence. Pure.

const MAX_CHARS = 100

/** Returns the text in quotes, cut if it is long. */
export function quotedStart(text: string): string {
  return text.length > MAX_CHARS ? `"${text.slice(0, MAX_CHARS)}…"` : `"${text}"`
}
