// The policy of one route while it is being imported: only rules that can be loaded get into it, and each part that is left
// out is noted.

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

  /** Why `relay check` would refuse a rule; undefined if it would not. */
  problemOf(phase: Phase, rule: unknown): string | undefined {
    return problemOfPolicy({ [phase]: [rule] }, this.account)
  }

  /** Adds a rule, unless `relay check` would refuse it. @returns the problem of a refused rule */
  add(phase: Phase, rule: unknown): string | undefined {
    const problem = this.problemOf(phase, rule)
    if (problem === undefined) this.#rules[phase].push(rule)
    return problem
  }

  /** Adds a rule that decides who may pass. If it is not possible, nobody passes. */
  guard(part: Written, rule: Rule, phase: Phase = 'on_http_request'): void {
    const problem = this.add(phase, rule)
    if (problem !== undefined) this.close(part, problem, phase)
  }

  /** Lets nobody pass, in place of a module that decided who may. */
  close(part: Written, message: string, phase: Phase = 'on_http_request'): void {
    const rule: Rule = { actions: [{ type: 'deny' }] }
    this.#rules[phase].push(rule)
    this.notes.leaveOut(part, message, rule, true)
  }

  /** Adds a rule that does not decide who may pass. If it is not possible, it is left out. */
  offer(part: Written, rule: Rule, phase: Phase, near: object): void {
    const problem = this.add(phase, rule)
    if (problem !== undefined) this.notes.leaveOut(part, problem, near)
  }
}
