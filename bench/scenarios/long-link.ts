// Bulk over a link with a long round trip between agent and relay: are the windows large enough?

import { endlessDownload, endlessUpload, rateOf } from '../load/endless.ts'
import { fixed } from '../report/markdown.ts'
import { inRounds } from '../rounds.ts'
import type { Scenario, Table } from '../scenario.ts'
import { PLAIN_TCP, linkName, linkedChains, overLink } from '../simulated-link.ts'
import type { Link } from '../simulated-link.ts'

const LINKS: readonly Link[] = [
  { roundTripMs: 20, mbit: 400 },
  { roundTripMs: 100, mbit: 400 },
]
const STREAMS = 50
const WARM_MS = 2500 // until windows have grown
const MEASURE_MS = 3000

export const longLink: Scenario = {
  name: 'long-link',
  title: 'Over a long link',
  isCore: false,
  isOneRun: true,
  method: () =>
    `Endless downloads and uploads, with a proxy between both ends of the tunnel that lets every byte arrive half a round trip later
([\`bench/delay-proxy.ts\`](../bench/delay-proxy.ts)). The first ${WARM_MS / 1000} s are not counted, the next ${MEASURE_MS / 1000} s are. The first row is a plain TCP connection to the app over the same link.`,
  async run(bed, plan) {
    const time = plan.isQuick ? { warmMs: 500, measureMs: 500 } : { warmMs: WARM_MS, measureMs: MEASURE_MS }
    const chains = linkedChains().filter(({ name }) => !name.includes('one session'))
    const tables: Table[] = []
    const figures: Record<string, number> = {}
    const notes: string[] = []
    for (const link of LINKS) {
      const { measured, failed } = await inRounds(chains, 1, (chain) =>
        overLink(bed, chain, link, async (site) => ({
          down: await rateOf([endlessDownload(site)], time),
          up: await rateOf([endlessUpload(site)], time),
          many: await rateOf(
            Array.from({ length: STREAMS }, () => endlessDownload(site)),
            time,
          ),
        })),
      )
      notes.push(...failed)
      const plain = measured.get(PLAIN_TCP)?.[0]
      const against = (rate: number, base: number | undefined): string => fixed(base && rate / base, 2)
      tables.push({
        caption: `**${linkName(link)}**`,
        head: ['chain', 'one down MB/s', '× TCP', 'one up MB/s', '× TCP', `${STREAMS} down MB/s`, '× TCP'],
        rows: [...measured].flatMap(([name, [rates]]) =>
          rates
            ? [
                [
                  name,
                  fixed(rates.down / 1e6, 1),
                  against(rates.down, plain?.down),
                  fixed(rates.up / 1e6, 1),
                  against(rates.up, plain?.up),
                  fixed(rates.many / 1e6, 1),
                  against(rates.many, plain?.many),
                ],
              ]
            : [],
        ),
      })
      for (const [name, [rates]] of measured) {
        if (rates && plain) figures[`${name}: × TCP at ${link.roundTripMs} ms`] = rates.down / plain.down
      }
    }
    return { tables, figures, notes }
  },
}
