// The relay that the fuzzers attack, as a process of its own, so that a crash is an exit code and a stack; beside it an
// app of another tenant, who asks for it all the time and must never notice anything.

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

import { startAgent } from '@sallyport/agent'
import type { Agent, TunnelOptions } from '@sallyport/agent'
import { createLog } from '@sallyport/server'

import { ask } from '../support/ask.ts'
import { Processes } from '../support/processes.ts'
import type { RunningProcess } from '../support/running-process.ts'

const OTHER_HOST = 'other.localhost'
const OTHER_PAUSE_MS = 25
const SETTLE_MS = 200 // until a process that ends is known to have ended
const OTHER_DEADLINE_MS = 5000 // on a machine that is busy with other things
const STUCK_MS = 5000
const DRAIN_CUT = 'drain deadline passed, ending the rest'
const RETURN_DEADLINE_MS = 10_000
const RESIDENT_MAX_GROWTH_BYTES = 256 * 1024 * 1024 // garbage that may not be collected yet
const DESCRIPTORS_SLACK = 8

/** The metrics that are compared before and after. */
interface Level {
  sessions: number
  tunnels: number
  descriptors: number
  residentBytes: number
}

export interface FuzzedOptions {
  /** Hosts of the edges that are attacked; the edge `edg_<name>` is at `<name>.localhost`. */
  edges: readonly string[]
  /** The tunnels of the agent in this process. */
  tunnels: readonly TunnelOptions[]
}

export class RelayUnderFuzz {
  readonly port: number
  /** Permits everything. */
  authtoken = ''
  readonly #processes: Processes
  readonly #options: FuzzedOptions
  readonly #neighbour = createServer((_, response) => response.end('fine'))
  readonly #agents: Agent[] = []
  #relay: RunningProcess | undefined
  #seenLines = 0
  #before: Level | undefined
  #neighbourRuns = true
  #neighbourDone: Promise<void> | undefined
  #neighbourVisits = 0
  #neighbourProblem: string | undefined
  #isRestarting = false
  #isStuck = false
  #starts = 0

  static async start(options: FuzzedOptions): Promise<RelayUnderFuzz> {
    const one = new RelayUnderFuzz(await Processes.create(), options)
    try {
      await one.#start()
    } catch (error) {
      await one.#end()
      throw error
    }
    return one
  }

  private constructor(processes: Processes, options: FuzzedOptions) {
    this.#processes = processes
    this.#options = options
    this.port = processes.port
  }

  get isRunning(): boolean {
    return this.#relay?.isRunning ?? false
  }

  get neighbourVisits(): number {
    return this.#neighbourVisits
  }

  /** Resolves when the relay process that runs now has ended by itself. */
  get exited(): Promise<unknown> {
    return this.#processes.relay.exited
  }

