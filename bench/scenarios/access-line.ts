// The cost of the access line: one relay, under steady load, whose lines are on for a moment and off for the next.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

import { startAgent } from '@sallyport/agent'
import { pino } from 'pino'

import { wrk } from '../load/wrk.ts'
import { count, fixed } from '../report/markdown.ts'
import { betterMedian, medianBounds, medianOf } from '../rounds.ts'
import type { Findings, Plan, Scenario } from '../scenario.ts'
import { SMALL_PATH } from '../testbed.ts'

const CONNECTIONS = 50
const WARM_SECONDS = 5 // until V8 has compiled the hot code
const SLICE_MS = 250 // long enough for some garbage collections, short enough that the machine hardly changes from one to the next
const PAIRS_A_SECOND = 1000 / (2 * SLICE_MS)
const SECONDS_A_ROUND = 8 // of load for each second of the plan
const START_SECONDS = 1 // of wrk and its connections
const ON = 'info'
const OFF = 'warn'

interface Measured {
  requestsPerSecond: number
  microseconds: number
}

interface Spent {
  microseconds: number
  requests: number
  ms: number
}

/** A relay as bench/access-relay.ts starts it. */
interface SwitchedRelay {
  port: number
  authtoken: string
  /** Returns the work of the relay since the last switch. */
  readonly switchTo: (level: typeof ON | typeof OFF) => Promise<Spent>
}

export const accessLine: Scenario = {
  name: 'access-line',
  title: 'The access line',
  isCore: false,
  method: (plan) =>
    `As small requests at ${CONNECTIONS} connections, through one relay whose lines are on for ${SLICE_MS} ms and off for ${SLICE_MS} ms, ${plan.rounds * pairsOf(plan)} times, the first
of a pair in turns, while wrk keeps running; as JSON into a file. (Two relays beside each other differ by more than the cost of a
line, so comparing them would say nothing.) CPU is the relay's, all threads and the kernel. "More" is the median of the differences
within a pair, and the range in which this median lies with 95 % certainty: other work on the machine makes it wide.`,
  async run(bed, plan) {
    const { nginxPort } = await bed.apps()
    return withSwitchedRelay(async ({ port, authtoken, switchTo }) => {
      const agent = startAgent({
        server: `http://127.0.0.1:${port}`,
        authtoken,
        log: pino({ level: 'silent' }),
        tunnels: [{ upstream: `http://127.0.0.1:${nginxPort}`, labels: ['edge=edg_app'] }],
      })
      await once(agent, 'online')
      const load = async (seconds: number): Promise<void> => {
        const { errors } = await wrk(`http://127.0.0.1:${port}${SMALL_PATH}`, {
          headers: { Host: 'app.localhost' },
          connections: CONNECTIONS,
          seconds,
        })
        if (errors > 0) throw new Error(`${errors} requests failed`)
      }
      const measure = async (level: typeof ON | typeof OFF): Promise<Measured> => {
        await switchTo(level)
        await sleep(SLICE_MS)
        const { microseconds, requests, ms } = await switchTo(OFF)
        return { requestsPerSecond: requests / (ms / 1000), microseconds: microseconds / requests }
      }
      if (!plan.isQuick) await load(WARM_SECONDS)
      const on: Measured[] = []
      const off: Measured[] = []
      const measurePairs = async (): Promise<void> => {
        await sleep(START_SECONDS * 1000)
        for (let pair = 0; pair < pairsOf(plan); pair++) {
          if (pair % 2 === 0) off.push(await measure(OFF))
          on.push(await measure(ON))
          if (pair % 2 === 1) off.push(await measure(OFF))
        }
      }
      for (let round = 0; round < plan.rounds; round++) {
        // The last second is for slices that took longer.
        await Promise.all([load(START_SECONDS + plan.seconds * SECONDS_A_ROUND + 1), measurePairs()])
      }
      agent.destroy()
      return findingsOf(on, off)
    })
  },
}

function pairsOf({ seconds }: Plan): number {
  return seconds * SECONDS_A_ROUND * PAIRS_A_SECOND
}

function findingsOf(on: readonly Measured[], off: readonly Measured[]): Findings {
  const differences = on.map(({ microseconds }, pair) => microseconds - (off[pair]?.microseconds ?? Number.NaN))
  const more = medianOf(differences, (difference) => difference)
  const { low, high } = medianBounds(differences)
  const row = (name: string, measured: readonly Measured[], last: string): string[] => [
    name,
    count(betterMedian(measured, (each) => each.requestsPerSecond)),
    fixed(
      medianOf(measured, (each) => each.microseconds),
      1,
    ),
    last,
  ]
  return {
    tables: [
      {
        head: ['relay', 'requests/s', 'CPU per request, µs', 'more, µs'],
        rows: [
          row('without the line', off, ''),
          row('with the line', on, `${fixed(more, 1)} (${fixed(low, 1)} to ${fixed(high, 1)})`),
        ],
      },
    ],
    figures: { 'sallyport: CPU of the access line': more },
    notes: [],
  }
}

async function withSwitchedRelay<Result>(use: (relay: SwitchedRelay) => Promise<Result>): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-access-'))
  const file = join(folder, 'relay.yml')
  await writeFile(
    file,
    `domain: localhost
public_url: http://relay.localhost
listen: { http: "127.0.0.1:0", admin: "127.0.0.1:0" }
store: sqlite:relay.db
edges: [{ id: edg_app, hosts: [app.localhost] }]
`,
  )
  const log = await open(join(folder, 'relay.log'), 'w')
  const child = spawn(process.execPath, [join(import.meta.dirname, '../access-relay.ts'), file], {
    stdio: ['pipe', log.fd, 'pipe'],
  })
  const exited = once(child, 'exit')
  try {
    const lines = createInterface({ input: child.stderr! })[Symbol.asyncIterator]() // a pipe, as asked for
    const said = async (): Promise<string> => {
      const { value, done } = await lines.next()
      if (done) throw new Error('bench/access-relay.ts has ended by itself')
      return String(value)
    }
    const [port, authtoken = ''] = (await said()).split(' ')
    const switchTo = async (level: string): Promise<Spent> => {
      child.stdin!.write(`${level}\n`) // as above
      const [microseconds, requests, ms] = (await said()).split(' ').map(Number)
      return { microseconds: microseconds!, requests: requests!, ms: ms! } // access-relay.ts writes three numbers
    }
    return await use({ port: Number(port), authtoken, switchTo })
  } finally {
    child.kill()
    await exited
    await log.close()
    await rm(folder, { recursive: true })
  }
}
