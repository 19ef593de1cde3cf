// The types of a scenario and its findings. The runner (bench.ts) knows nothing else of scenarios, and the page is made
// only from findings.

import type { Testbed } from './testbed.ts'

export interface Plan {
  rounds: number
  /** Of each measurement. */
  seconds: number
  /** Only checks that everything works: its figures are meaningless. */
  isQuick: boolean
}

export interface Scenario {
  /** For `--scenario`. */
  readonly name: string
  readonly title: string
  /** Whether plain `npm run bench` runs it. */
  readonly isCore: boolean
  /** Whether each figure is a single measurement, because the value does not vary, or is an average already. */
  readonly isOneRun?: true
  /** Programs that it needs, each with the way to install it. */
  readonly needs?: Readonly<Record<string, string>>
  /** Another reason why it cannot run here, with advice; asked if the programs are installed. */
  lack?(): string | undefined
  /** The measurement and its method: the paragraph under the title. */
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
  /** The figures for goals and chart, by `chain: what`. */
  figures: Readonly<Record<string, number>>
  /** Sentences under the tables: failures, and missing measurements with the reason. */
  notes: readonly string[]
}
