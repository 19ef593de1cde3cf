// `npm run bench`: the cost of requests and bytes through Sallyport, beside reverse proxies without a tunnel and beside
// other tunnels. Runs scenarios, keeps their findings in docs/performance.json, and writes the page from all kept
// findings.

import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

import { NOT_STARTED } from './competitors.ts'
import { chart } from './report/chart.ts'
import { markdownOf } from './report/markdown.ts'
import { figuresOf, page, stepsText } from './report/page.ts'
import type { Kept, Results } from './report/page.ts'
import type { Plan, Scenario } from './scenario.ts'
import { accessLine } from './scenarios/access-line.ts'
import { addedLatency } from './scenarios/added-latency.ts'
import { besideADownload } from './scenarios/beside-a-download.ts'
import { bulk } from './scenarios/bulk.ts'
import { compression } from './scenarios/compression.ts'
import { http2 } from './scenarios/http2.ts'
import { idleAgents } from './scenarios/idle-agents.ts'
import { longLink } from './scenarios/long-link.ts'
import { manyEdges } from './scenarios/many-edges.ts'
import { mux } from './scenarios/mux.ts'
import { narrowLink } from './scenarios/narrow-link.ts'
import { newConnections } from './scenarios/new-connections.ts'
import { parallelDownloads } from './scenarios/parallel-downloads.ts'
import { policies } from './scenarios/policies.ts'
import { smallRequests } from './scenarios/small-requests.ts'
import { steps } from './scenarios/steps.ts'
import { Testbed } from './testbed.ts'

/** In the order of the page. */
const SCENARIOS: readonly Scenario[] = [
  smallRequests,
  newConnections,
  http2,
  addedLatency,
  bulk,
  parallelDownloads,
  besideADownload,
  narrowLink,
  longLink,
  idleAgents,
  accessLine,
  policies,
  compression,
  manyEdges,
  mux,
  steps,
]
const NEEDS = { nginx: 'apt-get install nginx', wrk: 'apt-get install wrk', curl: 'apt-get install curl' }
const BYTE_PAGE = 'how-a-byte-travels.md'
const MARKERS = ['<!-- written by npm run bench -- --scenario steps -->\n', '<!-- end -->'] as const

const USAGE = `npm run bench -- [--all | --scenario NAME…] [--rounds N] [--seconds N]

Measures Sallyport beside nginx and the tunnels that are installed, and writes docs/performance.md.
Leave the machine alone meanwhile.

  --all             every scenario (twenty minutes); without it, those marked (core) in --list
  --scenario NAME   only this one; may be repeated
  --list            the names of the scenarios
  --rounds N        how often each chain takes its turn (3)
  --seconds N       how long a turn is (2)
  --ours            only direct, nginx and Sallyport: a quick look after a change. Nothing is written
  --quick           whether everything works: one short round of everything. Nothing is written
  --out FOLDER      where the page goes (docs)

  npm run bench -- --scenario small-requests --rounds 8 --seconds 1`

// nginx, haproxy and sshd are in folders that only root's PATH has.
process.env.PATH = `${process.env.PATH}:/usr/sbin`

const flags = readFlags()

if (flags.help) {
  console.log(USAGE)
} else if (flags.list) {
  for (const { name, title, isCore } of SCENARIOS) console.log(`${name.padEnd(20)} ${title}${isCore ? ' (core)' : ''}`)
} else {
  process.exitCode = await main()
}

