// Notes of an import: the parts that were left out, the values to fill in, and the comments about both in the YAML.

import type { Written } from './written.ts'

export interface LeftOut {
  readonly part: Written
  readonly message: string
  /** Whether nobody is served there until a person writes a replacement. */
  readonly closes: boolean
}

export class Notes {
  readonly leftOut: LeftOut[] = []
  /** Variables of the environment to set, each with its meaning. */
  readonly variables = new Map<string, string>()
  readonly #variableOf = new Map<string, string>()
  readonly #comments = new WeakMap<object, string[]>()

  /** @param near the part of the result that gets the comment */
  leaveOut(part: Written, message: string, near: object, closes = false): void {
    // A module of the edge is imported once for each route.
    const isTold = this.leftOut.some((other) => other.part.place === part.place && other.message === message)
    if (!isTold) this.leftOut.push({ part, message, closes })
    const name = part.path.split('.').at(-1) || 'the document'
    this.comment(near, `${closes ? 'Nobody passes until you replace this. ' : ''}Left out: ${name}: ${message}`)
  }

  comment(near: object, text: string): void {
    this.#comments.set(near, [...(this.#comments.get(near) ?? []), text])
  }

  commentsOn(part: object): readonly string[] {
    return this.#comments.get(part) ?? []
  }

  /**
   * A value that ngrok does not tell, as a variable of the environment.
   * @param meaning the same for the same value
   */
  fillIn(name: string, meaning: string): string {
    let variable = this.#variableOf.get(`${name} ${meaning}`)
    for (let number = 1; variable === undefined; number++) {
      const next = number === 1 ? name : `${name}_${number}`
      if (!this.variables.has(next)) variable = next
    }
    this.#variableOf.set(`${name} ${meaning}`, variable)
    this.variables.set(variable, meaning)
    return `\${${variable}}`
  }
}
