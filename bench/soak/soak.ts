// Behaviour while processes are restarted and killed: a steady 2 000 requests/s, GET and POST in turn, through four
// agents. Run: node bench/soak/soak.ts [--minutes 10] [--rate 2000] [--only NAME] [--write]
// Prints a table; with --write it also goes to docs/reliability.md, below its heading. Exits with 1 if it finds a
// problem.

import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createReadStream, openSync, readFileSync, readSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'

import { endChild, freePort, start } from '../processes.ts'
import { OpenLoop } from './open-loop.ts'
import type { Asked } from './open-loop.ts'

const root = join(import.meta.dirname, '../..')
const RELAY = join(root, 'packages/server/src/main.ts')
const AGENT = join(root, 'packages/agent/src/main.ts')

const HEADING = '## Restarts and crashes under load'
const AGENTS = 4
const CONNECTIONS = 400
const HOST = 'app.localhost'

const { values: flags } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    rate: { type: 'string', default: '2000' },
    only: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
})

interface Scenario {
  name: string
  what: string
  /** One event; called again `everyMs` after it began, or when it has ended. */
  everyMs: number
  event: (count: number) => Promise<void>
  /** The problems of a run. */
  judge: (result: Result) => string[]
}

interface Result {
  scenario: Scenario
  seconds: number
  events: number
  load: OpenLoop
  /** Failed requests by their failure. */
  kinds: Map<string, number>
  /** Failed requests that had begun on an agent that was killed. */
  begunOnKilled: number
  postsTwice: number
}

const folder = await mkdtemp(join(tmpdir(), 'sallyport-soak-'))
const logFile = join(folder, 'relay.log')
const configFile = join(folder, 'relay.yml')
const [relayPort, adminPort] = [await freePort(), await freePort()]
const publicUrl = `http://localhost:${relayPort}`
const children = new Set<ChildProcess>()
const agents: ChildProcess[] = []
/** Names of agents that were killed; each start has a new name. */
const killed = new Set<string>()
const names = new Map<ChildProcess, string>()
const logReader = openSync(logFile, 'a+')
const log = { offset: 0, started: 0, owners: new Set<string>() }
let relay: ChildProcess
let app: Awaited<ReturnType<typeof start>> | undefined
let appPort = 0
let token = ''
let starts = 0

const scenarios: Scenario[] = [
  {
    name: 'agents restart',
    what: 'one agent is told to stop (SIGTERM) and started again, every second, in turn',
    everyMs: 1000,
    event: async (count) => {
      const index = count % AGENTS
      const leaving = agents[index]!
      leaving.kill('SIGTERM')
      agents[index] = await startAgent()
    },
    judge: ({ load, postsTwice }) => [
      ...(load.failed.length > 0 ? [`${load.failed.length} requests failed`] : []),
      ...(postsTwice > 0 ? [`${postsTwice} POSTs were sent twice`] : []),
    ],
  },
  {
    name: 'agents die',
    what: 'one agent is killed (SIGKILL) every two seconds, in turn, and started again',
    everyMs: 2000,
    event: async (count) => {
      const index = count % AGENTS
      const dying = agents[index]!
      killed.add(names.get(dying)!)
      dying.kill('SIGKILL')
      agents[index] = await startAgent()
    },
    judge: ({ load, postsTwice, begunOnKilled }) => [
      ...(begunOnKilled < load.failed.length
        ? [`${load.failed.length - begunOnKilled} requests failed that had not begun on a killed agent`]
        : []),
      ...(postsTwice > 0 ? [`${postsTwice} POSTs were sent twice`] : []),
    ],
  },
  {
    name: 'relay restarts',
    what: 'the relay is told to stop (SIGTERM) and started again when it has ended, every twenty seconds',
    everyMs: 20_000, // an agent's backoff starts again after a session of ten seconds
    event: async () => {
      const gone = once(relay, 'exit')
      relay.kill('SIGTERM')
      await gone
      relay = await startRelay()
      await agentsOnline()
    },
    judge: ({ kinds, postsTwice }) => [
      ...((kinds.get('cut') ?? 0) > 0 ? [`${kinds.get('cut')} requests in flight were cut`] : []),
      ...(postsTwice > 0 ? [`${postsTwice} POSTs were sent twice`] : []),
    ],
  },
]

try {
  await main()
} catch (error) {
  console.error(error)
  process.exitCode = 1
} finally {
  await Promise.all([...children].map(endChild))
  await app?.end()
  await rm(folder, { recursive: true, force: true })
}

