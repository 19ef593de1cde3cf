// What the access line costs the relay: relays that differ in `log.access` alone, in turns.

import { spawn } from 'node:child_process'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

import { withCpu } from '../cpu.ts'
import { wrk } from '../load/wrk.ts'
import { count, fixed } from '../report/markdown.ts'
import { betterMedian, inRounds, medianOf } from '../rounds.ts'
import type { Scenario } from '../scenario.ts'
import { SMALL_PATH } from '../testbed.ts'
import type { RelayInUse } from '../testbed.ts'

const CONNECTIONS = 50
const WARM_SECONDS = 1 // after the pause in which the other one was measured
const FIRST_WARM_SECONDS = 4 // until V8 has compiled what is hot
const PAIRS = 3 // two processes of one program differ by more than a line costs
const WITHOUT = 'without the line'
const WITH = 'with the line'

interface Measured {
  requestsPerSecond: number
  relayMicroseconds: number
}

export const accessLine: Scenario = {
  name: 'access-line',
  title: 'The access line',
  isCore: false,
  method: ({ seconds }) =>
    `As small requests at ${CONNECTIONS} connections, ${seconds} s a round, through ${2 * PAIRS} relays that run side by side: half of
them with \`log.access: false\`, half with the line of each request, as JSON into a file. Both log lines of agents. CPU is that
of the relay, the median of all rounds of its half. Processes of one program differ by as much as a line costs, so the line
is also measured by itself (\`bench/access-lines.ts\`: made, gathered, written into a file, in a process that does nothing
else).`,
  async run(bed, plan) {
    const { nginxPort } = await bed.apps()
    const startOne = async (name: string, pair: number): Promise<{ name: string } & RelayInUse> => {
      const edges = '  - { id: edg_app, hosts: [app.localhost] }\n'
      const access = name === WITH
      const inUse = await bed.startRelay(`access-${access}-${pair}`, { edges, access, logsToFile: true })
      await inUse.startAgent('edge=edg_app', nginxPort)
      return { name: `${name} ${pair}`, ...inUse }
    }
    const chains: Awaited<ReturnType<typeof startOne>>[] = []
    for (let pair = 0; pair < PAIRS; pair++) {
      const names = pair % 2 === 0 ? [WITHOUT, WITH] : [WITH, WITHOUT]
      for (const name of names) chains.push(await startOne(name, pair))
    }
    const { measured, failed } = await inRounds(chains, plan.rounds, async ({ relay, relayPort }, round) => {
      const load = (seconds: number): ReturnType<typeof wrk> =>
        wrk(`http://127.0.0.1:${relayPort}${SMALL_PATH}`, {
          headers: { Host: `app.localhost:${relayPort}` },
          connections: CONNECTIONS,
          seconds,
        })
      if (!plan.isQuick) await load(round === 0 ? FIRST_WARM_SECONDS : WARM_SECONDS)
      const { result, cpu } = await withCpu([relay], () => load(plan.seconds))
      if (result.errors > 0) throw new Error(`${result.errors} requests failed`)
      const { requests, requestsPerSecond } = result
      return { requestsPerSecond, relayMicroseconds: (cpu[relay.name] ?? 0) / requests }
    })
    const roundsOf = (name: string): Measured[] =>
      [...measured].filter(([chain]) => chain.startsWith(`${name} `)).flatMap(([, rounds]) => rounds)
    const more = medianOf(roundsOf(WITH), cpuOf) - medianOf(roundsOf(WITHOUT), cpuOf)
    const alone = await lineByItself()
    return {
      tables: [
        {
          head: ['relay', 'requests/s', 'CPU per request, µs', 'more, µs'],
          rows: [WITHOUT, WITH].map((name) => [
            name,
            count(betterMedian(roundsOf(name), (round) => round.requestsPerSecond)),
            fixed(medianOf(roundsOf(name), cpuOf), 1),
            name === WITH ? fixed(more, 1) : '',
          ]),
        },
      ],
      figures: { 'sallyport: CPU of the access line': more, 'sallyport: CPU of the access line by itself': alone },
      notes: [`The line by itself: ${fixed(alone, 2)} µs of CPU.`, ...failed],
    }
  },
}

/** Microseconds of CPU. */
async function lineByItself(): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-lines-'))
  const file = await open(join(folder, 'relay.log'), 'w')
  try {
    const program = join(import.meta.dirname, '../access-lines.ts')
    const child = spawn(process.execPath, [program], { stdio: ['ignore', file.fd, 'pipe'] })
    const told = await text(child.stderr!) // a pipe, as asked for
    if (!(Number(told) > 0)) throw new Error(`bench/access-lines.ts: ${told}`)
    return Number(told)
  } finally {
    await file.close()
    await rm(folder, { recursive: true })
  }
}

function cpuOf({ relayMicroseconds }: Measured): number {
  return relayMicroseconds
}
