// The agent: keeps one tunnel session with the relay, for ever, and serves the streams that come through it.
//
//   connecting --session opens--> online --lost--> waiting --backoff--> connecting …
//        any --refused for good--> closed (with the error)      any --close()--> closing --> closed
//
// When the relay drains, the next session is opened while the old one finishes what runs on it.

import { randomUUID } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { arch, platform, release } from 'node:os'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

import { PROTOCOL_VERSION, ProtocolError, formatLabels } from '@sallyport/protocol'
import type { ControlMessageInput } from '@sallyport/protocol'

import { AGENT_VERSION } from './agent-version.ts'
import { planAgent } from './agent-plan.ts'
import type { AgentOptions, AgentPlan } from './agent-plan.ts'
import { Backoff } from './backoff.ts'
import { checkUpstream } from './check-upstream.ts'
import { connectRelay } from './connect.ts'
import { prepareDial } from './dial-upstream.ts'
import type { Dial } from './dial-upstream.ts'
import { HealthChecker } from './health-checker.ts'
import type { HealthState } from './health-checker.ts'
import type { Log } from './log.ts'
import { printable } from './printable.ts'
import { serveStream } from './serve-stream.ts'
import type { Served } from './serve-stream.ts'
import { Session } from './session.ts'
import { bindMessage } from './tunnel-plan.ts'
import type { TunnelPlan } from './tunnel-plan.ts'

export type { AgentOptions, TunnelOptions } from './agent-plan.ts'
export { ConfigError } from './config-error.ts'

/** A session that lived this long shows that the relay is well: the next wait is a short one again. */
const STABLE_MS = 10_000
/** Long enough for ordinary downloads, shorter than a supervisor's patience. */
const CLOSE_DEADLINE_MS = 30_000

export interface Notice {
  level: 'info' | 'warn'
  text: string
}

export interface TunnelStatus {
  name: string | undefined
  labels: string
  forwardsTo: string
  /** Public URLs; empty while offline, or where no edge of the relay selects this tunnel. */
  endpoints: readonly string[]
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
  connections: { total: number; open: number }
  /** When the next attempt starts, while `waiting`. Milliseconds since the epoch. */
  retryAt: number | undefined
  notice: Notice | undefined
}

interface AgentEvents {
  /** A session is open and every tunnel is bound. */
  online: [AgentStatus]
  /** The session is lost or an attempt failed; the next attempt starts after `retryInMs`. */
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
  readonly #options: StartOptions
  readonly #log: Log
  readonly #instanceId = randomUUID()
  readonly #binds: ReadonlyMap<number, ControlMessageInput>
  readonly #dials: ReadonlyMap<number, Dial>
  /** By tunnel id, where the app is checked. */
  readonly #checkers = new Map<number, HealthChecker>()
  /** By connection index: the current one, and older ones that finish what runs on them. */
  readonly #sessions = new Map<number, Session>()
  readonly #stop = new AbortController()
  readonly #closed = Promise.withResolvers<ProtocolError | undefined>()
  readonly #connections = { total: 0, open: 0 }
  readonly #backoff: Backoff
  #current: Session | undefined
  #state: AgentStatus['state'] = 'connecting'
  #retryAt: number | undefined
  #notice: Notice | undefined
  #closing: Promise<void> | undefined
  /** The reason already logged for an app that does not answer, so that it is logged once. */
  #appDown: string | undefined