function readFlags() {
  try {
    return parseArgs({
      options: {
        help: { type: 'boolean', short: 'h', default: false },
        all: { type: 'boolean', default: false },
        scenario: { type: 'string', multiple: true },
        rounds: { type: 'string', default: '3' },
        seconds: { type: 'string', default: '2' },
        ours: { type: 'boolean', default: false },
        quick: { type: 'boolean', default: false },
        list: { type: 'boolean', default: false },
        out: { type: 'string', default: join(import.meta.dirname, '../docs') },
      },
    }).values
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`)
    process.exit(2)
  }
}

async function main(): Promise<number> {
  const unknown = flags.scenario?.find((wanted) => !SCENARIOS.some(({ name }) => name === wanted))
  const lacking =
    unknown === undefined ? lackOf(NEEDS) : `There is no scenario ${unknown}; --list shows which there are.`
  if (lacking !== undefined) {
    console.error(lacking)
    return 2
  }
  const plan: Plan = flags.quick
    ? { rounds: 1, seconds: 1, isQuick: true }
    : { rounds: Number(flags.rounds), seconds: Number(flags.seconds), isQuick: false }
  const wanted = SCENARIOS.filter(
    ({ name, isCore }) => flags.scenario?.includes(name) ?? (flags.all || flags.quick || isCore),
  )
  const bed = await Testbed.create(flags.ours ? [] : undefined)
  const end = (): void => void bed.close().then(() => process.exit(1))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, end)
  try {
    return await runAll(wanted, bed, plan)
  } finally {
    await bed.close()
  }
}

async function runAll(wanted: readonly Scenario[], bed: Testbed, plan: Plan): Promise<number> {
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim()}, Node.js ${process.version}, Linux`
  let failures = 0
  for (const scenario of wanted) {
    const lacking = lackOf(scenario.needs ?? {}) ?? scenario.lack?.()
    if (lacking !== undefined) {
      console.log(`\n${scenario.title}: not measured. ${lacking}`)
      continue
    }
    console.log(`\n${scenario.title}`)
    const [loadBefore = 0] = loadavg()
    const started = performance.now()
    try {
      const findings = await scenario.run(bed, plan)
      for (const table of findings.tables) console.log(`\n${markdownOf(table)}`)
      for (const note of findings.notes) console.log(note)
      console.log(`(${((performance.now() - started) / 1000).toFixed(0)} s)`)
      // After each scenario, so that a later one that fails loses nothing.
      const measuredAt = new Date().toISOString().slice(0, 10)
      if (!plan.isQuick && !flags.ours)
        keep(scenario.name, { measuredAt, machine, loadBefore, plan, findings }, bed.notMeasured)
    } catch (error) {
      failures++
      console.error(`${scenario.name} failed:`, error)
    }
  }
  return failures === 0 ? 0 : 1
}

/** Adds the findings of a scenario to the kept ones, and writes the pages again. */
function keep(name: string, kept: Kept, notStartedHere: readonly string[]): void {
  const file = join(flags.out, 'performance.json')
  const before = existsSync(file)
    ? (JSON.parse(readFileSync(file, 'utf8')) as { results: Results; notMeasured: string[] }) // written below
    : { results: {}, notMeasured: [] }
  const results: Results = { ...before.results, [name]: kept }
  const notMeasured = notStartedHere.length > 0 ? [...notStartedHere, ...NOT_STARTED] : before.notMeasured
  writeFileSync(file, `${JSON.stringify({ results, notMeasured }, undefined, 1)}\n`)
  writeFileSync(join(flags.out, 'performance.md'), page(results, SCENARIOS, notMeasured))
  writeFileSync(join(flags.out, 'performance.svg'), chart(figuresOf(results)))
  if (name === steps.name) writeSteps(kept)
}

function writeSteps(kept: Kept): void {
  const file = join(flags.out, BYTE_PAGE)
  if (!existsSync(file)) return // --out names another place
  const text = readFileSync(file, 'utf8')
  const [from, until] = [text.indexOf(MARKERS[0]), text.indexOf(MARKERS[1])]
  if (from === -1 || until < from) throw new Error(`${file} has lost its markers`)
  const before = text.slice(0, from + MARKERS[0].length)
  writeFileSync(file, `${before}\n${stepsText(kept)}\n\n${text.slice(until)}`)
}

function lackOf(needs: Readonly<Record<string, string>>): string | undefined {
  const lacking = Object.entries(needs).find(([tool]) => spawnSync('which', [tool]).status !== 0)
  return lacking && `It needs ${lacking[0]}: ${lacking[1]}`
}
