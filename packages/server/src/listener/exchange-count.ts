// Counts the exchanges that a listener has under way, in either version of HTTP.

export class ExchangeCount {
  #underWay = 0
  #onNone: (() => void) | undefined

  begin(): void {
    this.#underWay++
  }

  end(): void {
    if (--this.#underWay === 0) this.#onNone?.()
  }

  /** Resolves as soon as none is left. */
  async none(): Promise<void> {
    if (this.#underWay > 0) await new Promise<void>((resolve) => (this.#onNone = resolve))
  }
}
