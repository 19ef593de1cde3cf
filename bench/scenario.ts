// What a scenario is, and what it finds. The runner (bench.ts) knows nothing else of scenarios, and the page is made of
// nothing but findings.

import type { Testbed } from './testbed.ts'

export interface Plan {
  rounds: number
  /** Of each measurement. */
  seconds: number
  /** A look whether everything works: no figure of it is worth anything. */
  isQuick: boolean
}

export interface Scenario {
  /** For `--scenario`. */
  readonly name: string
  readonly title: string
  /** Whether plain `npm run bench` runs it. */
  readonly isCore: boolean
  /** Whether each figure is one measurement, because what is measured does not vary, or averages itself. */
  readonly isOneRun?: true
  /** Programs without which it cannot run, each with how it is installed. */
  readonly needs?: Readonly<Record<string, string>>
  /** What else keeps it from running here, and what to do about it; asked when the programs are there. */
  lack?(): string | undefined
  /** What is measured, and how: the paragraph under the title. */
  method(plan: Plan): string
  run(bed: Testbed, plan: Plan): Promise<Findings>
}

export interface Table {
  caption?: string
  head: readonly string[]
  rows: readonly (readonly string[])[]
}

export interface Findings {
  tables: readonly Table[]
  /** What goals and the chart read: a figure by `chain: what`. */
  figures: Readonly<Record<string, number>>
  /** Sentences under the tables: what failed, what was not measured and why. */
  notes: readonly string[]
}
