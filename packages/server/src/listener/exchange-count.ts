// The exchanges that are under way on a listener, whatever version of HTTP they came in.

export class ExchangeCount {
  #underWay = 0
  #onNone: (() => void) | undefined

  begin(): void {
    this.#underWay++
  }

  end(): void {
    if (--this.#underWay === 0) this.#onNone?.()
  }

  /** Resolves as soon as none is under way. */
  async none(): Promise<void> {
    if (this.#underWay > 0) await new Promise<void>((resolve) => (this.#onNone = resolve))
  }
}
