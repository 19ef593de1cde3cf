// The latency that a chain adds to a request, at a rate that all of them serve easily.

import { pacedLatencies } from '../load/paced-visitors.ts'
import { fixed } from '../report/markdown.ts'
import { inRounds, medianOf, quantile } from '../rounds.ts'
import type { Scenario } from '../scenario.ts'
import { SMALL_PATH } from '../testbed.ts'
import { titleOf } from './requests.ts'

const REQUESTS_PER_SECOND = 1000
const CONNECTIONS = 20

export const addedLatency: Scenario = {
  name: 'added-latency',
  title: 'Added latency',
  isCore: true,
  method: ({ seconds }) =>
    `The 13-byte file ${REQUESTS_PER_SECOND.toLocaleString('en')} times a second at a steady pace over ${CONNECTIONS} kept connections, ${seconds} s a round. "Added" is
what the median is above the median without any proxy.`,
  async run(bed, plan) {
    const chains = await bed.chains()
    const { measured, failed } = await inRounds(chains, plan.rounds, async ({ port, headers }) => {
      const sorted = await pacedLatencies({
        port,
        path: SMALL_PATH,
        headers,
        requestsPerSecond: REQUESTS_PER_SECOND,
        connections: CONNECTIONS,
        seconds: plan.seconds,
      })
      return { p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) }
    })
    const p50Of = (name: string): number => medianOf(measured.get(name) ?? [], ({ p50 }) => p50)
    const direct = p50Of('direct')
    return {
      tables: [
        {
          head: ['chain', 'p50 ms', 'added p50 ms', 'p99 ms'],
          rows: chains
            .filter(({ name }) => measured.has(name))
            .map((chain) => [
              titleOf(chain),
              fixed(p50Of(chain.name), 2),
              chain.name === 'direct' ? '' : fixed(p50Of(chain.name) - direct, 2),
              fixed(
                medianOf(measured.get(chain.name) ?? [], ({ p99 }) => p99),
                2,
              ),
            ]),
        },
      ],
      figures: Object.fromEntries([...measured.keys()].map((name) => [`${name}: added p50`, p50Of(name) - direct])),
      notes: failed,
    }
  },
}
