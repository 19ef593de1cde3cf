// The state of the walk through a syntax tree, and its findings.

import type { CompileSettings } from '../compile-settings.ts'
import type { Language } from '../environment.ts'
import type { ExpressionProblem } from '../expression-problem.ts'
import type { Pattern } from '../patterns.ts'
import type { Demand } from './demands.ts'
import type { Tree } from './tree.ts'

export interface Walk {
  readonly language: Language
  readonly settings: CompileSettings
  readonly found: Found
  /** The names that comprehensions around a node declare, each with the variables that their lists read. */
  readonly names: ReadonlyMap<string, ReadonlySet<string>>
  /** The product of the sizes of the lists that the comprehensions around it iterate over. */
  readonly steps: number
  readonly depth: number
}

export interface Found {
  /** The variables that are read, as paths: `req.url.path`, `req.headers.cookie`, `vars.x`, `secrets.get`. */
  readonly reads: Set<string>
  readonly demands: Demand[]
  /** Warnings: older names, and other parts that work but may not do what the author expects. */
  readonly warnings: ExpressionProblem[]
  /** The patterns of `matches` that are written as literals. */
  readonly patterns: Map<Tree, Pattern>
  /** The cost of reading a variable, if it has one, by the node that reads it. It is charged within comprehensions. */
  readonly costs: Map<Tree, number>
  /** Indices into headers, cookies and the query, which fail if the key is missing. */
  readonly unguarded: { key: string; start: number; end: number }[]
  /** Keys whose presence the expression checks. */
  readonly guards: Set<string>
}
