// What the agent has to tell a person at the moment: one message for each matter, in the order of their times. A matter that
// is over takes its message along. Pure: the clock comes in.

export interface Notice {
  level: 'info' | 'warn'
  text: string
}

export interface Message extends Notice {
  /** Milliseconds since the epoch. */
  at: number
}

/** More matters than these are not worth a screen; the oldest goes. */
const MESSAGES_MAX = 5
/** That all is well again is news for so long. */
const GOOD_NEWS_MS = 60_000

export class Messages {
  readonly #byMatter = new Map<string, Message & { until: number }>()

  /** Takes the place of what was last said in this matter. */
  say(matter: string, notice: Notice, now: number): void {
    this.#put(matter, notice, now, Infinity)
  }

  /** As say(), for what is over and good: it leaves by itself. */
  sayForAWhile(matter: string, notice: Notice, now: number): void {
    this.#put(matter, notice, now, now + GOOD_NEWS_MS)
  }

  /** Takes back what was said in a matter. */
  drop(matter: string): void {
    this.#byMatter.delete(matter)
  }

  /** The same for every matter that begins like this. */
  dropAll(start: string): void {
    for (const matter of this.#byMatter.keys()) if (matter.startsWith(start)) this.#byMatter.delete(matter)
  }

  /** What stands now, the oldest first. What several say is told once, as it was told last. */
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
