// Text of somebody in a sentence. Pure.

const MAX_CHARS = 100

/** In quotes, and cut if it is long. */
export function quotedStart(text: string): string {
  return text.length > MAX_CHARS ? `"${text.slice(0, MAX_CHARS)}…"` : `"${text}"`
}
