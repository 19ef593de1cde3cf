// How many messages a peer may send: a burst, and a rate per second in the long run. Takes the clock as an argument.

export interface MessageRate {
  atOnce: number
  perSecond: number
}

export class MessageBudget {
  readonly #rate: MessageRate
  #left: number
  #since: number

  constructor(rate: MessageRate, now: number) {
    this.#rate = rate
    this.#left = rate.atOnce
    this.#since = now
  }

  /**
   * Takes one message.
   * @param now in milliseconds
   * @returns how many milliseconds have to pass before the next one
   */
  spend(now: number): number {
    const { atOnce, perSecond } = this.#rate
    this.#left = Math.min(atOnce, this.#left + ((now - this.#since) / 1000) * perSecond) - 1
    this.#since = now
    return this.#left >= 1 ? 0 : ((1 - this.#left) / perSecond) * 1000
  }
}
