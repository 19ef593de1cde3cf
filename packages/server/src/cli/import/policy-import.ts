// The policy of one route while it is being imported: only rules that can be loaded get into it, and what is left out is noted.

import type { Account } from './account.ts'
import type { Notes } from './notes.ts'
import { problemOfPolicy } from './trial.ts'
import type { Written } from './written.ts'

export interface Step {
  readonly type: string
  readonly config?: Record<string, unknown>
}
export interface Rule {
  readonly expressions?: readonly string[]
  readonly actions: readonly Step[]
}
export type Phase = 'on_tcp_connect' | 'on_http_request' | 'on_http_response'

export class PolicyImport {
  readonly account: Account
  readonly notes: Notes
  readonly #rules: Record<Phase, unknown[]> = { on_tcp_connect: [], on_http_request: [], on_http_response: [] }

  constructor(account: Account, notes: Notes) {
    this.account = account
    this.notes = notes
  }

  /** The policy; undefined without a rule. */
  get policy(): Record<string, unknown> | undefined {
    const phases = Object.entries(this.#rules).filter(([, { length }]) => length > 0)
    return phases.length === 0 ? undefined : Object.fromEntries(phases)
  }

  /** Why `relay check` would not take a rule. */
  problemOf(phase: Phase, rule: unknown): string | undefined {
    return problemOfPolicy({ [phase]: [rule] }, this.account)
  }

  /** Adds a rule that `relay check` takes. @returns the problem of one that it would not take */
  add(phase: Phase, rule: unknown): string | undefined {
    const problem = this.problemOf(phase, rule)
    if (problem === undefined) this.#rules[phase].push(rule)
    return problem
  }

  /** A rule that decides who may pass. */
  guard(part: Written, rule: Rule, phase: Phase = 'on_http_request'): void {
    const problem = this.add(phase, rule)
    if (problem !== undefined) this.close(part, problem, phase)
  }

  /** Nobody passes, in place of a module that decided that. */
  close(part: Written, message: string, phase: Phase = 'on_http_request'): void {
    const rule: Rule = { actions: [{ type: 'deny' }] }
    this.#rules[phase].push(rule)
    this.notes.leaveOut(part, message, rule, true)
  }

  /** A rule without which the app gets or gives something else, but nobody passes who did not before. */
  offer(part: Written, rule: Rule, phase: Phase, near: object): void {
    const problem = this.add(phase, rule)
    if (problem !== undefined) this.notes.leaveOut(part, problem, near)
  }
}
