// The common part of scenarios that count requests: rounds over all chains, and the table of rates, latencies and CPU.

import { perRequest, withCpu } from '../cpu.ts'
import type { CpuByProcess } from '../cpu.ts'
import { count, fixed } from '../report/markdown.ts'
import { betterHalf, inRounds, medianOf } from '../rounds.ts'
import type { Findings, Plan, Table } from '../scenario.ts'
import { YARDSTICK } from '../testbed.ts'
import type { Chain } from '../testbed.ts'

export interface RequestsResult {
  requests: number
  requestsPerSecond: number
  p50Ms: number
  p99Ms: number
  errors: number
}

type Measured = RequestsResult & { cpu: CpuByProcess }

// Until V8 has compiled the hot code; in later rounds, until caches are warm again.
const FIRST_WARM_SECONDS = 4
const WARM_SECONDS = 1

/**
 * Measures every chain in every round. Each begins with seconds that are not counted, for all chains alike.
 * @param suffix distinguishes figures of one scenario, e.g. ` at 50`
 */
export async function measureRequests(
  chains: readonly Chain[],
  plan: Plan,
  options: {
    caption?: string
    suffix?: string
    load: (chain: Chain, seconds: number) => Promise<RequestsResult>
  },
): Promise<Findings> {
  const { measured, failed } = await inRounds(chains, plan.rounds, async (chain, round): Promise<Measured> => {
    if (!plan.isQuick) await options.load(chain, round === 0 ? FIRST_WARM_SECONDS : WARM_SECONDS)
    const { result, cpu } = await withCpu(chain.processes, () => options.load(chain, plan.seconds))
    return { ...result, cpu: perRequest(cpu, result.requests) }
  })
  const better = new Map([...measured].map(([name, rounds]) => [name, betterHalf(rounds, rateOf)]))
  const yardstick = `× ${YARDSTICK}`
  const table: Table = {
    ...(options.caption !== undefined && { caption: options.caption }),
    head: ['chain', 'requests/s', yardstick, 'in all rounds', 'p50 ms', 'p99 ms', 'CPU per request, µs', 'errors'],
    rows: rowsOf(better, measured, chains),
  }
  return { tables: [table], figures: figuresOf(better, options.suffix ?? ''), notes: failed }
}

/** A chain's name as people should read it. */
export function titleOf({ name, kind }: Chain): string {
  return kind === 'sallyport' || kind === 'no proxy' || name === YARDSTICK ? name : `${name} (${kind})`
}

export function together(findings: readonly Findings[]): Findings {
  return {
    tables: findings.flatMap(({ tables }) => tables),
    figures: Object.assign({}, ...findings.map(({ figures }) => figures)) as Findings['figures'], // of their figures
    notes: findings.flatMap(({ notes }) => notes),
  }
}

function rateOf({ requestsPerSecond }: Measured): number {
  return requestsPerSecond
}

type Rounds = ReadonlyMap<string, readonly Measured[]>

function rowsOf(better: Rounds, all: Rounds, chains: readonly Chain[]): string[][] {
  const timesYardstick = (name: string, rounds: Rounds): string =>
    fixed(medianOf(rounds.get(name) ?? [], rateOf) / medianOf(rounds.get(YARDSTICK) ?? [], rateOf), 2)
  return chains.flatMap((chain) => {
    const rounds = better.get(chain.name)
    if (!rounds) return []
    const cpu = Object.keys(rounds[0]?.cpu ?? {})
      .map((each) => `${each} ${medianOf(rounds, (round) => round.cpu[each] ?? 0).toFixed(1)}`)
      .join(', ')
    const errors = (all.get(chain.name) ?? []).reduce((sum, round) => sum + round.errors, 0)
    return [
      [
        titleOf(chain),
        count(medianOf(rounds, rateOf)),
        timesYardstick(chain.name, better),
        timesYardstick(chain.name, all),
        medianOf(rounds, ({ p50Ms }) => p50Ms).toFixed(2),
        medianOf(rounds, ({ p99Ms }) => p99Ms).toFixed(2),
        cpu,
        String(errors),
      ],
    ]
  })
}

function figuresOf(measured: Rounds, suffix: string): Record<string, number> {
  const figures: Record<string, number> = {}
  for (const [name, rounds] of measured) {
    figures[`${name}: requests/s${suffix}`] = medianOf(rounds, rateOf)
    for (const process of Object.keys(rounds[0]?.cpu ?? {})) {
      figures[`${name}: CPU of ${process}${suffix}`] = medianOf(rounds, ({ cpu }) => cpu[process] ?? 0)
    }
  }
  return figures
}
