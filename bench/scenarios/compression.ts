// compress-response: how fast each algorithm is, and what it costs.

import { request } from 'node:http'

import { withCpu } from '../cpu.ts'
import { downloadAtOnce } from '../load/curl.ts'
import { count, fixed } from '../report/markdown.ts'
import { inRounds, medianOf } from '../rounds.ts'
import type { Scenario } from '../scenario.ts'
import { COMPRESSED_HOST, TEXT_MB, TEXT_PATH } from '../testbed.ts'

const ALGORITHMS = ['none', 'gzip', 'deflate', 'br', 'zstd'] as const

export const compression: Scenario = {
  name: 'compression',
  title: 'Compressed answers',
  isCore: false,
  method: () =>
    `One download of ${TEXT_MB} MiB of English with code and tables (the pages of docs/, one after the other) through a route with
\`compress-response\`, by one visitor who accepts one algorithm; "none" accepts none, so that the same route passes the text on. MB are those of
the app. CPU is that of the relay, all threads.`,
  async run(bed, plan) {
    const chains = await bed.chains()
    const ours = chains.find(({ name }) => name === 'sallyport')
    if (!ours) throw new Error('our own relay has not started')
    const url = `http://127.0.0.1:${ours.port}${TEXT_PATH}`
    const relay = ours.processes.filter(({ name }) => name === 'relay')
    const megabytes = (TEXT_MB * 1024 * 1024) / 1e6
    const headersFor = (algorithm: string): Record<string, string> => ({
      Host: `${COMPRESSED_HOST}:${ours.port}`,
      ...(algorithm !== 'none' && { 'Accept-Encoding': algorithm }),
    })
    const { measured, failed } = await inRounds(
      ALGORITHMS.map((name) => ({ name })),
      plan.rounds,
      async ({ name }) => {
        const { result, cpu } = await withCpu(relay, () => downloadAtOnce(url, headersFor(name), 1))
        const [seconds = Number.NaN] = result
        return { rate: megabytes / seconds, cpuMs: (cpu.relay ?? Number.NaN) / 1000 / megabytes }
      },
    )
    const figures: Record<string, number> = {}
    const rows = await Promise.all(
      [...measured].map(async ([name, rounds]) => {
        const [rate, cpuMs] = [medianOf(rounds, (each) => each.rate), medianOf(rounds, (each) => each.cpuMs)]
        figures[`sallyport: MB/s with ${name}`] = rate
        const size = await sizeOf(url, headersFor(name))
        return [name, count(rate), fixed(cpuMs, 1), fixed((TEXT_MB * 1024 * 1024) / size, 1)]
      }),
    )
    return {
      tables: [{ head: ['algorithm', 'MB/s', 'CPU, ms for each MB', 'times smaller'], rows }],
      figures,
      notes: failed,
    }
  },
}

/** The bytes of a body as they are sent. */
function sizeOf(url: string, headers: Readonly<Record<string, string>>): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { headers }, (response) => {
      let bytes = 0
      response.on('data', (chunk: Buffer) => (bytes += chunk.length))
      response.on('end', () => resolve(bytes))
      response.on('error', reject)
    })
    asked.on('error', reject)
    asked.end()
  })
}
