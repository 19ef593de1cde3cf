// The cost of the access line: one relay, under load, whose lines are on in one second and off in the next.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

import { startAgent } from '@sallyport/agent'
import { pino } from 'pino'

import { wrk } from '../load/wrk.ts'
import { count, fixed } from '../report/markdown.ts'
import { betterMedian, medianOf } from '../rounds.ts'
import type { Scenario } from '../scenario.ts'
import { SMALL_PATH } from '../testbed.ts'

const CONNECTIONS = 50
const WARM_SECONDS = 5 // until V8 has compiled the hot code
const PAIRS_A_ROUND = 4
const ON = 'info'
const OFF = 'warn'

interface Measured {
  requestsPerSecond: number
  microseconds: number
}

/** A relay as bench/access-relay.ts starts it. */
interface SwitchedRelay {
  port: number
  authtoken: string
  /** Returns the microseconds of CPU since the last switch. */
  readonly switchTo: (level: typeof ON | typeof OFF) => Promise<number>
}

export const accessLine: Scenario = {
  name: 'access-line',
  title: 'The access line',
  isCore: false,
  method: ({ rounds, seconds }) =>
    `As small requests at ${CONNECTIONS} connections, through one relay whose lines are on for ${seconds} s and off for ${seconds} s, ${rounds * PAIRS_A_ROUND} times, the first
of a pair in turns; as JSON into a file. (Processes of one program differ by more than a line costs, so two relays beside each
other say nothing.) CPU is that of the relay, all threads and the kernel. "More" is the median of the differences within a pair.`,
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
      const load = (seconds: number): ReturnType<typeof wrk> =>
        wrk(`http://127.0.0.1:${port}${SMALL_PATH}`, {
          headers: { Host: 'app.localhost' },
          connections: CONNECTIONS,
          seconds,
        })
      const measure = async (level: typeof ON | typeof OFF): Promise<Measured> => {
        await switchTo(level)
        const { errors, requests, requestsPerSecond } = await load(plan.seconds)
        const microseconds = await switchTo(level)
        if (errors > 0) throw new Error(`${errors} requests failed`)
        return { requestsPerSecond, microseconds: microseconds / requests }
      }
      if (!plan.isQuick) await load(WARM_SECONDS)
      const on: Measured[] = []
      const off: Measured[] = []
      for (let pair = 0; pair < plan.rounds * PAIRS_A_ROUND; pair++) {
        if (pair % 2 === 0) off.push(await measure(OFF))
        on.push(await measure(ON))
        if (pair % 2 === 1) off.push(await measure(OFF))
      }
      agent.destroy()
      const more = medianOf(
        on.map(({ microseconds }, pair) => microseconds - (off[pair]?.microseconds ?? Number.NaN)),
        (difference) => difference,
      )
      const row = (name: string, measured: Measured[], last: string): string[] => [
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
            rows: [row('without the line', off, ''), row('with the line', on, fixed(more, 1))],
          },
        ],
        figures: { 'sallyport: CPU of the access line': more },
        notes: [],
      }
    })
  },
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
    const switchTo = async (level: string): Promise<number> => {
      child.stdin!.write(`${level}\n`) // as above
      return Number(await said())
    }
    return await use({ port: Number(port), authtoken, switchTo })
  } finally {
    child.kill()
    await exited
    await log.close()
    await rm(folder, { recursive: true })
  }
}
