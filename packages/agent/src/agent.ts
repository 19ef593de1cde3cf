// The agent: keeps its connections to the relay without end, and serves the streams that come through them. To the
// relay they are one agent with one set of tunnels; the agent is online while one of them is.
//
//   connecting --any connection is online--> online --none is--> waiting | connecting …
//        any --refused for good--> closed (with the error)      any --close()--> closing --> closed
// relay-connection.ts has the life of one connection.

import { randomUUID } from 'node:crypto'
import { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import { getHeapStatistics } from 'node:v8'

import type { ConfigProblem } from '@sallyport/protocol/config-error'
import { BufferBudget, formatLabels, printable } from '@sallyport/protocol'
import type { ControlMessageInput, ProtocolError } from '@sallyport/protocol'

import type { AgentStatus, TunnelStatus } from './report/agent-status.ts'
import { planAgent } from './plan/agent-plan.ts'
import type { AgentPlan } from './plan/agent-plan.ts'
import { authorityOf, checkUpstream } from './app/check-upstream.ts'
import { prepareDial } from './app/dial-upstream.ts'
import type { Dial } from './app/dial-upstream.ts'
import { HealthChecker } from './app/health-checker.ts'
import type { HealthState } from './app/health-checker.ts'
import type { Log } from './log.ts'
import { isMisplaced, sessionsWanted } from './relay/node-spread.ts'
import type { AgentOptions, PolicyText } from './plan/agent-options.ts'
import { readPolicyFile } from './plan/policy-file.ts'
import type { Environment } from './plan/proxy.ts'
import { LivePolicy } from './relay/live-policy.ts'
import { RelayConnection } from './relay/relay-connection.ts'
import type { ConnectionParts } from './relay/relay-connection.ts'
import { sayHello } from './relay/say-hello.ts'
import { serveStream } from './app/serve-stream.ts'
import type { Served, Watch } from './app/serve-stream.ts'
import type { Session } from './relay/session.ts'
import { bindMessage } from './plan/tunnel-plan.ts'
import type { TunnelPlan } from './plan/tunnel-plan.ts'
import { Messages } from './report/messages.ts'
import type { Notice } from './report/messages.ts'
import type { RecentRequests } from './report/recent-requests.ts'

export type { AgentOptions, EndpointOptions, PolicyText, TunnelOptions } from './plan/agent-options.ts'
export type { AgentStatus, TunnelStatus } from './report/agent-status.ts'
export type { Log } from './log.ts'
export { ConfigError } from '@sallyport/protocol/config-error'

/** Long enough for ordinary downloads, shorter than a supervisor's patience. */
const CLOSE_DEADLINE_MS = 30_000

// Notes for the person at the terminal.
const FAILED = 'connection failed'
const RELAY_SAID = 'relay said'
const LEAVING = 'relay leaves'
const LEAVING_TEXT = 'The relay is going away; connecting again while running connections finish.'

const NOT_BOUND = { endpoints: [], redirectUri: undefined, edges: [] } as const

interface AgentEvents {
  /** The first session is open and every tunnel is bound, or the first one after none was. */
  online: [AgentStatus]
  /**
   * The last session is lost, or an attempt failed without any session; the next starts after `retryInMs` or sooner.
   */
  offline: [{ error: ProtocolError; retryInMs: number }]
  notice: [Notice]
  /** The relay has changed an endpoint, because its agents have asked for another policy. */
  changed: [AgentStatus]
  /** One stream of the relay has ended. */
  served: [Served]
}

export interface StartOptions extends AgentOptions {
  log: Log
  /** The list of requests for the view. */
  requests?: RecentRequests | undefined
  /** A test shortens these. */
  handshakeDeadlineMs?: number | undefined
  random?: (() => number) | undefined
}

/**
 * Starts an agent. It connects by itself and stays connected until it is closed or finally refused.
 * @throws ConfigError with every problem of `options`
 */
export function startAgent(options: StartOptions): Agent {
  return new Agent(planAgent(options), options)
}

export class Agent extends EventEmitter<AgentEvents> {
  /** Settles once: with the error after a final refusal of the relay, with undefined after close(). Never rejects. */
  readonly closed: Promise<ProtocolError | undefined>
  readonly #plan: AgentPlan
  readonly #log: Log
  readonly #instanceId = randomUUID()
  readonly #binds: Map<number, ControlMessageInput>
  /** The policy of the first tunnel that has an endpoint. */
  readonly #policy: LivePolicy | undefined
  readonly #environment: Environment
  readonly #secrets: AgentOptions['secrets']
  readonly #dials: ReadonlyMap<number, Dial>
  /** By tunnel id, for tunnels whose app is checked. */
  readonly #checkers = new Map<number, HealthChecker>()
  readonly #parts: ConnectionParts
  /** The first one, and once that is online all of them. */
  readonly #relayConnections: RelayConnection[] = []
  /** Every node of the relay, as it last said. */
  #nodeIds: readonly string[] = []
  /** Numbers of sessions, including sessions that are being opened. */
  readonly #indexes = new Set<number>()
  readonly #stop = new AbortController()
  readonly #closed = Promise.withResolvers<ProtocolError | undefined>()
  readonly #connections = { total: 0, open: 0 }
  #state: AgentStatus['state'] = 'connecting'
  readonly #messages = new Messages()
  readonly #requests: RecentRequests | undefined
  readonly #watch: Watch | undefined
  /** The relay's last word on each tunnel, by its number. */
  readonly #bound = new Map<number, Pick<TunnelStatus, 'endpoints' | 'redirectUri' | 'edges'>>()
  /** The remarks of the relay that the person has been shown already. */
  readonly #remarks = new Set<string>()
  #relayVersion: string | undefined
  #closing: Promise<void> | undefined
  /** By tunnel: the logged reason why its app does not answer, so that it is logged once. */
  readonly #appsDown = new Map<number, string>()

  /** Use `startAgent`. @internal */
  constructor(plan: AgentPlan, options: StartOptions) {
    super()
    this.#plan = plan
    this.#log = options.log
    const { requests } = options
    this.#requests = requests
    this.#watch = requests && ((stream, app) => requests.watch(stream, app))
    this.closed = this.#closed.promise
    this.#binds = new Map(plan.tunnels.map((tunnel, index) => [index + 1, bindMessage(index + 1, tunnel)]))
    this.#dials = new Map(
      plan.tunnels.map(({ upstream, upstreamTls, upstreamProtocol }, index) => [
        index + 1,
        prepareDial(upstream, upstreamTls, upstreamProtocol),
      ]),
    )
    for (const [index, tunnel] of plan.tunnels.entries()) this.#addChecker(index + 1, tunnel)
    this.#environment = options.environment ?? {}
    this.#secrets = options.secrets
    this.#policy = this.#makePolicy()
    this.#parts = this.#makeParts(options)
    // The first event may not come before the caller has had a chance to listen.
    queueMicrotask(() => {
      for (const warning of plan.warnings) this.#tell(`warning ${warning}`, 'warn', warning)
      if (plan.relay.inClear) {
        this.#tell(
          'warning: in clear',
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
    const retries = this.#relayConnections.flatMap(({ retryAt }) => retryAt ?? [])
    const latencies = sessions.flatMap(({ roundTripMs }) => roundTripMs ?? [])
    return {
      state: this.#state,
      relay: this.#plan.relay.url,
      relayVersion: this.#relayVersion,
      latencyMs: latencies.length > 0 ? Math.min(...latencies) : undefined,
      tunnels: this.#plan.tunnels.map(({ name, labels, upstream, endpoint }, index) => ({
        name,
        labels: formatLabels(labels),
        forwardsTo: upstream.url,
        ...(this.#bound.get(index + 1) ?? NOT_BOUND),
        visitors: endpoint?.visitors,
        health: this.#checkers.get(index + 1)?.state,
      })),
      sessions: { wanted: sessionsWanted(this.#plan.connections, this.#nodeIds), online: sessions.length },
      connections: { ...this.#connections },
      requests: this.#requests && { total: this.#requests.total, last: this.#requests.last },
      retryAt: this.#state === 'waiting' && retries.length > 0 ? Math.min(...retries) : undefined,
      messages: this.#messages.at(Date.now()),
    }
  }

  /**
   * Replaces the policy of the endpoint without ending its tunnels. The relay may refuse the new one.
   * @throws ConfigError with every problem that the text alone shows
   */
  changePolicy(text: PolicyText): void {
    this.#policy?.change({ ...readPolicyFile(text, this.#environment, this.#secrets), source: text.source })
  }

  /** Tells the person why a changed policy is not used. */
  keepPolicy(source: string, problems: readonly ConfigProblem[]): void {
    this.#policy?.keep(source, problems)
  }

  /**
   * Leaves in order: takes nothing new, finishes open streams within the deadline, then closes the sessions.
   * Idempotent.
   */
  close({ deadlineMs = CLOSE_DEADLINE_MS }: { deadlineMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(deadlineMs)
    return this.#closing
  }

  /** Ends at once and cuts open streams. */
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

  #makeParts({ handshakeDeadlineMs, random }: StartOptions): ConnectionParts {
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
      policy: this.#policy,
      placeOf: (tunnelId, path) => this.#placeOf(tunnelId, path),
      onConnected: (connection) => this.#onConnected(connection),
      onTurn: (connection, failure) => this.#onTurn(connection, failure),
      // The relay tells each connection; the person needs to read it once.
      onNotice: (level, text) => {
        const isKnown = this.#messages.at(Date.now()).some((message) => message.text === text)
        if (this.#plan.connections === 1 || !isKnown) this.#tell(`${RELAY_SAID} ${text}`, level, text)
      },
      onBound: (session) => {
        this.#remember(session)
        this.emit('changed', this.status)
      },
      onLeaving: () => this.#tell(LEAVING, 'info', LEAVING_TEXT),
    }
  }

  #placeOf(tunnelId: number, path: readonly (string | number)[]): string {
    if (this.#policy?.tunnelId === tunnelId) return this.#policy.placeOf(path)
    return this.#plan.tunnels[tunnelId - 1]?.endpoint?.placeOf(path) ?? path.join('.')
  }

  #makePolicy(): LivePolicy | undefined {
    const [tunnelId] = [...this.#binds].find(([, bind]) => bind.type === 'bind' && bind.url !== undefined) ?? []
    if (tunnelId === undefined) return undefined
    return new LivePolicy({
      tunnelId,
      binds: this.#binds,
      placeOf: (path) => this.#plan.tunnels[tunnelId - 1]?.endpoint?.placeOf(path) ?? path.join('.'),
      sessions: () => this.#relayConnections.flatMap(({ sessions }) => [...sessions]),
      tell: (level, text) => this.#tell('policy', level, text),
    })
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
    const text = `The app is ${healthy ? 'healthy' : 'unhealthy'}: ${detail}.`
    this.#tell(`health ${tunnelId}`, healthy ? 'well' : 'warn', text)
  }

  /** One more connection. A final refusal of the first one counts for all, so the others wait for it. */
  #launch(number: number): void {
    const connection = new RelayConnection(number, this.#parts)
    this.#relayConnections.push(connection)
    void connection.run().then((error) => this.#finish(error))
  }

  #onTurn(connection: RelayConnection, failure?: { error: ProtocolError; retryInMs: number }): void {
    if (failure) {
      const notice: Notice = { level: 'warn', text: printable(failure.error.message) }
      this.#messages.say(`${FAILED} ${connection.number}`, notice, Date.now())
      this.#messages.drop(LEAVING) // it has gone
    }
    if (this.#state === 'closing' || this.#state === 'closed') return
    const wasOnline = this.#state === 'online'
    this.#state = this.#mostHopeful()
    if (connection.state === 'online') this.#announce(connection, !wasOnline)
    else if (failure && this.#state !== 'online') this.emit('offline', failure)
  }

  /** One connection online carries everything; otherwise one that is connecting says more than one that waits. */
  #mostHopeful(): 'online' | 'connecting' | 'waiting' {
    const states = this.#relayConnections.map(({ state }) => state)
    if (states.includes('online')) return 'online'
    return states.every((state) => state === 'waiting') ? 'waiting' : 'connecting'
  }

  /** Takes back the messages about earlier attempts; the relay's own notices come from here on. */
  #onConnected(connection: RelayConnection): void {
    this.#messages.drop(`${FAILED} ${connection.number}`)
    if (this.#state === 'online') return
    this.#messages.dropAll(FAILED)
    this.#messages.dropAll(RELAY_SAID)
  }

  #isMisplaced(connection: RelayConnection, nodeId: string): boolean {
    if (this.#plan.connections === 1) return false
    const others = this.#relayConnections.flatMap((other) =>
      other !== connection && other.state === 'online' ? (other.session?.welcome?.node_id ?? []) : [],
    )
    return isMisplaced(nodeId, others, this.#nodeIds)
  }

  #announce(connection: RelayConnection, isFirst: boolean): void {
    const { session } = connection
    if (session) this.#remember(session)
    this.#messages.drop(LEAVING)
    const { welcome } = session ?? {}
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
    for (const { name, labels, forwardsTo, endpoints, edges = [], redirectUri } of this.status.tunnels) {
      const words = { ...(name && { name }), ...(labels && { labels }), forwardsTo, endpoints }
      const edgeIds = edges.map(({ id }) => id)
      const more = { ...(edgeIds.length > 0 && { edgeIds }), ...(redirectUri && { redirectUri }) }
      this.#log.info({ ...words, ...more }, 'tunnel online')
    }
    this.emit('online', this.status)
  }

  #remember({ welcome, endpoints, redirectUris, edges, remarks }: Session): void {
    this.#relayVersion = welcome?.relay_version
    for (const remark of remarks) {
      if (this.#remarks.has(remark)) continue // the relay says so again after each reconnect
      this.#remarks.add(remark)
      this.#tell(`remark ${remark}`, 'warn', remark)
    }
    for (const [tunnelId, urls] of endpoints) {
      this.#bound.set(tunnelId, {
        endpoints: urls,
        redirectUri: redirectUris.get(tunnelId),
        edges: edges.get(tunnelId) ?? [],
      })
    }
  }

  async #serve(stream: Duplex): Promise<void> {
    const since = performance.now()
    this.#connections.total += 1
    this.#connections.open += 1
    try {
      const served = await serveStream(stream, (tunnelId) => this.#dials.get(tunnelId), this.#watch)
      this.#logServed(served, performance.now() - since)
      this.emit('served', served)
    } catch (error) {
      // A fault of ours, logged with its stack. It ends only this stream.
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
    // A stream that names no tunnel of this agent counts as one.
    const tunnelId = this.#dials.has(served.tunnelId ?? 0) ? (served.tunnelId ?? 0) : 0
    const known = this.#appsDown.get(tunnelId)
    if (served.ok) {
      if (known === undefined) return
      this.#appsDown.delete(tunnelId)
      return this.#tell(`app ${tunnelId}`, 'well', 'The app answers again.')
    }
    if (served.code === 'gone' || served.reason === known) return
    this.#appsDown.set(tunnelId, served.reason)
    this.#tell(`app ${tunnelId}`, 'warn', `A visitor could not be served: ${served.reason}.`)
  }

  /** @param level `well` is information that is shown only for a while */
  #tell(matter: string, level: Notice['level'] | 'well', text: string): void {
    const notice: Notice = { level: level === 'well' ? 'info' : level, text }
    if (level === 'well') this.#messages.sayForAWhile(matter, notice, Date.now())
    else this.#messages.say(matter, notice, Date.now())
    this.#log[notice.level](text)
    this.emit('notice', notice)
  }
}