  constructor(plan: AgentPlan, options: StartOptions) {
    super()
    this.#plan = plan
    this.#options = options
    this.#log = options.log
    this.#backoff = new Backoff(options.random)
    this.closed = this.#closed.promise
    this.#binds = new Map(plan.tunnels.map((tunnel, index) => [index + 1, bindMessage(index + 1, tunnel)]))
    this.#dials = new Map(
      plan.tunnels.map(({ upstream, upstreamTls, upstreamProtocol }, index) => [
        index + 1,
        prepareDial(upstream, upstreamTls, upstreamProtocol),
      ]),
    )
    for (const [index, tunnel] of plan.tunnels.entries()) this.#addChecker(index + 1, tunnel)
    // The first event may not come before the caller has had a chance to listen.
    queueMicrotask(() => {
      if (plan.relay.inClear) {
        this.#tell(
          'warn',
          `${plan.relay.url} is not encrypted: the authtoken and all traffic cross the network in clear. Use https://.`,
        )
      }
      for (const checker of this.#checkers.values()) void checker.run()
      void this.#run().then((error) => this.#finish(error))
    })
  }

  get status(): AgentStatus {
    const current = this.#current
    return {
      state: this.#state,
      relay: this.#plan.relay.url,
      relayVersion: current?.welcome?.relay_version,
      latencyMs: current?.roundTripMs,
      tunnels: this.#plan.tunnels.map(({ name, labels, upstream }, index) => ({
        name,
        labels: formatLabels(labels),
        forwardsTo: upstream.url,
        endpoints: current?.endpoints.get(index + 1) ?? [],
        health: this.#checkers.get(index + 1)?.state,
      })),
      connections: { ...this.#connections },
      retryAt: this.#retryAt,
      notice: this.#notice,
    }
  }

  /** Leaves in order: nothing new is taken, what runs is finished within the deadline, then the session closes. Idempotent. */
  close({ deadlineMs = CLOSE_DEADLINE_MS }: { deadlineMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(deadlineMs)
    return this.#closing
  }

  /** Ends at once, cutting what runs. */
  destroy(): void {
    this.#stop.abort()
    for (const session of this.#sessions.values()) session.destroy()
    this.#finish()
  }

  async #close(deadlineMs: number): Promise<void> {
    if (this.#state === 'closed') return
    this.#state = 'closing'
    this.#log.info({ open: this.#connections.open }, 'closing')
    this.#stop.abort()
    await Promise.all([...this.#sessions.values()].map((session) => session.close(deadlineMs)))
    this.#finish()
  }

  #finish(error?: ProtocolError): void {
    // While closing, #close() has the last word: its sessions may still be finishing.
    if (this.#state === 'closed' || (this.#state === 'closing' && this.#sessions.size > 0 && !error)) return
    this.#state = 'closed'
    for (const checker of this.#checkers.values()) checker.close()
    this.#current = undefined
    this.#retryAt = undefined
    for (const session of this.#sessions.values()) session.destroy(error)
    this.#closed.resolve(error)
  }

  #addChecker(tunnelId: number, { health, upstream, upstreamProtocol, hostHeader }: TunnelPlan): void {
    const dial = this.#dials.get(tunnelId)
    if (!health || !dial) return
    const isNamed = hostHeader !== 'preserve' && hostHeader !== 'rewrite'
    const authority = isNamed ? hostHeader : upstream.authority
    const check = { dial, protocol: upstreamProtocol, authority, path: health.path }
    const checker = new HealthChecker(
      health,
      (signal) => checkUpstream(check, health.timeoutMs, signal),
      (state) => this.#onHealth(tunnelId, state),
    )
    this.#checkers.set(tunnelId, checker)
  }

  #onHealth(tunnelId: number, state: HealthState): void {
    for (const session of this.#sessions.values()) session.reportHealth(tunnelId, state)
    const { healthy, detail } = state
    this.#tell(healthy ? 'info' : 'warn', `The app is ${healthy ? 'healthy' : 'unhealthy'}: ${detail}.`)
  }

  /** Attempt after attempt. Returns the error that ends the agent for good, or undefined once it is told to stop. */
  async #run(): Promise<ProtocolError | undefined> {
    const { signal } = this.#stop
    let followsDrain = false
    while (!signal.aborted) {
      this.#turn('connecting')
      const attempt = await this.#attempt()
      if (signal.aborted) return undefined
      if ('error' in attempt) {
        if (!attempt.error.retryable) return attempt.error
        followsDrain = false
        await this.#wait(attempt.error, attempt.retryAfterMs)
        continue
      }
      const { session } = attempt
      const since = performance.now()
      this.#announce(session)
      await session.leaving
      if (signal.aborted) return undefined
      const lasted = performance.now() - since
      if (lasted > STABLE_MS) this.#backoff.reset()

      // A relay that drains each new session at once must not be dialled in a tight loop.
      if (session.isOpen && !(followsDrain && lasted < STABLE_MS)) {
        followsDrain = true
        this.#tell('info', 'The relay is going away; connecting anew while running connections finish.')
        continue
      }
      followsDrain = false
      const error = session.isOpen ? new ProtocolError('draining') : await session.closed
      if (error && !error.retryable) return error
      await this.#wait(error ?? new ProtocolError('connection_lost', 'the relay ended the session'))
    }
    return undefined
  }

  /** One dial and one handshake. */
  async #attempt(): Promise<{ session: Session } | { error: ProtocolError; retryAfterMs?: number }> {
    const { relay, authtoken, ca, proxy } = this.#plan
    const { signal } = this.#stop
    this.#log.debug({ relay: relay.url, ...(proxy ? { proxy: proxy.host } : {}) }, 'connecting')
    const { handshakeDeadlineMs } = this.#options
    const connected = await connectRelay({ relay, authtoken, ca, proxy, signal, handshakeDeadlineMs })
    if (!connected.ok) return connected
    // What was told about the attempts before is over; the relay's own notices come from here on.
    this.#notice = undefined
    const connectionIndex = this.#freeIndex()
    try {
      const session = await Session.open({
        socket: connected.socket,
        hello: {
          type: 'hello',
          versions: [PROTOCOL_VERSION],
          instance_id: this.#instanceId,
          connection_index: connectionIndex,
          capabilities: [],
          agent_version: AGENT_VERSION,
          os: `${platform()} ${release()} ${arch()}`.slice(0, 128),
        },
        binds: this.#binds,
        serve: (stream) => this.#serve(stream),
        healthOf: (tunnelId) => this.#checkers.get(tunnelId)?.state,
        onNotice: (level, text) => this.#tell(level, text),
        signal,
        openDeadlineMs: handshakeDeadlineMs,
      })
      this.#sessions.set(connectionIndex, session)
      void session.closed.then(() => {
        this.#sessions.delete(connectionIndex)
        if (this.#current === session) this.#current = undefined
      })
      return { session }
    } catch (error) {
      if (error instanceof ProtocolError) return { error }
      throw error
    }
  }

  /** Tells the sessions of this agent apart; one that is draining keeps its own index. */
  #freeIndex(): number {
    let index = 0
    while (this.#sessions.has(index)) index += 1
    return index
  }

  #announce(session: Session): void {
    this.#current = session
    this.#turn('online')
    const { welcome } = session
    this.#log.info(
      {
        relay: this.#plan.relay.url,
        sessionId: welcome?.session_id,
        nodeId: welcome?.node_id,
        relayVersion: welcome?.relay_version,
      },
      'connected',
    )
    for (const { name, labels, forwardsTo, endpoints } of this.status.tunnels) {
      this.#log.info({ ...(name ? { name } : {}), labels, forwardsTo, endpoints }, 'tunnel online')
    }
    this.emit('online', this.status)
  }

  async #wait(error: ProtocolError, retryAfterMs = 0): Promise<void> {
    const retryInMs = Math.max(this.#backoff.next(), retryAfterMs)
    this.#turn('waiting')
    this.#retryAt = Date.now() + retryInMs
    // The reason of a WebSocket's close is the relay's own text.
    const reason = printable(error.message)
    this.#notice = { level: 'warn', text: reason }
    this.#log.warn({ code: error.code, reason, retryInMs }, 'not connected')
    this.emit('offline', { error, retryInMs })
    try {
      await sleep(retryInMs, undefined, { signal: this.#stop.signal })
    } catch {
      // Closing: the loop above looks at the signal itself.
    }
  }

  async #serve(stream: Duplex): Promise<void> {
    const since = performance.now()
    this.#connections.total += 1
    this.#connections.open += 1
    const served = await serveStream(stream, (tunnelId) => this.#dials.get(tunnelId))
    this.#connections.open -= 1
    this.#logServed(served, performance.now() - since)
    this.emit('served', served)
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

  #turn(state: 'connecting' | 'online' | 'waiting'): void {
    if (this.#state === 'closing' || this.#state === 'closed') return
    this.#state = state
    this.#retryAt = undefined
  }
}