async function main(): Promise<void> {
  app = await start('app', [join(root, 'bench/soak/app.ts')], (line) => line.startsWith('{'))
  appPort = (JSON.parse(app.readyLine) as { port: number }).port // printed by our own app
  writeFileSync(
    configFile,
    JSON.stringify({
      domain: 'localhost',
      public_url: publicUrl,
      listen: { http: `127.0.0.1:${relayPort}`, admin: `127.0.0.1:${adminPort}` },
      store: 'sqlite:relay.db',
      log: { level: 'info', format: 'json' },
      limits: { visitor_connections_per_address: CONNECTIONS * 2 },
      edges: [{ id: 'edg_app', hosts: [HOST] }],
    }),
  )
  relay = await startRelay()
  token = execFileSync(process.execPath, [RELAY, 'authtoken', 'create', '--config', configFile], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim()
  for (let count = 0; count < AGENTS; count++) agents.push(await startAgent())

  const chosen = scenarios.filter(({ name }) => flags.only === undefined || name === flags.only)
  const results: Result[] = []
  for (const scenario of chosen) {
    results.push(await run(scenario, (Number(flags.minutes) * 60) / chosen.length))
    process.stderr.write(`${scenario.name}: done, load average ${loadavg()[0]?.toFixed(1)}\n`)
  }
  const text = report(results)
  console.log(text)
  const problems = results.flatMap((result) =>
    result.scenario.judge(result).map((problem) => `${result.scenario.name}: ${problem}`),
  )
  for (const problem of problems) console.log(`✘ ${problem}`)
  if (problems.length > 0) process.exitCode = 1
  if (flags.write) writeMeasured(join(root, 'docs/reliability.md'), measured(text, problems))
}

async function run(scenario: Scenario, seconds: number): Promise<Result> {
  const load = new OpenLoop({
    port: relayPort,
    host: HOST,
    requestsPerSecond: Number(flags.rate),
    connections: CONNECTIONS,
    prefix: scenario.name.replaceAll(' ', '-'),
  })
  const until = performance.now() + seconds * 1000
  await pause(1000)
  let events = 0
  while (performance.now() < until) {
    const next = performance.now() + scenario.everyMs
    await scenario.event(events++)
    if (next > performance.now()) await pause(next - performance.now())
  }
  await load.stop()
  const counts = (await (await fetch(`http://127.0.0.1:${appPort}/counts`)).json()) as { POST: string[] } // our own app
  const kinds = new Map<string, number>()
  for (const each of load.failed) kinds.set(kindOf(each), (kinds.get(kindOf(each)) ?? 0) + 1)
  return {
    scenario,
    seconds,
    events,
    load,
    kinds,
    begunOnKilled: await countBegunOnKilled(load.failed),
    postsTwice: counts.POST.length,
  }
}

/** Reads the relay's log for the tunnel and the agent of each failed request. */
async function countBegunOnKilled(failed: readonly Asked[]): Promise<number> {
  const paths = new Set(failed.map(({ path }) => path))
  if (paths.size === 0) return 0
  const owners = new Map<unknown, unknown>()
  const tunnels = new Map<unknown, unknown>()
  for await (const line of createInterface({ input: createReadStream(logFile) })) {
    if (line.includes('"tunnel online"')) {
      const entry = JSON.parse(line) as Record<string, unknown> // the relay's own log
      owners.set(entry.tunnelId, entry.metadata)
    } else if (line.includes('"exchange"')) {
      const path = /"path":"([^"]+)"/.exec(line)?.[1]
      if (path !== undefined && paths.has(path)) tunnels.set(path, /"tunnelId":"([^"]+)"/.exec(line)?.[1])
    }
  }
  return [...paths].filter((path) => killed.has(String(owners.get(tunnels.get(path))))).length
}

async function startRelay(): Promise<ChildProcess> {
  const since = log.started
  const child = launch([RELAY, 'start', '--config', configFile], openSync(logFile, 'a'), {})
  await until(() => look().started > since, child)
  return child
}

async function startAgent(): Promise<ChildProcess> {
  const name = `agent-${++starts}`
  const args = ['tunnel', '--label', 'edge=edg_app', '--metadata', name, `http://127.0.0.1:${appPort}`]
  const child = launch([AGENT, ...args], 'ignore', {
    SALLYPORT_AUTHTOKEN: token,
    SALLYPORT_SERVER: publicUrl,
    XDG_CONFIG_HOME: folder,
  })
  names.set(child, name)
  await until(() => look().owners.has(name), child)
  return child
}

