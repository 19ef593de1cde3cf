// The agent: keeps its connections to the relay, for ever, and serves the streams that come through them. To the relay
// all of them are one agent with one set of tunnels; while one of them is online, so is the agent.
//
//   connecting --any connection is online--> online --none is--> waiting | connecting …
//        any --refused for good--> closed (with the error)      any --close()--> closing --> closed
//
// How one connection comes and goes stands in relay-connection.ts.

import { randomUUID } from 'node:crypto'
import { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import { getHeapStatistics } from 'node:v8'

import { BufferBudget, formatLabels, printable } from '@sallyport/protocol'
import type { ControlMessageInput, ProtocolError } from '@sallyport/protocol'

import { planAgent } from './agent-plan.ts'
import type { AgentOptions, AgentPlan } from './agent-plan.ts'
import { authorityOf, checkUpstream } from './check-upstream.ts'
import { prepareDial } from './dial-upstream.ts'
import type { Dial } from './dial-upstream.ts'
import { HealthChecker } from './health-checker.ts'
import type { HealthState } from './health-checker.ts'
import type { Log } from './log.ts'
import { isMisplaced, sessionsWanted } from './node-spread.ts'
import { RelayConnection } from './relay-connection.ts'
import type { ConnectionRoom } from './relay-connection.ts'
import { sayHello } from './say-hello.ts'
import { serveStream } from './serve-stream.ts'
import type { Served } from './serve-stream.ts'
import { bindMessage } from './tunnel-plan.ts'
import type { TunnelPlan } from './tunnel-plan.ts'

export type { AgentOptions, TunnelOptions } from './agent-plan.ts'
export { ConfigError } from '@sallyport/protocol/config-error'

/** Long enough for ordinary downloads, shorter than a supervisor's patience. */
const CLOSE_DEADLINE_MS = 30_000

export interface Notice {
  level: 'info' | 'warn'
  text: string
}

export interface TunnelStatus {
  name: string | undefined
  /** Empty where it has an endpoint of its own. */
  labels: string
  forwardsTo: string
  /** Public URLs; empty while offline, or where no edge of the relay selects this tunnel. */
  endpoints: readonly string[]
  /** What to register at the identity provider, where visitors of its endpoint sign in. */
  redirectUri?: string | undefined
  /** What the agent's own check of the app says; undefined where there is none. */
  health?: HealthState | undefined
}

export interface AgentStatus {
  state: 'connecting' | 'online' | 'waiting' | 'closing' | 'closed'
  /** The relay's URL. */
  relay: string
  relayVersion: string | undefined
  latencyMs: number | undefined
  tunnels: readonly TunnelStatus[]
  /** Connections to the relay: how many there are to be, and how many stand. */
  sessions: { wanted: number; online: number }
  /** Connections to the apps. */
  connections: { total: number; open: number }
  /** When the next attempt starts, while `waiting`. Milliseconds since the epoch. */
  retryAt: number | undefined
  notice: Notice | undefined
}

interface AgentEvents {
  /** The first session is open and every tunnel is bound, or the first one after none was. */
  online: [AgentStatus]
  /** The last session is lost, or an attempt failed while there is none; the next one starts after `retryInMs` or sooner. */
  offline: [{ error: ProtocolError; retryInMs: number }]
  notice: [Notice]
  /** One stream of the relay has ended. */
  served: [Served]
}

export interface StartOptions extends AgentOptions {
  log: Log
  /** What a test shortens. */
  handshakeDeadlineMs?: number | undefined
  random?: (() => number) | undefined
}

/**
 * Starts an agent. It connects by itself and stays connected until it is closed or refused for good.
 * @throws ConfigError that names everything wrong with `options`
 */
export function startAgent(options: StartOptions): Agent {
  return new Agent(planAgent(options), options)
}

export class Agent extends EventEmitter<AgentEvents> {
  /** Settles once: with the error when the relay refused for good, with undefined after close(). Never rejects. */
  readonly closed: Promise<ProtocolError | undefined>
  readonly #plan: AgentPlan
  readonly #log: Log
  readonly #instanceId = randomUUID()
  readonly #binds: ReadonlyMap<number, ControlMessageInput>
  readonly #dials: ReadonlyMap<number, Dial>
  /** By tunnel id, where the app is checked. */
  readonly #checkers = new Map<number, HealthChecker>()
  readonly #room: ConnectionRoom
  /** The first one, and once that is online all of them. */
  readonly #relayConnections: RelayConnection[] = []
  /** What was last told about those that could not connect. */
  /** Every node of the relay, as it last said. */
  #nodeIds: readonly string[] = []
  /** Numbers that sessions have, those that are being opened included. */
  readonly #indexes = new Set<number>()
  readonly #failures = new Map<RelayConnection, Notice>()
  readonly #stop = new AbortController()
  readonly #closed = Promise.withResolvers<ProtocolError | undefined>()
  readonly #connections = { total: 0, open: 0 }
  #state: AgentStatus['state'] = 'connecting'
  #notice: Notice | undefined
  #closing: Promise<void> | undefined
  /** The reason already logged for an app that does not answer, so that it is logged once. */
  #appDown: string | undefined

  constructor(plan: AgentPlan, options: StartOptions) {
    super()
    this.#plan = plan
    this.#log = options.log
    this.closed = this.#closed.promise
    this.#binds = new Map(plan.tunnels.map((tunnel, index) => [index + 1, bindMessage(index + 1, tunnel)]))
    this.#dials = new Map(
      plan.tunnels.map(({ upstream, upstreamTls, upstreamProtocol }, index) => [
        index + 1,
        prepareDial(upstream, upstreamTls, upstreamProtocol),
      ]),
    )
    for (const [index, tunnel] of plan.tunnels.entries()) this.#addChecker(index + 1, tunnel)
    this.#room = this.#makeRoom(options)
    // The first event may not come before the caller has had a chance to listen.
    queueMicrotask(() => {
      for (const warning of plan.warnings) this.#tell('warn', warning)
      if (plan.relay.inClear) {
        this.#tell(
          'warn',
          `${plan.relay.url} is not encrypted: the authtoken and all traffic cross the network in clear. Use https://.`,
        )
      }
      for (const checker of this.#checkers.values()) void checker.run()
      if (!this.#stop.signal.aborted) this.#launch(0)
    })
  }

  get status(): AgentStatus {
    const sessions = this.#relayConnections.flatMap(({ state, session }) =>
      state === 'online' && session ? session : [],
    )
    const [first] = sessions
    const retries = this.#relayConnections.flatMap(({ retryAt }) => retryAt ?? [])
    const latencies = sessions.flatMap(({ roundTripMs }) => roundTripMs ?? [])
    return {
      state: this.#state,
      relay: this.#plan.relay.url,
      relayVersion: first?.welcome?.relay_version,
      latencyMs: latencies.length > 0 ? Math.min(...latencies) : undefined,
      tunnels: this.#plan.tunnels.map(({ name, labels, upstream }, index) => ({
        name,
        labels: formatLabels(labels),
        forwardsTo: upstream.url,
        endpoints: first?.endpoints.get(index + 1) ?? [],
        redirectUri: first?.redirectUris.get(index + 1),
        health: this.#checkers.get(index + 1)?.state,
      })),
      sessions: { wanted: sessionsWanted(this.#plan.connections, this.#nodeIds), online: sessions.length },
      connections: { ...this.#connections },
      retryAt: this.#state === 'waiting' && retries.length > 0 ? Math.min(...retries) : undefined,
      notice: this.#notice,
    }
  }

  /** Leaves in order: nothing new is taken, what runs is finished within the deadline, then the sessions close. Idempotent. */
  close({ deadlineMs = CLOSE_DEADLINE_MS }: { deadlineMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(deadlineMs)
    return this.#closing
  }

  /** Ends at once, cutting what runs. */
  destroy(): void {
    this.#stop.abort()
    for (const connection of this.#relayConnections) connection.destroy()
    this.#finish()
  }

  async #close(deadlineMs: number): Promise<void> {
    if (this.#state === 'closed') return
    this.#state = 'closing'
    this.#log.info({ open: this.#connections.open }, 'closing')
    this.#stop.abort()
    await Promise.all(this.#relayConnections.map((connection) => connection.close(deadlineMs)))
    this.#finish()
  }

  #finish(error?: ProtocolError): void {
    // While closing, #close() has the last word: its sessions may still be finishing.
    const isFinishing = this.#relayConnections.some(({ isOpen }) => isOpen)
    if (this.#state === 'closed' || (this.#state === 'closing' && isFinishing && !error)) return
    this.#state = 'closed'
    this.#stop.abort()
    for (const checker of this.#checkers.values()) checker.close()
    for (const connection of this.#relayConnections) connection.destroy(error)
    this.#closed.resolve(error)
  }

  #makeRoom({ handshakeDeadlineMs, random }: StartOptions): ConnectionRoom {
    return {
      plan: this.#plan,
      log: this.#log,
      signal: this.#stop.signal,
      binds: this.#binds,
      handshakeDeadlineMs,
      random,
      hello: (connectionIndex) => sayHello(this.#instanceId, connectionIndex),
      takeIndex: () => {
        let index = 0
        while (this.#indexes.has(index)) index++
        this.#indexes.add(index)
        return index
      },
      releaseIndex: (index) => void this.#indexes.delete(index),
      isMisplaced: (connection, nodeId) => this.#isMisplaced(connection, nodeId),
      serve: (stream) => this.#serve(stream),
      budget: BufferBudget.ofHeap(getHeapStatistics().heap_size_limit),
      healthOf: (tunnelId) => this.#checkers.get(tunnelId)?.state,
      onConnected: (connection) => this.#onConnected(connection),
      onTurn: (connection, failure) => this.#onTurn(connection, failure),
      // The relay tells each connection; a person needs to hear it once.
      onNotice: (level, text) => {
        if (this.#plan.connections === 1 || this.#notice?.text !== text) this.#tell(level, text)
      },
    }
  }

  #addChecker(tunnelId: number, { health, upstream, upstreamProtocol, hostHeader }: TunnelPlan): void {
    const dial = this.#dials.get(tunnelId)
    if (!health || !dial) return
    const authority = authorityOf(upstream, hostHeader)
    const check = { dial, protocol: upstreamProtocol, authority, path: health.path }
    const checker = new HealthChecker(
      health,
      (signal) => checkUpstream(check, health.timeoutMs, signal),
      (state) => this.#onHealth(tunnelId, state),
    )
    this.#checkers.set(tunnelId, checker)
  }

  #onHealth(tunnelId: number, state: HealthState): void {
    for (const { sessions } of this.#relayConnections) {
      for (const session of sessions) session.reportHealth(tunnelId, state)
    }
    const { healthy, detail } = state
    this.#tell(healthy ? 'info' : 'warn', `The app is ${healthy ? 'healthy' : 'unhealthy'}: ${detail}.`)
  }

  /** One more connection. The first one's refusal for good is everyone's, so the others wait for it. */
  #launch(number: number): void {
    const connection = new RelayConnection(number, this.#room)
    this.#relayConnections.push(connection)
    void connection.run().then((error) => this.#finish(error))
  }

  #onTurn(connection: RelayConnection, failure?: { error: ProtocolError; retryInMs: number }): void {
    if (failure) {
      this.#notice = { level: 'warn', text: printable(failure.error.message) }
      this.#failures.set(connection, this.#notice)
    }
    if (this.#state === 'closing' || this.#state === 'closed') return
    const wasOnline = this.#state === 'online'
    this.#state = this.#mostHopeful()
    if (connection.state === 'online') this.#announce(connection, !wasOnline)
    else if (failure && this.#state !== 'online') this.emit('offline', failure)
  }

  /** One connection that is online carries everything; one that tries is better news than one that waits. */
  #mostHopeful(): 'online' | 'connecting' | 'waiting' {
    const states = this.#relayConnections.map(({ state }) => state)
    if (states.includes('online')) return 'online'
    return states.every((state) => state === 'waiting') ? 'waiting' : 'connecting'
  }

  /** What was told about the attempts before is over; the relay's own notices come from here on. */
  #onConnected(connection: RelayConnection): void {
    const failure = this.#failures.get(connection)
    this.#failures.delete(connection)
    if (this.#state !== 'online' || this.#notice === failure) this.#notice = undefined
  }

  #isMisplaced(connection: RelayConnection, nodeId: string): boolean {
    if (this.#plan.connections === 1) return false
    const others = this.#relayConnections.flatMap((other) =>
      other !== connection && other.state === 'online' ? (other.session?.welcome?.node_id ?? []) : [],
    )
    return isMisplaced(nodeId, others, this.#nodeIds)
  }

  #announce(connection: RelayConnection, isFirst: boolean): void {
    const { welcome } = connection.session ?? {}
    if (welcome) this.#nodeIds = welcome.nodes.map(({ node_id }) => node_id)
    this.#log.info(
      {
        relay: this.#plan.relay.url,
        connection: connection.number,
        sessionId: welcome?.session_id,
        nodeId: welcome?.node_id,
        relayVersion: welcome?.relay_version,
      },
      'connected',
    )
    const wanted = sessionsWanted(this.#plan.connections, this.#nodeIds)
    while (this.#relayConnections.length < wanted) this.#launch(this.#relayConnections.length)
    if (!isFirst) return
    for (const { name, labels, forwardsTo, endpoints, redirectUri } of this.status.tunnels) {
      const words = { ...(name && { name }), ...(labels && { labels }), forwardsTo, endpoints }
      this.#log.info({ ...words, ...(redirectUri && { redirectUri }) }, 'tunnel online')
    }
    this.emit('online', this.status)
  }

  async #serve(stream: Duplex): Promise<void> {
    const since = performance.now()
    this.#connections.total += 1
    this.#connections.open += 1
    try {
      const served = await serveStream(stream, (tunnelId) => this.#dials.get(tunnelId))
      this.#logServed(served, performance.now() - since)
      this.emit('served', served)
    } catch (error) {
      // Ours to mend, and told with its stack. It ends this stream and nothing else.
      this.#log.error({ err: error }, 'a stream could not be served')
      stream.destroy()
    } finally {
      this.#connections.open -= 1
    }
  }

  #logServed(served: Served, durationMs: number): void {
    if (this.#log.isLevelEnabled('debug')) {
      const visitor = printable(served.visitor ?? '')
      this.#log.debug({ ...served, visitor, durationMs: Math.round(durationMs) }, 'stream served')
    }
    if (served.ok) {
      if (this.#appDown !== undefined) this.#tell('info', 'The app answers again.')
      this.#appDown = undefined
      return
    }
    if (served.code === 'gone' || served.reason === this.#appDown) return
    this.#appDown = served.reason
    this.#tell('warn', `A visitor could not be served: ${served.reason}.`)
  }

  #tell(level: Notice['level'], text: string): void {
    this.#notice = { level, text }
    this.#log[level](text)
    this.emit('notice', this.#notice)
  }
}
