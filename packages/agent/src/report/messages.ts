// The agent's current messages for the person: one for each matter, in the order of their times. The message goes when
// its matter has ended. Pure: the clock is passed in.

export interface Notice {
  level: 'info' | 'warn'
  text: string
}

export interface Message extends Notice {
  /** Milliseconds since the epoch. */
  at: number
}

/** A screen needs no more matters than these; the oldest goes. */
const MESSAGES_MAX = 5
/** How long to show that all is well again. */
const GOOD_NEWS_MS = 60_000

export class Messages {
  readonly #byMatter = new Map<string, Message & { until: number }>()

  /** Replaces the last message in this matter. */
  say(matter: string, notice: Notice, now: number): void {
    this.#put(matter, notice, now, Infinity)
  }

  /** As say(), for a matter that has ended well: the message leaves by itself. */
  sayForAWhile(matter: string, notice: Notice, now: number): void {
    this.#put(matter, notice, now, now + GOOD_NEWS_MS)
  }

  /** Takes back the message in a matter. */
  drop(matter: string): void {
    this.#byMatter.delete(matter)
  }

  /** The same for every matter that begins like this. */
  dropAll(start: string): void {
    for (const matter of this.#byMatter.keys()) if (matter.startsWith(start)) this.#byMatter.delete(matter)
  }

  /** The current messages, the oldest first. A text in several matters is returned once, in its last form. */
  at(now: number): Message[] {
    const standing = Array.from(this.#byMatter.values()).filter(({ until }) => until > now)
    const last = new Map(standing.map(({ level, text, at }) => [text, { level, text, at }]))
    return Array.from(last.values()).toSorted((a, b) => a.at - b.at)
  }

  #put(matter: string, { level, text }: Notice, at: number, until: number): void {
    this.#byMatter.delete(matter)
    this.#byMatter.set(matter, { level, text, at, until })
    const [oldest] = this.#byMatter.keys()
    if (this.#byMatter.size > MESSAGES_MAX && oldest !== undefined) this.#byMatter.delete(oldest)
  }
}
