// The definition of a function: its signature, for the type check, and its implementation.

import type { ExpressionView } from '../expression-view.ts'
import type { Phase } from '../phase.ts'

export interface FunctionDefinition {
  /** `name(types): type`, `type.name(types): type` for a method, `hash.name(types): type` below a name of its own. */
  readonly signature: string
  readonly about: string
  /**
   * The implementation. Its arguments have the order and types of the signature, in the form of values.ts; the receiver of a method
   * is the first one. It charges its cost to `view.budget`.
   * @throws ValueError, OverBudget
   */
  readonly call: (view: ExpressionView, ...args: never[]) => unknown
  /** All phases, if absent. */
  readonly phases?: readonly Phase[]
  /** The variable that it reads: `req.headers`. */
  readonly reads?: string
}

/** The namespaces of functions: `hash.md5('x')`. */
export const NAMESPACES = [
  'base64',
  'basic_auth',
  'hash',
  'json',
  'lists',
  'queryString',
  'rand',
  'secrets',
  'strings',
  'url',
] as const

/** Makes one line of a table of functions. */
export function define(
  signature: string,
  about: string,
  call: FunctionDefinition['call'],
  more: Pick<FunctionDefinition, 'phases' | 'reads'> = {},
): FunctionDefinition {
  return { signature, about, call, ...more }
}
