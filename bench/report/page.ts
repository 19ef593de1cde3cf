// docs/performance.md from the findings of scenarios, of any date. Pure.

import type { Findings, Plan, Scenario } from '../scenario.ts'
import { judge } from './goals.ts'
import type { Figures } from './goals.ts'
import { markdownOf } from './markdown.ts'

/** The findings of one scenario, as docs/performance.json keeps them. */
export interface Kept {
  measuredAt: string
  machine: string
  /** The load average when it began, over one minute. */
  loadBefore: number
  plan: Plan
  findings: Findings
}

export type Results = Readonly<Record<string, Kept>>

export function figuresOf(results: Results): Figures {
  return Object.assign({}, ...Object.values(results).map(({ findings }) => findings.figures)) as Figures // of their figures
}

export function page(results: Results, scenarios: readonly Scenario[], notMeasured: readonly string[]): string {
  const found = scenarios.filter(({ name }) => results[name] !== undefined)
  const missing = scenarios.filter(({ name }) => results[name] === undefined)
  const { rows, reasons } = judge(figuresOf(results))
  const goals = markdownOf({ head: ['goal', 'wanted', 'measured', 'reached'], rows })
  const sections = found.map((scenario) => section(scenario, results[scenario.name]!)) // those that were found
  const absent = missing.map(({ title, name }) => `- ${title}: \`npm run bench -- --scenario ${name}\``)
  return `# Performance

Written by \`npm run bench\`. Everything runs on one machine, over loopback, in rounds that alternate with the programs in
comparison. The machine is small and shared: compare the ratios of one table, not the absolute numbers of two. The
numbers for programs are in [performance.json](performance.json).

![Throughput beside nginx and other tunnels](performance.svg)

- **nginx proxy_pass** is nginx in front of nginx with kept connections between them: a reverse proxy _without_ a tunnel. Our
  chain has more to do: relay and agent are two processes with a multiplexed WebSocket between them.
- A **TCP tunnel** copies bytes and knows no requests: no host, no path, no sign-in, no second app. An **HTTP tunnel** reads
  requests, as we do.
- **CPU per request** is user plus system time from \`/proc\`, by process. wrk, nginx, relay, agent and app share the machine.
- Figures are medians of rounds. **Rates** are medians of the better half of a chain's rounds, for every chain alike, because
  other work on the host can only slow a chain down, and slows four processes more than two. "In all rounds" is the ratio over
  all rounds.
- Access logs are off, except in the section about the access line.

## Goals

${goals}

${reasons.join('\n\n')}

${sections.join('\n\n')}

## Not measured here

${[...notMeasured.map((each) => `- ${each}`), ...absent].join('\n') || 'Nothing.'}

## Measure it yourself

\`\`\`sh
npm run bench                          # the core: about six minutes, writes this page
npm run bench -- --all                 # everything: about twenty minutes
npm run bench -- --scenario long-link  # one scenario; its section of this page is replaced
npm run bench -- --ours                # direct, nginx and Sallyport only; writes nothing
npm run bench -- --list                # the names of all scenarios
npm run bench -- --quick               # does everything still run? Writes nothing
\`\`\`

It needs nginx, wrk and curl. Other programs of these tables are measured, too, if they are on the \`PATH\`.
`
}

/** The text between the markers of docs/how-a-byte-travels.md. */
export function stepsText({ measuredAt, machine, findings }: Kept): string {
  return [`Measured on ${machine}, ${measuredAt}, at 50 connections.`, ...findings.tables.map(markdownOf)].join('\n\n')
}

function section(scenario: Scenario, { measuredAt, machine, loadBefore, plan, findings }: Kept): string {
  const rounds = scenario.isOneRun ? 'one run' : `${plan.rounds} rounds`
  return [
    `## ${scenario.title}`,
    scenario.method(plan),
    ...findings.tables.map(markdownOf),
    ...findings.notes,
    `_${measuredAt}, ${machine}; ${rounds}; load average before it ${loadBefore.toFixed(1)}._`,
  ].join('\n\n')
}
