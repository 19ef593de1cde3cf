// The current problems of the store, and when to report them: once when a problem begins and once when it has ended,
// even if it comes and goes in between. On a full disk, a write that needs no room may succeed at any time.

/** How long it must stay away before it counts as ended. */
const CALM_MS = 10_000

export interface StoreTroublesInit {
  onBegin: (problem: string) => void
  onEnd: (problem: string) => void
}

export class StoreTroubles<Kind extends string> {
  readonly #init: StoreTroublesInit
  readonly #now = new Map<Kind, string>()
  /** Reported problems, with a timer for those that have gone. */
  readonly #told = new Map<string, NodeJS.Timeout | undefined>()

  constructor(init: StoreTroublesInit) {
    this.#init = init
  }

  get isEmpty(): boolean {
    return this.#now.size === 0
  }

  get(kind: Kind): string | undefined {
    return this.#now.get(kind)
  }

  /** @param problem a sentence; undefined without a problem (any more) */
  set(kind: Kind, problem: string | undefined): void {
    const before = this.#now.get(kind)
    if (problem === before) return
    if (problem === undefined) this.#now.delete(kind)
    else this.#now.set(kind, problem)
    if (problem !== undefined) this.#begin(problem)
    if (before !== undefined && ![...this.#now.values()].includes(before)) this.#rest(before)
  }

  close(): void {
    for (const timer of this.#told.values()) clearTimeout(timer)
  }

  #begin(problem: string): void {
    clearTimeout(this.#told.get(problem))
    const isTold = this.#told.has(problem)
    this.#told.set(problem, undefined)
    if (!isTold) this.#init.onBegin(problem)
  }

  #rest(problem: string): void {
    const timer = setTimeout(() => {
      this.#told.delete(problem)
      this.#init.onEnd(problem)
    }, CALM_MS)
    this.#told.set(problem, timer.unref())
  }
}
