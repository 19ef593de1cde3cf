// Small requests while a download uses the whole chain: do they have to wait?

import { keepDownloading } from '../load/curl.ts'
import { pacedLatencies } from '../load/paced-visitors.ts'
import { fixed } from '../report/markdown.ts'
import { inRounds, medianOf, quantile } from '../rounds.ts'
import type { Scenario } from '../scenario.ts'
import { BULK_PATH, SMALL_PATH } from '../testbed.ts'
import { titleOf } from './requests.ts'

const REQUESTS_PER_SECOND = 200
const CONNECTIONS = 10

export const besideADownload: Scenario = {
  name: 'beside-a-download',
  title: 'Small requests beside a download, on loopback',
  isCore: false,
  method: ({ seconds }) =>
    `The 13-byte file ${REQUESTS_PER_SECOND} times a second over ${CONNECTIONS} kept connections, alone and while one curl downloads without a pause;
${seconds} s a round each. "One session" is an agent with \`--connections 1\`, where all streams share one WebSocket. The download
takes all that the machine can give, so every process that needs a core has to wait, with or without a tunnel.`,
  async run(bed, plan) {
    const chains = [
      ...(await bed.chains()).filter(({ name }) => !name.includes('signed in')),
      await bed.chainOfOneSession(),
    ]
    const { measured, failed } = await inRounds(chains, plan.rounds, async ({ port, headers }) => {
      const paced = (): Promise<number[]> =>
        pacedLatencies({
          port,
          path: SMALL_PATH,
          headers,
          requestsPerSecond: REQUESTS_PER_SECOND,
          connections: CONNECTIONS,
          seconds: plan.seconds,
        })
      const alone = await paced()
      const download = keepDownloading(`http://127.0.0.1:${port}${BULK_PATH}`, headers)
      try {
        const beside = await paced()
        return { alone, beside }
      } finally {
        await download.end()
      }
    })
    const at = (name: string, which: 'alone' | 'beside', part: number): number =>
      medianOf(measured.get(name) ?? [], (round) => quantile(round[which], part))
    const times = (name: string): number => at(name, 'beside', 0.99) / at(name, 'alone', 0.99)
    return {
      tables: [
        {
          head: ['chain', 'alone p50 ms', 'p99 ms', 'beside p50 ms', 'p99 ms', 'p99 ÷ p99 alone'],
          rows: chains
            .filter(({ name }) => measured.has(name))
            .map((chain) => [
              titleOf(chain),
              ...[at(chain.name, 'alone', 0.5), at(chain.name, 'alone', 0.99)].map((each) => fixed(each, 2)),
              ...[at(chain.name, 'beside', 0.5), at(chain.name, 'beside', 0.99)].map((each) => fixed(each, 2)),
              fixed(times(chain.name), 1),
            ]),
        },
      ],
      figures: Object.fromEntries([...measured.keys()].map((name) => [`${name}: p99 beside a download`, times(name)])),
      notes: failed,
    }
  },
}
