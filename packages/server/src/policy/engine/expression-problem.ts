// A problem of an expression or a template, found when the policy is loaded.

export interface ExpressionProblem {
  /** A sentence without a full stop: the problem, and what to write instead. */
  message: string
  /** Its place as offsets into the text: the first character, and the one after the last. */
  start: number
  end: number
  /** Set if it is about a value without which the expression fails. */
  isAboutGap?: true
}

/** Thrown while an expression is compiled, and caught by `compileExpression`: never seen outside the engine. */
export class UnfitExpression extends Error {
  readonly problem: ExpressionProblem

  constructor(message: string, { start, end }: { start: number; end: number }) {
    super(message)
    this.name = 'UnfitExpression'
    this.problem = { message, start, end }
  }
}

/**
 * A name from a policy, made safe for a sentence: anything except a plain word is quoted, so that it cannot control a
 * terminal.
 */
export function shownName(name: string): string {
  return /^\w{1,100}$/.test(name) ? name : JSON.stringify(name.slice(0, 100))
}
