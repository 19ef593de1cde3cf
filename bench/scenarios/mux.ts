// The multiplexer alone, beside others that speak the same protocol.

import { execFile, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { count, fixed } from '../report/markdown.ts'
import { medianOf, progress } from '../rounds.ts'
import type { Scenario } from '../scenario.ts'
import type { MuxRow } from '../yamux.ts'

const GO_SOURCES = join(import.meta.dirname, '../../test/interop/go-yamux')
const BUILD_DEADLINE_MS = 180_000 // the first build compiles Go's standard library

export const mux: Scenario = {
  name: 'mux',
  title: 'The multiplexer alone',
  isCore: false,
  method: ({ seconds }) =>
    `Both ends in one process, joined by loopback TCP or a WebSocket; ${seconds} s a cell. Echo: a message of 200 bytes under way on each
stream. Bulk: one stream, one way. Go uses all cores, Node.js one.`,
  async run(bed, plan) {
    const go = await buildGo(join(bed.folder, 'go-yamux'))
    const rounds: MuxRow[][] = []
    for (let round = 0; round < plan.rounds; round++) {
      progress(`round ${round + 1} of ${plan.rounds}`)
      const rows = await run<MuxRow[]>(process.execPath, [yamuxProgram, String(plan.seconds), '--json'])
      if (go.program) rows.push(await run<MuxRow>(go.program, ['bench', `${plan.seconds}s`]))
      rounds.push(rows)
    }
    progress('')
    const names = rounds[0]?.map(({ name }) => name) ?? []
    const of = (name: string, read: (row: MuxRow) => number): number =>
      medianOf(
        rounds.flat().filter((row) => row.name === name),
        read,
      )
    const broken = (name: string): string | undefined =>
      rounds.flat().find((row) => row.name === name && row.brokeInBulk !== undefined)?.brokeInBulk
    const bulkOf = (name: string): string =>
      broken(name) === undefined ? count(of(name, ({ bulkRate = Number.NaN }) => bulkRate) / 1e6) : 'breaks'
    return {
      tables: [
        {
          head: ['multiplexer, carrier', 'echoes/s, 1 stream', '50 streams', 'CPU per echo there, µs', 'bulk MB/s'],
          rows: names.map((name) => [
            name,
            count(of(name, ({ oneRate }) => oneRate)),
            count(of(name, ({ manyRate }) => manyRate)),
            fixed(
              of(name, ({ cpuMicros }) => cpuMicros),
              1,
            ),
            bulkOf(name),
          ]),
        },
      ],
      figures: {},
      notes: [
        ...names.flatMap((name) => (broken(name) === undefined ? [] : [`${name} in bulk: "${broken(name)}".`])),
        ...(go.reason === undefined ? [] : [`Not measured: hashicorp/yamux in Go (${go.reason}).`]),
        'Not measured: `@chainsafe/libp2p-yamux`, which is not a dependency of this repository: its streams run only on connections of libp2p.',
      ],
    }
  },
}

const yamuxProgram = join(import.meta.dirname, '../yamux.ts')

async function buildGo(output: string): Promise<{ program?: string; reason?: string }> {
  if (spawnSync('which', ['go']).status !== 0) return { reason: 'no Go here; `apt-get install golang`' }
  try {
    const options = { cwd: GO_SOURCES, timeout: BUILD_DEADLINE_MS }
    await promisify(execFile)('go', ['build', '-o', output, '.'], options)
    return { program: output }
  } catch (error) {
    return {
      reason: `it does not build here: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`,
    }
  }
}

async function run<T>(program: string, args: string[]): Promise<T> {
  const { stdout } = await promisify(execFile)(program, args, { timeout: 120_000 })
  return JSON.parse(stdout) as T // our own programs
}
