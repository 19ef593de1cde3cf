// Counts the work of an evaluation in units of about 100 ns. One unit is a step of a comprehension, one instruction of a regular
// expression for one character, or 32 characters of other text. Functions spend units before they work. Pure: no I/O, no clock.

import { OverBudget } from './expression-error.ts'
import { CHARS_OF_A_UNIT, LIST_MAX, TEXT_MAX, UNITS_MAX, UNITS_OF_EXCHANGE_MAX } from './limits.ts'

export class Budget {
  /** Units of the current evaluation. */
  #left = 0
  #leftOfExchange = UNITS_OF_EXCHANGE_MAX
  #granted = 0
  #exceeded: OverBudget | undefined

  /** To be called when an evaluation begins. */
  begin(): void {
    this.#leftOfExchange -= this.#granted - this.#left
    this.#granted = this.#left = Math.min(UNITS_MAX, Math.max(this.#leftOfExchange, 0))
    this.#exceeded = undefined
  }

  /** Why the evaluation has to end, even if the error was absorbed on its way. */
  get exceeded(): OverBudget | undefined {
    return this.#exceeded
  }

  /** @throws OverBudget, always the same object once the budget is exceeded, because making errors costs time too */
  spend(units: number): void {
    this.#left -= units
    if (this.#left < 0) this.refuse('does more work than an expression may')
  }

  /** Spends the units for reading or making text. */
  spendText(chars: number): void {
    if (chars > CHARS_OF_A_UNIT) this.spend(Math.ceil(chars / CHARS_OF_A_UNIT))
  }

  /**
   * Returns a text that was made, if it is not too long.
   * @throws OverBudget
   */
  text(made: string): string {
    if (made.length > TEXT_MAX) this.refuse(`makes a text of more than ${TEXT_MAX} characters`)
    this.spendText(made.length)
    return made
  }

  /**
   * To be called before a text of this length is made.
   * @throws OverBudget
   */
  allowText(chars: number): void {
    if (chars > TEXT_MAX) this.refuse(`makes a text of more than ${TEXT_MAX} characters`)
  }

  /**
   * Returns a list that was made, if it is not too long.
   * @throws OverBudget
   */
  list<Item>(made: Item[]): Item[] {
    this.allowList(made.length)
    return made
  }

  /**
   * To be called before a list of this length is made.
   * @throws OverBudget
   */
  allowList(length: number): void {
    if (length > LIST_MAX) this.refuse(`makes a list of more than ${LIST_MAX} items`)
    this.spend(length >> 3)
  }

  /** @throws OverBudget */
  refuse(reason: string): never {
    throw (this.#exceeded ??= new OverBudget(reason))
  }
}
