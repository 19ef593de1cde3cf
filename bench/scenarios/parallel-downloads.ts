// Many downloads at once: their total rate, and whether one of them waits for the others.

import { downloadAtOnce } from '../load/curl.ts'
import { count, fixed } from '../report/markdown.ts'
import { betterHalf, betterMedian, inRounds, medianOf } from '../rounds.ts'
import type { Scenario } from '../scenario.ts'
import { PART_MB, PART_PATH, YARDSTICK } from '../testbed.ts'
import { titleOf } from './requests.ts'

const DOWNLOADS = 64

export const parallelDownloads: Scenario = {
  name: 'parallel-downloads',
  title: 'Parallel downloads',
  isCore: false,
  method: () =>
    `${DOWNLOADS} downloads of ${PART_MB} MiB at once, each on its own connection, from one curl. "Last ÷ first" is how much longer the
slowest took than the fastest: 1 if turns are fair.`,
  async run(bed, plan) {
    const chains = (await bed.chains()).filter((chain) => chain.upload !== undefined)
    const { measured, failed } = await inRounds(chains, plan.rounds, async ({ port, headers }) => {
      const started = performance.now()
      const took = await downloadAtOnce(`http://127.0.0.1:${port}${PART_PATH}`, headers, DOWNLOADS)
      const seconds = (performance.now() - started) / 1000
      return {
        bytesPerSecond: (DOWNLOADS * PART_MB * 1024 * 1024) / seconds,
        lastToFirst: Math.max(...took) / Math.min(...took),
      }
    })
    const bytesPerSecond = (round: { bytesPerSecond: number }): number => round.bytesPerSecond
    const rateOf = (name: string): number => betterMedian(measured.get(name) ?? [], bytesPerSecond)
    return {
      tables: [
        {
          head: ['chain', 'together MB/s', `× ${YARDSTICK}`, 'last ÷ first'],
          rows: chains
            .filter(({ name }) => measured.has(name))
            .map((chain) => [
              titleOf(chain),
              count(rateOf(chain.name) / 1e6),
              fixed(rateOf(chain.name) / rateOf(YARDSTICK), 2),
              fixed(
                medianOf(betterHalf(measured.get(chain.name) ?? [], bytesPerSecond), ({ lastToFirst }) => lastToFirst),
                1,
              ),
            ]),
        },
      ],
      figures: {},
      notes: failed,
    }
  },
}
