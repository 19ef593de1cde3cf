// One field of an access line, as JSON. Most fields repeat their values, so the texts are remembered: joining few
// pieces takes half as long as joining many.

const REMEMBERED_MAX = 512 // hosts, addresses and tunnels of some seconds on a busy relay
const QUICK_MAX_CHARS = 128 // for longer texts, JSON.stringify is as quick
const SPACE = 0x20
const QUOTE = 0x22
const BACKSLASH = 0x5c
const FIRST_SURROGATE = 0xd800

export class JsonField {
  readonly #start: string
  readonly #texts = new Map<string, string>()

  /** @param name needs no escape in JSON */
  constructor(name: string) {
    this.#start = `,"${name}":"`
  }

  /** For instance `,"host":"docs.example.com"`; empty without a value. */
  of(value: string | undefined): string {
    if (value === undefined) return ''
    return this.#texts.get(value) ?? this.#remember(value)
  }

  #remember(value: string): string {
    const text = `${this.#start}${inJson(value)}"`
    if (value.length > QUICK_MAX_CHARS) return text
    if (this.#texts.size >= REMEMBERED_MAX) this.#texts.clear()
    const flat = Buffer.from(text).toString() // in one piece, because V8 walks the tree of a concatenation
    this.#texts.set(value, flat)
    return flat
  }
}

/** A value without its quotes. The result is that of JSON.stringify, but faster if no character needs an escape. */
export function inJson(text: string): string {
  if (text.length > QUICK_MAX_CHARS) return JSON.stringify(text).slice(1, -1)
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code < SPACE || code === QUOTE || code === BACKSLASH || code >= FIRST_SURROGATE)
      return JSON.stringify(text).slice(1, -1)
  }
  return text
}
