// One of an agent's connections to the relay: dials, opens a session, and starts again when that is lost, without end.
//
//   connecting --session opens--> online --lost--> waiting --backoff--> connecting …
//        any --refused for good--> run() gives the error      any --signal--> run() ends
// When the relay drains, the next session is opened while the old one finishes its streams. The same happens if the
// session has reached a node of the relay with enough of the agent's sessions: it serves there until a dial reaches a
// better node. Each connection has its own backoff.

import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

import { ProtocolError, printable } from '@sallyport/protocol'
import type { BufferBudget } from '@sallyport/protocol'

import type { AgentPlan } from '../plan/agent-plan.ts'
import { Backoff } from './backoff.ts'
import { connectRelay } from './connect.ts'
import type { HealthState } from '../app/health-checker.ts'
import type { Log } from '../log.ts'
import type { LivePolicy } from './live-policy.ts'
import { Session } from './session.ts'
import type { SessionOptions } from './session.ts'

/** A session that lived this long shows that the relay is well: the next wait is short again. */
const STABLE_MS = 10_000
/** Between two dials at a relay that says it is stopping: it is well, and its successor will be there soon. */
const DRAINING_LONGEST_MS = 5000
/** Between two dials for a better node: short at first, then as long as after a lost session. */
const SEEK_FIRST_MS = 50
const SEEK_LAST_MS = 30_000
const SEEKS_IN_HASTE = 8
/** For the streams of a session that is left for a better node. */
const MOVE_DEADLINE_MS = 30_000

/** The state that all connections of an agent share. */
export interface ConnectionParts {
  readonly plan: Pick<AgentPlan, 'relay' | 'authtoken' | 'ca' | 'proxy'>
  readonly log: Log
  /** Ends every attempt and every wait. */
  readonly signal: AbortSignal
  readonly binds: SessionOptions['binds']
  hello(connectionIndex: number): SessionOptions['hello']
  /** Numbers the sessions of the agent; draining ones keep their number. */
  takeIndex(): number
  releaseIndex(connectionIndex: number): void
  /** Whether a session of this connection would do more good at another node of the relay. */
  isMisplaced(connection: RelayConnection, nodeId: string): boolean
  serve(stream: Duplex): Promise<unknown>
  /** How much their sessions may hold together for slow apps. */
  readonly budget: BufferBudget
  healthOf(tunnelId: number): HealthState | undefined
  /** As SessionOptions have it. */
  placeOf(tunnelId: number, path: readonly (string | number)[]): string
  /** The policy that may change while the agent runs. */
  readonly policy: LivePolicy | undefined
  /** The relay has answered a change. */
  onBound(session: Session): void
  /** A WebSocket is open; its session is being opened. */
  onConnected(connection: RelayConnection): void
  /** The state has changed to `online`, `connecting`, or, with the reason, `waiting`. */
  onTurn(connection: RelayConnection, failure?: { error: ProtocolError; retryInMs: number }): void
  /** The relay is stopping; a new session is opened while the old one finishes its streams. */
  onLeaving(): void
  onNotice(level: 'info' | 'warn', text: string): void
  /** A test shortens these. */
  readonly handshakeDeadlineMs?: number | undefined
  readonly random?: (() => number) | undefined
}

export class RelayConnection {
  /** 0 for the first. */
  readonly number: number
  readonly #parts: ConnectionParts
  readonly #backoff: Backoff
  /** The current session, and older ones that finish their streams. */
  readonly #sessions = new Set<Session>()
  #current: Session | undefined
  #state: 'idle' | 'connecting' | 'online' | 'waiting' = 'idle'
  #retryAt: number | undefined

  constructor(number: number, parts: ConnectionParts) {
    this.number = number
    this.#parts = parts
    this.#backoff = new Backoff(parts.random)
  }

  get state(): 'idle' | 'connecting' | 'online' | 'waiting' {
    return this.#state
  }

  /** The session that visitors come through; undefined once it is gone. */
  get session(): Session | undefined {
    return this.#current
  }

  /** All sessions that still serve, including those that the relay has asked to leave. */
  get sessions(): Iterable<Session> {
    return this.#sessions
  }

  get isOpen(): boolean {
    return this.#sessions.size > 0
  }

  /** When the next attempt starts, while `waiting`. Milliseconds since the epoch. */
  get retryAt(): number | undefined {
    return this.#retryAt
  }