  /** Starts a relay after a crash; resolves when all agents are online again. */
  async restart(): Promise<void> {
    this.#isRestarting = true
    this.#starts++
    this.#isStuck = false
    this.#seenLines = 0
    this.#relay = await this.#processes.restartRelay()
    for (const agent of this.#agents.splice(0)) agent.destroy() // they would wait before they come back
    await this.#startAgents()
    this.#neighbourProblem = undefined
    this.#before = await this.#level()
    this.#isRestarting = false
  }

  /** Ends a process that hangs. */
  async endIfStuck(): Promise<void> {
    if (!this.isRunning) return
    const isAlive = await fetch(`${this.#processes.adminUrl}/healthz`, { signal: AbortSignal.timeout(STUCK_MS) }).then(
      () => true,
      () => false, // no answer
    )
    if (isAlive || !this.isRunning) return
    this.#isStuck = true
    this.#relay!.kill('SIGKILL') // it runs
    await this.#relay!.exited
  }

  /** Why the process ended: the message and its stack. */
  get lastWords(): string {
    if (this.#isStuck) return 'it does nothing any more, and was killed'
    const fatal = this.#processes.relay.entries.findLast(({ msg }) => msg === 'uncaught exception')
    const { stack } = (fatal?.err ?? {}) as { stack?: string } // as pino writes errors
    return stack ? shorten(stack) : this.#processes.relay.tail
  }

  /** New problems since the last call, apart from the process itself: faults of the relay in its log, and the neighbour's. */
  takeProblems(): string[] {
    const { lines } = this.#processes.relay
    const fresh = lines.slice(this.#seenLines)
    this.#seenLines = lines.length
    const mistakes = fresh.filter(isMistake).map((line) => `the log says: ${shortenLine(line)}`)
    const neighbour = this.#neighbourProblem
    this.#neighbourProblem = undefined
    return neighbour === undefined ? mistakes : [...mistakes, neighbour]
  }

  /**
   * Everything that the cases have taken must come back: tunnels, sessions, descriptors, memory, and every exchange, or
   * agents and relay could not leave in order.
   * @returns what did not
   */
  async comesBack(): Promise<string[]> {
    const problems: string[] = []
    const before = this.#before!
    const deadline = Date.now() + RETURN_DEADLINE_MS
    let now = await this.#level()
    const isBack = (): boolean =>
      now.sessions === before.sessions &&
      now.tunnels === before.tunnels &&
      now.descriptors <= before.descriptors + DESCRIPTORS_SLACK
    while (!isBack() && Date.now() < deadline) {
      await pause(100)
      now = await this.#level()
    }
    if (!isBack()) problems.push(`does not come back: ${JSON.stringify({ before, now })}`)
    if (now.residentBytes > before.residentBytes + RESIDENT_MAX_GROWTH_BYTES) {
      problems.push(`memory has grown from ${before.residentBytes} to ${now.residentBytes} bytes`)
    }
    // An agent leaves when the last stream of its tunnels has ended, the relay when the last exchange has.
    for (const agent of this.#agents.slice(1)) {
      if (!(await inTime(agent.close()))) problems.push('an agent cannot leave: a stream of its tunnels is still open')
    }
    await this.#stopNeighbour()
    problems.push(...this.takeProblems())
    const relay = this.#relay!
    relay.kill('SIGTERM')
    if (!(await inTime(relay.exited))) problems.push('the relay cannot leave')
    else if ((await relay.exited).code !== 0) problems.push(`the relay does not leave in order\n${relay.tail}`)
    if (relay.entries.some(({ msg }) => msg === DRAIN_CUT)) problems.push('an exchange of the relay has no end')
    return problems
  }

  async close(): Promise<void> {
    await this.#end()
  }

  async #start(): Promise<void> {
    this.#neighbour.listen(0, '127.0.0.1')
    await once(this.#neighbour, 'listening')
    this.#relay = await this.#processes.startRelay({
      edges: [
        { id: 'edg_other', hosts: [OTHER_HOST] },
        ...this.#options.edges.map((name) => ({ id: `edg_${name}`, hosts: [`${name}.localhost`] })),
      ],
      config: {
        listen: { http: `127.0.0.1:${this.port}`, admin: '127.0.0.1:0', http2: 'all' },
        timeouts: { idle_stream_seconds: 1, request_stall_seconds: 3, app_answer_seconds: 3, app_stall_seconds: 3, visitor_stall_seconds: 3, upgrade_idle_seconds: 3, request_head_seconds: 3, agent_handshake_seconds: 3, drain_seconds: 5 }, // prettier-ignore
        log: { level: 'info', format: 'json', access: false },
      },
    })
    this.authtoken = await this.#processes.createAuthtoken()
    await this.#startAgents()
    this.#before = await this.#level()
    this.#neighbourDone = this.#visitNeighbour()
  }

  async #startAgents(): Promise<void> {
    const { port } = this.#neighbour.address() as AddressInfo // it listens on a port
    await this.#addAgent([{ upstream: `http://127.0.0.1:${port}`, labels: ['edge=edg_other'] }])
    if (this.#options.tunnels.length > 0) await this.#addAgent(this.#options.tunnels)
  }

  async #addAgent(tunnels: readonly TunnelOptions[]): Promise<void> {
    const agent = startAgent({
      server: `http://127.0.0.1:${this.port}`,
      authtoken: this.authtoken,
      log: createLog({ level: 'silent' }),
      tunnels,
    })
    this.#agents.push(agent)
    if (agent.status.state !== 'online') await once(agent, 'online')
  }

