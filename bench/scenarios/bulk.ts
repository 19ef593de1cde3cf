// One large file down, and one up.

import { download, upload } from '../load/curl.ts'
import { count, fixed } from '../report/markdown.ts'
import { betterMedian, inRounds, medianOf } from '../rounds.ts'
import type { Scenario } from '../scenario.ts'
import { BULK_MB, BULK_PATH, YARDSTICK } from '../testbed.ts'
import { titleOf } from './requests.ts'

// One transfer is short; the time until windows and heap have grown should not decide.
const TRANSFERS = 5

export const bulk: Scenario = {
  name: 'bulk',
  title: 'Bulk',
  isCore: true,
  method: () =>
    `One file of ${BULK_MB} MiB down (nginx) and up (a Node.js program that counts bytes), with curl; the median of ${TRANSFERS}
transfers in each round.`,
  async run(bed, plan) {
    const { bulkFile } = await bed.apps()
    const chains = (await bed.chains()).filter((chain) => chain.upload !== undefined)
    const transfers = plan.isQuick ? 1 : TRANSFERS
    const { measured, failed } = await inRounds(chains, plan.rounds, async ({ port, headers, upload: up }) => ({
      down: await medianRate(transfers, () => download(`http://127.0.0.1:${port}${BULK_PATH}`, headers)),
      up: await medianRate(transfers, () => upload(`http://127.0.0.1:${up?.port}/upload`, up?.headers ?? {}, bulkFile)),
    }))
    const rates = new Map(
      [...measured].map(([name, rounds]) => [
        name,
        { down: betterMedian(rounds, ({ down }) => down), up: betterMedian(rounds, ({ up }) => up) },
      ]),
    )
    const yard = rates.get(YARDSTICK)
    const figures: Record<string, number> = {}
    for (const [name, { down, up }] of rates) {
      figures[`${name}: download`] = down
      figures[`${name}: upload`] = up
    }
    return {
      tables: [
        {
          head: ['chain', 'download MB/s', `× ${YARDSTICK}`, 'upload MB/s', `× ${YARDSTICK}`],
          rows: chains.flatMap((chain) => {
            const rate = rates.get(chain.name)
            if (!rate) return []
            const { down, up } = rate
            const ratios = yard && { down: down / yard.down, up: up / yard.up }
            return [[titleOf(chain), count(down / 1e6), fixed(ratios?.down, 2), count(up / 1e6), fixed(ratios?.up, 2)]]
          }),
        },
      ],
      figures,
      notes: failed,
    }
  },
}

async function medianRate(transfers: number, measure: () => Promise<number>): Promise<number> {
  const rates: number[] = []
  for (let i = 0; i < transfers; i++) rates.push(await measure())
  return medianOf(rates, (rate) => rate)
}