/** After the relay has come back: every agent has found it. */
async function agentsOnline(): Promise<void> {
  const wanted = agents.map((agent) => names.get(agent)!)
  for (const name of wanted) await until(() => look().owners.has(name), relay)
}

function launch(args: string[], stdout: number | 'ignore', env: NodeJS.ProcessEnv): ChildProcess {
  const child = spawn(process.execPath, args, { stdio: ['ignore', stdout, 'ignore'], env: { ...process.env, ...env } })
  children.add(child)
  child.once('exit', () => children.delete(child))
  return child
}

/** Reads further in the relay's log: the agents that have come online since the present relay has started. */
function look(): typeof log {
  const chunk = Buffer.allocUnsafe(1024 * 1024)
  for (;;) {
    const bytes = readSync(logReader, chunk, 0, chunk.length, log.offset)
    const end = chunk.subarray(0, bytes).lastIndexOf(0x0a) + 1
    if (end === 0) return log
    log.offset += end
    for (const line of chunk.toString('utf8', 0, end).split('\n')) {
      if (line.includes('"relay started"')) {
        log.started++
        log.owners.clear()
      } else if (line.includes('"tunnel online"')) {
        log.owners.add(String((JSON.parse(line) as Record<string, unknown>).metadata)) // the relay's own log
      }
    }
  }
}

async function until(isSo: () => boolean, child: ChildProcess): Promise<void> {
  const deadline = performance.now() + 30_000
  while (!isSo()) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${child.spawnargs.join(' ')} ended`)
    if (performance.now() > deadline) throw new Error(`${child.spawnargs.join(' ')} is not ready after 30 s`)
    await pause(25)
  }
}

function kindOf({ outcome, status }: Asked): string {
  return outcome === 'answered' ? `HTTP ${status}` : outcome
}

function report(results: readonly Result[]): string {
  const rows = results.map(({ scenario, seconds, events, load, kinds, begunOnKilled, postsTwice }) => {
    const sorted = load.latenciesMs.toSorted((a, b) => a - b)
    const at = (part: number): string => sorted[Math.floor((sorted.length - 1) * part)]?.toFixed(1) ?? '-'
    const failed = [...kinds].map(([kind, count]) => `${count} ${kind}`).join(', ') || '0'
    const begun = scenario.name === 'agents die' ? String(begunOnKilled) : '-'
    return `| ${scenario.name} | ${Math.round(seconds)} | ${events} | ${load.asked} | ${failed} | ${begun} | ${postsTwice} | ${at(0.5)} | ${at(0.99)} | ${at(1)} |`
  })
  return [
    '| | seconds | events | requests | failed | of them begun on a killed agent | POSTs seen twice | p50 ms | p99 ms | worst ms |',
    '| --- | ---: | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |',
    ...rows,
  ].join('\n')
}

/** The text above the heading is written by people. */
function writeMeasured(path: string, section: string): void {
  const before = readFileSync(path, 'utf8').split(HEADING, 1)
  writeFileSync(path, `${before.join('')}${section}`)
}

function measured(table: string, problems: readonly string[]): string {
  const what = scenarios.map(({ name, what: words }) => `- **${name}**: ${words}.`).join('\n')
  const verdict = problems.length === 0 ? 'No problem was found.' : problems.map((each) => `- ${each}`).join('\n')
  return `${HEADING}

Written by \`node bench/soak/soak.ts --write\`. A steady ${flags.rate} requests/s, GET and POST in turn, each with an id of its own,
over kept-alive connections, through one relay and ${AGENTS} agents to an app that counts the ids and takes 3 ms. Requests start
on schedule, whatever happens: latency counts from the scheduled time. ${cpus().length} × ${cpus()[0]?.model.trim()}, Node.js ${process.version};
load, relay, agents and app share these cores, so does each process that starts, and the load average was ${loadavg()[1]?.toFixed(1)} at
the end.

${what}

${table}

Kinds of failures: \`cut\` is a request in flight whose connection ended; \`stale\` a request sent on an idle connection
that the relay had just closed; \`refused\` a request that came while no relay was listening; \`HTTP 502\` a request that had
begun on an agent that died; \`HTTP 503\` a request that came to the new relay before an agent had connected.

${verdict}
`
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