  /** The other tenant's visitor, one request after the other. */
  async #visitNeighbour(): Promise<void> {
    while (this.#neighbourRuns) {
      const began = performance.now()
      const starts = this.#starts
      const wasRestarting = this.#isRestarting
      let problem: string | undefined
      try {
        const timer = Promise.withResolvers<never>()
        const timeout = setTimeout(() => timer.reject(new Error('no answer')), OTHER_DEADLINE_MS)
        const answer = await Promise.race([ask(this.port, { host: OTHER_HOST }), timer.promise])
        clearTimeout(timeout)
        if (answer.status !== 200 || answer.body !== 'fine') problem = `gets ${answer.status} ${answer.body}`
      } catch (error) {
        problem = `gets no answer: ${String(error)}`
      }
      this.#neighbourVisits++
      const took = performance.now() - began
      if (problem !== undefined) await pause(SETTLE_MS)
      // While a crashed relay is replaced no visitor can be served; the crash itself is reported.
      if (problem !== undefined && this.isRunning && !wasRestarting && starts === this.#starts && !this.#isStuck) {
        this.#neighbourProblem ??= `another tenant's visitor ${problem} (${Math.round(took)} ms)`
      }
      await pause(OTHER_PAUSE_MS)
    }
  }

  async #stopNeighbour(): Promise<void> {
    this.#neighbourRuns = false
    await this.#neighbourDone
  }

  async #level(): Promise<Level> {
    const text = await (await fetch(`${this.#processes.adminUrl}/metrics`)).text()
    const read = (name: string): number => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? 0)
    return {
      sessions: read('sallyport_tunnel_sessions'),
      tunnels: read('sallyport_tunnels'),
      descriptors: read('process_open_fds'),
      residentBytes: read('process_resident_memory_bytes'),
    }
  }

  async #end(): Promise<void> {
    await this.#stopNeighbour()
    for (const agent of this.#agents) agent.destroy()
    this.#neighbour.close()
    this.#neighbour.closeAllConnections()
    await this.#processes.close()
  }
}

/** A line that says that the relay itself was at fault: no input from outside may cause one. */
function isMistake(line: string): boolean {
  if (line.includes('"uncaught exception"')) return false // reported as the end of the process
  return /"level":(?:50|60),|"code":"ERR_INTERNAL"/.test(line) || (!line.startsWith('{') && /Error|Warning/.test(line))
}

function shortenLine(line: string): string {
  if (!line.startsWith('{')) return line
  const { msg, path, detail, err, code } = JSON.parse(line) as Record<string, unknown> // our own relay's line
  const stack = (err as { stack?: string } | undefined)?.stack // as pino writes errors
  return JSON.stringify({ msg, path, code, detail }) + (stack ? `\n      ${shorten(stack)}` : '')
}

/** The message, and the places that are ours or the first. */
function shorten(stack: string): string {
  const lines = stack.split('\n').map((line) => line.trim().replace(/file:\S*\/packages\//, 'packages/'))
  const places = lines.filter((line) => line.startsWith('at '))
  const message = lines.slice(0, lines.indexOf(places[0] ?? '')).join(' ')
  const ours = places.filter((line) => /packages\//.test(line)).slice(0, 3)
  return [message, ...new Set([...places.slice(0, 4), ...ours])].join('\n      ')
}

async function inTime(done: Promise<unknown>): Promise<boolean> {
  const timer = Promise.withResolvers<false>()
  const timeout = setTimeout(() => timer.resolve(false), RETURN_DEADLINE_MS)
  const isDone = await Promise.race([done.then(() => true), timer.promise])
  clearTimeout(timeout)
  return isDone
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
