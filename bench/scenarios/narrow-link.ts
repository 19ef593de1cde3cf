// Small requests while a download fills a narrow link between agent and relay: do they wait behind it?

import { endlessDownload, pause } from '../load/endless.ts'
import { pacedLatencies } from '../load/paced-visitors.ts'
import { fixed } from '../report/markdown.ts'
import { inRounds, quantile } from '../rounds.ts'
import type { Scenario } from '../scenario.ts'
import { linkName, linkedChains, overLink } from '../simulated-link.ts'

const LINK = { roundTripMs: 25, mbit: 20 }
const REQUESTS_PER_SECOND = 20
const CONNECTIONS = 4
const SETTLE_MS = 2000 // until the window of the download has found its size
const SECONDS = 8

export const narrowLink: Scenario = {
  name: 'narrow-link',
  title: 'Small requests beside a download, over a narrow link',
  isCore: false,
  isOneRun: true,
  method: () =>
    `A 13-byte answer over a link of ${linkName(LINK)}, ${REQUESTS_PER_SECOND} a second for ${SECONDS} s, while one download fills the link.
The link's own queue is 64 KiB, which is 26 ms.`,
  async run(bed, plan) {
    const seconds = plan.isQuick ? 1 : SECONDS
    const { measured, failed } = await inRounds(linkedChains(), 1, (chain) =>
      overLink(bed, chain, LINK, async ({ port, host }) => {
        const small = (duration: number): Promise<number[]> =>
          pacedLatencies({
            port,
            path: '/small',
            headers: { Host: host },
            requestsPerSecond: REQUESTS_PER_SECOND,
            connections: CONNECTIONS,
            seconds: duration,
          })
        const alone = await small(1)
        const download = endlessDownload({ port, host })
        try {
          await pause(plan.isQuick ? 500 : SETTLE_MS)
          const [before, started] = [download.bytes(), performance.now()]
          const beside = await small(seconds)
          const rate = (download.bytes() - before) / ((performance.now() - started) / 1000)
          return { alone, beside, rate }
        } finally {
          download.end()
        }
      }),
    )
    return {
      tables: [
        {
          head: ['chain', 'alone p50 ms', 'beside p50 ms', 'p99 ms', 'worst ms', 'download MB/s'],
          rows: [...measured].flatMap(([name, [result]]) =>
            result
              ? [
                  [
                    name,
                    fixed(quantile(result.alone, 0.5), 0),
                    fixed(quantile(result.beside, 0.5), 0),
                    fixed(quantile(result.beside, 0.99), 0),
                    fixed(result.beside.at(-1), 0),
                    fixed(result.rate / 1e6, 2),
                  ],
                ]
              : [],
          ),
        },
      ],
      figures: Object.fromEntries(
        [...measured].flatMap(([name, [result]]) =>
          result ? [[`${name}: p99 on the narrow link`, quantile(result.beside, 0.99)]] : [],
        ),
      ),
      notes: failed,
    }
  },
}