  /** Attempt after attempt. Returns the error that ends the agent, or undefined once the signal stops it. */
  async run(): Promise<ProtocolError | undefined> {
    const { signal } = this.#parts
    let followsDrain = false
    while (!signal.aborted) {
      this.#turn('connecting')
      const attempt = await this.#attempt()
      if (signal.aborted) return undefined
      if ('error' in attempt) {
        if (!attempt.error.retryable && !this.#parts.policy?.takesOther(attempt.error)) return attempt.error
        followsDrain = false
        await this.#wait(attempt.error, attempt.retryAfterMs)
        continue
      }
      let { session } = attempt
      const since = performance.now()
      for (let better: Session | undefined = session; better; better = await this.#seekBetter(session)) {
        if (better !== session) void session.close(MOVE_DEADLINE_MS)
        session = better
        this.#current = session
        this.#turn('online')
      }
      if (signal.aborted) return undefined
      const lasted = performance.now() - since
      if (lasted > STABLE_MS) this.#backoff.reset()

      // A relay that drains each new session at once must not be dialled in a tight loop: waits grow here, too.
      if (session.isOpen && !(followsDrain && lasted < STABLE_MS)) {
        followsDrain = true
        this.#backoff.reset() // it said goodbye, so it is well and likely to be back soon
        this.#parts.onLeaving()
        continue
      }
      followsDrain = session.isOpen
      const error = session.isOpen ? new ProtocolError('draining') : await session.closed
      if (error && !error.retryable) return error
      await this.#wait(error ?? new ProtocolError('connection_lost', 'the relay ended the session'))
    }
    return undefined
  }

  /** Leaves in order. The agent's signal has been aborted before. */
  async close(deadlineMs: number): Promise<void> {
    await Promise.all([...this.#sessions].map((session) => session.close(deadlineMs)))
  }

  /** Ends at once and cuts open streams. The agent's signal has been aborted before. */
  destroy(error?: ProtocolError): void {
    for (const session of this.#sessions) session.destroy(error)
  }

  /**
   * Waits while the session serves; if it is misplaced, dials for a better node meanwhile.
   * @returns the session at the better node, or undefined once this one is draining or gone
   */
  async #seekBetter(session: Session): Promise<Session | undefined> {
    const { signal } = this.#parts
    let isLeaving = false
    const leaving = session.leaving.then(() => (isLeaving = true))
    const isWrongAt = (nodeId: string | undefined): boolean =>
      nodeId !== undefined && this.#parts.isMisplaced(this, nodeId)
    let waitMs = SEEK_FIRST_MS
    for (let tries = 0; isWrongAt(session.welcome?.node_id); tries++) {
      if (tries >= SEEKS_IN_HASTE) waitMs = Math.min(waitMs * 2, SEEK_LAST_MS)
      const waited = new AbortController()
      await Promise.race([leaving, pause(waitMs, AbortSignal.any([signal, waited.signal]))])
      waited.abort()
      if (isLeaving || signal.aborted) return undefined
      const attempt = await this.#attempt((welcome) => !isWrongAt(welcome.node_id))
      if ('error' in attempt) {
        waitMs = Math.max(waitMs, attempt.retryAfterMs ?? 0)
        continue
      }
      if (!isLeaving && !signal.aborted) return attempt.session
      void attempt.session.close(0)
      return undefined
    }
    await leaving
    return undefined
  }

  /** One dial and one handshake. */
  async #attempt(
    accept?: SessionOptions['accept'],
  ): Promise<{ session: Session } | { error: ProtocolError; retryAfterMs?: number }> {
    const { plan, log, signal, handshakeDeadlineMs } = this.#parts
    const { relay, authtoken, ca, proxy } = plan
    log.debug({ connection: this.number, relay: relay.url, ...(proxy ? { proxy: proxy.host } : {}) }, 'connecting')
    const connected = await connectRelay({ relay, authtoken, ca, proxy, signal, handshakeDeadlineMs })
    if (!connected.ok) return connected
    if (!accept) this.#parts.onConnected(this)
    const connectionIndex = this.#parts.takeIndex()
    try {
      const session = await Session.open({
        socket: connected.socket,
        hello: this.#parts.hello(connectionIndex),
        binds: this.#parts.binds,
        serve: (stream) => this.#parts.serve(stream),
        healthOf: (tunnelId) => this.#parts.healthOf(tunnelId),
        placeOf: (tunnelId, path) => this.#parts.placeOf(tunnelId, path),
        policy: this.#parts.policy,
        onBound: (bound) => this.#parts.onBound(bound),
        onNotice: (level, text) => this.#parts.onNotice(level, text),
        accept,
        signal,
        openDeadlineMs: handshakeDeadlineMs,
        budget: this.#parts.budget,
      })
      this.#sessions.add(session)
      this.#parts.policy?.ask(session)
      void session.closed.then(() => {
        this.#parts.releaseIndex(connectionIndex)
        this.#sessions.delete(session)
        if (this.#current === session) this.#current = undefined
      })
      return { session }
    } catch (error) {
      this.#parts.releaseIndex(connectionIndex)
      if (error instanceof ProtocolError) return { error }
      throw error
    }
  }

  async #wait(error: ProtocolError, retryAfterMs = 0): Promise<void> {
    const { signal, log } = this.#parts
    const longestMs = error.code === 'draining' ? DRAINING_LONGEST_MS : undefined
    const retryInMs = Math.max(this.#backoff.next(longestMs), retryAfterMs)
    // The reason of a WebSocket's close is text from the relay.
    const reason = printable(error.message)
    // A fault of our own is logged with its stack; for other errors the reason is enough.
    const err = error.code === 'internal' ? error.cause : undefined
    log.warn({ connection: this.number, code: error.code, reason, retryInMs, err }, 'not connected')
    this.#retryAt = Date.now() + retryInMs
    this.#turn('waiting', { error, retryInMs })
    await pause(retryInMs, signal)
    this.#retryAt = undefined
  }

  #turn(state: 'connecting' | 'online' | 'waiting', failure?: { error: ProtocolError; retryInMs: number }): void {
    this.#state = state
    this.#parts.onTurn(this, failure)
  }
}

/** Waits, or until the signal; the caller checks the signal itself. */
async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal }).catch(() => {})
}
