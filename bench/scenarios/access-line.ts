// What the access line costs the relay: two relays that differ in `log.access` alone, in turns.

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
    `As small requests at ${CONNECTIONS} connections, ${seconds} s a round, through two relays that run side by side: one with \`log.access: false\`,
one with the line of each request, as JSON into a file. Both log lines of agents. CPU is that of the relay. "More" is the
median of the differences between the two halves of a round.`,
  async run(bed, plan) {
    const { nginxPort } = await bed.apps()
    const startOne = async (name: string, access: boolean): Promise<{ name: string } & RelayInUse> => {
      const edges = '  - { id: edg_app, hosts: [app.localhost] }\n'
      const inUse = await bed.startRelay(`access-${access}`, { edges, access, logsToFile: true })
      await inUse.startAgent('edge=edg_app', nginxPort)
      return { name, ...inUse }
    }
    const chains = [await startOne(WITHOUT, false), await startOne(WITH, true)]
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
    const without = measured.get(WITHOUT) ?? []
    const more = medianOf(
      (measured.get(WITH) ?? []).map((round, index) => round.relayMicroseconds - cpuOf(without[index])),
      (difference) => difference,
    )
    return {
      tables: [
        {
          head: ['relay', 'requests/s', 'CPU per request, µs', 'more, µs'],
          rows: [...measured].map(([name, rounds]) => [
            name,
            count(betterMedian(rounds, (round) => round.requestsPerSecond)),
            fixed(medianOf(rounds, cpuOf), 1),
            name === WITH ? fixed(more, 1) : '',
          ]),
        },
      ],
      figures: { 'sallyport: CPU of the access line': more },
      notes: failed,
    }
  },
}

function cpuOf(round: Measured | undefined): number {
  return round?.relayMicroseconds ?? Number.NaN
}
