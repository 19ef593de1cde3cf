// One tunnel session: the yamux session over one WebSocket, its control stream, and the streams it serves.
//
//   opening --welcome, every bind answered--> online --drain or GoAway--> leaving --> closed
// It does not reconnect; the agent above decides what to do when a session leaves or closes.

import type { Duplex } from 'node:stream'

import {
  CHANGES_POLICIES,
  ControlChannel,
  PROTOCOL_VERSION,
  ProtocolError,
  WebSocketCarrier,
  YamuxSession,
  formatLabels,
  toProtocolErrorCode,
  printable,
} from '@sallyport/protocol'
import type {
  BindProblem,
  Bound,
  BoundEdge,
  BufferBudget,
  ControlMessage,
  ControlMessageInput,
  ProtocolErrorCode,
  Welcome,
} from '@sallyport/protocol'
import type { WebSocket } from 'ws'

import type { HealthState } from '../app/health-checker.ts'
import type { LivePolicy, PolicyRevision } from './live-policy.ts'
import { PolicyRefused } from './policy-refused.ts'
import type { EdgeStatus } from '../report/edge-status.ts'

const OPEN_DEADLINE_MS = 10_000
/** For the relay to end its side of the control stream. */
const FAREWELL_MS = 500
/** After the relay's own drain deadline, before an old session is cut. */
const DRAIN_GRACE_MS = 10_000
const DETAIL_MAX_CHARS = 255 // of a `health` message
const DRAIN_MAX_MS = 60 * 60_000
/** The relay's close codes that mean: do not reconnect without a change. */
const FINAL_CODES: readonly ProtocolErrorCode[] = [
  'version_unsupported',
  'authtoken_refused',
  'bind_not_permitted',
  'bind_invalid',
]

export interface SessionOptions {
  socket: WebSocket
  hello: Extract<ControlMessageInput, { type: 'hello' }>
  /** One per tunnel, by the number the agent gave it. */
  binds: ReadonlyMap<number, ControlMessageInput>
  /** Serves one stream until it is closed. */
  serve: (stream: Duplex) => Promise<unknown>
  /** The health of a tunnel's app; undefined if it is not checked. */
  healthOf?: ((tunnelId: number) => HealthState | undefined) | undefined
  /** Names the text that a person has written for a place in the policy of a tunnel. */
  placeOf?: ((tunnelId: number, path: readonly (string | number)[]) => string) | undefined
  /** The policy that may change while the session lives. */
  policy?: LivePolicy | undefined
  /** The relay has sent news about a tunnel. */
  onBound?: ((session: Session) => void) | undefined
  onNotice: (level: 'info' | 'warn', text: string) => void
  /** Whether this node of the relay is a place for the session; otherwise it ends before anything is bound. */
  accept?: ((welcome: Welcome) => boolean) | undefined
  signal: AbortSignal
  openDeadlineMs?: number | undefined
  /** How much all sessions may hold for slow apps. */
  budget?: BufferBudget | undefined
}

export class Session {
  /** Opens a session: hello, welcome, and an answer to every bind. Rejects with the ProtocolError that prevented it. */
  static async open(options: SessionOptions): Promise<Session> {
    const session = new Session(options)
    const giveUp = (): void => session.destroy(new ProtocolError('connection_lost', 'the agent is closing'))
    const deadlineMs = options.openDeadlineMs ?? OPEN_DEADLINE_MS
    const timer = setTimeout(() => {
      session.destroy(
        new ProtocolError('silent', `the relay opened a connection but said nothing for ${deadlineMs / 1000} s`),
      )
    }, deadlineMs)
    options.signal.addEventListener('abort', giveUp, { once: true })
    try {
      if (options.signal.aborted) giveUp()
      await session.#opened.promise
      return session
    } finally {
      clearTimeout(timer)
      options.signal.removeEventListener('abort', giveUp)
    }
  }

  /** Settles once, when the session is gone: undefined after an orderly end. Never rejects. */
  readonly closed: Promise<ProtocolError | undefined>
  /** Settles when the relay asks the agent to leave, or the session is gone. */
  readonly leaving: Promise<void>
  /** Tunnel number → the public URLs that lead to it. */
  readonly endpoints = new Map<number, readonly string[]>()
  /** Tunnel number → the URI to register at the identity provider, if visitors of its endpoint sign in. */
  readonly redirectUris = new Map<number, string>()
  /** Tunnel number → the edges that lead to it, and who may visit there; none if the relay does not say. */
  readonly edges = new Map<number, readonly EdgeStatus[]>()
  /** The relay's remarks on policies, each with its place in the person's file: `policy.yaml:2:1 inbound: …`. */
  readonly remarks: string[] = []
  readonly #options: SessionOptions
  readonly #mux: YamuxSession
  readonly #controlStream: Duplex
  readonly #control: ControlChannel
  readonly #opened = Promise.withResolvers<void>()
  readonly #leaving = Promise.withResolvers<void>()
  readonly #closed = Promise.withResolvers<ProtocolError | undefined>()
  readonly #unbinding = new Map<number, () => void>()
  /** The policy that the relay has been asked for and has not answered yet. */
  #asked: PolicyRevision | undefined
  #welcome: Welcome | undefined
  #error: ProtocolError | undefined
  /** How many of the relay's streams are being served, and the callbacks that wait until none is. */
  #serving = 0
  #idle: PromiseWithResolvers<void> | undefined
  #drainTimer: NodeJS.Timeout | undefined
  #closing = false
  #ended = false

  private constructor(options: SessionOptions) {
    this.#options = options
    this.closed = this.#closed.promise
    this.leaving = this.#leaving.promise
    // `opened` is awaited only while the session opens.
    this.#opened.promise.catch(() => {})
    options.socket.on('close', (code, reason) => this.#noteCloseCode(code, printable(reason.toString('utf8'))))
    this.#mux = new YamuxSession(new WebSocketCarrier(options.socket, 'client'), {
      role: 'client',
      onStream: (stream) => this.#serve(stream),
      ...(options.budget && { budget: options.budget }),
    })
    this.#mux.onGoAway = () => this.#leave(DRAIN_MAX_MS)
    void this.#mux.closed.then((error) => this.#end(error))
    this.#controlStream = this.#mux.openStream()
    this.#control = new ControlChannel(this.#controlStream, {
      onMessage: (message) => this.#receive(message),
      onEnd: (error) => {
        if (this.#closing) return
        if (error) return this.destroy(error)
        // The relay says goodbye in order; it closes the session itself once our end of this stream has come.
        this.#controlStream.end()
        this.#leave(FAREWELL_MS)
      },
    })
    this.#control.send(options.hello)
  }

  get welcome(): Welcome | undefined {
    return this.#welcome
  }

  /** False once the session is gone; a session that the relay leaves is still open. */
  get isOpen(): boolean {
    return !this.#ended
  }

  get roundTripMs(): number | undefined {
    return this.#mux.roundTripMs
  }

  /**
   * Leaves in order: asks the relay to send nothing new, finishes open streams, then closes the session.
   * @param deadlineMs for open streams; after it they are cut
   */
  async close(deadlineMs: number): Promise<void> {
    if (this.#ended) return
    this.#closing = true
    const deadline = Date.now() + deadlineMs
    if (this.#welcome) await this.#unbindAll(deadlineMs)
    await this.#settled(() => this.#whenIdle(), deadline - Date.now())
    this.#controlStream.end()
    // Only the control stream is left, and streams that have missed the deadline: these are cut now.
    await this.#mux.close({ deadlineMs: FAREWELL_MS })
    this.#end()
  }

  /** Tells the relay the result of a check of the app. An older relay ignores the message. */
  reportHealth(tunnelId: number, { healthy, detail }: HealthState): void {
    if (!this.#welcome) return // it is sent after the bind
    this.#control.send({ type: 'health', tunnel_id: tunnelId, healthy, detail: detail.slice(0, DETAIL_MAX_CHARS) })
  }

  /** Whether the relay can be asked for another policy, or only by a new agent. */
  get changesPolicies(): boolean {
    return this.#welcome?.capabilities.includes(CHANGES_POLICIES) ?? false
  }

  /** Asks the relay for another policy of an endpoint, unless it still owes an answer. */
  askPolicy(tunnelId: number, asked: PolicyRevision): void {
    if (this.#asked || this.#closing) return
    this.#asked = asked
    const { revision, policy } = asked
    this.#control.send({ type: 'policy', tunnel_id: tunnelId, policy_revision: revision, policy })
  }

  /** Ends at once. */
  destroy(error?: ProtocolError): void {
    if (this.#ended) return
    this.#error ??= error
    this.#mux.destroy(error)
    this.#end(error)
  }

  #serve(stream: Duplex): void {
    this.#serving++
    void this.#options.serve(stream).finally(() => {
      if (--this.#serving === 0) this.#idle?.resolve()
    })
  }

  async #whenIdle(): Promise<void> {
    if (this.#serving === 0) return
    this.#idle ??= Promise.withResolvers<void>()
    await this.#idle.promise
  }

  #receive(message: ControlMessage): void {
    switch (message.type) {
      case 'welcome':
        return this.#receiveWelcome(message)
      case 'bound': {
        if (!this.#options.binds.has(message.tunnel_id)) return
        const isFurther = this.endpoints.has(message.tunnel_id)
        this.endpoints.set(message.tunnel_id, message.endpoints.map(printable))
        if (message.redirect_uri !== undefined) {
          this.redirectUris.set(message.tunnel_id, printable(message.redirect_uri))
        }
        this.edges.set(message.tunnel_id, (message.edges ?? []).map(toEdgeStatus))
        for (const remark of message.remarks ?? []) {
          const { path, message: text } = this.#atItsPlace(message.tunnel_id, remark)
          this.remarks.push(`${path}: ${text}`)
        }
        if (this.endpoints.size === this.#options.binds.size) this.#opened.resolve()
        this.#hearOfPolicy(message)
        if (isFurther) this.#options.onBound?.(this)
        return
      }
      case 'refused':
        if (this.#asked && message.tunnel_id !== undefined)
          return this.#hearRefusal(this.#asked, this.#refusal(message))
        return this.destroy(this.#refusal(message))
      case 'unbound':
        this.#unbinding.get(message.tunnel_id)?.()
        return
      case 'drain':
        return this.#leave(message.deadline_ms + DRAIN_GRACE_MS)
      case 'notice':
        return this.#options.onNotice(message.level, printable(message.text))
      case 'hello':
      case 'bind':
      case 'policy':
      case 'unbind':
      case 'health':
        throw new ProtocolError('control_violation', `the relay sent "${message.type}"`)
    }
  }

  /** The relay answers a change, or another agent of the endpoint has changed its policy. An older relay says nothing. */
  #hearOfPolicy({ policy_revision: revision, policy_waits_for: waitsFor = 0 }: Bound): void {
    if (revision === undefined) return
    if (this.#asked && revision >= this.#asked.revision) this.#asked = undefined
    this.#options.policy?.hear(this, revision, waitsFor)
  }

  #hearRefusal(asked: PolicyRevision, error: ProtocolError): void {
    this.#asked = undefined
    this.#options.policy?.hearRefusal(this, asked, error)
  }

  /** The relay is stopping: open streams may finish, until a deadline. */
  #leave(deadlineMs: number): void {
    this.#drainTimer ??= setTimeout(
      () => this.destroy(new ProtocolError('draining')),
      Math.min(deadlineMs, DRAIN_MAX_MS),
    )
    this.#leaving.resolve()
  }

  #receiveWelcome(message: Welcome): void {
    if (this.#welcome) throw new ProtocolError('control_violation', 'a second welcome')
    if (message.version !== PROTOCOL_VERSION) {
      throw new ProtocolError('version_unsupported', `the relay chose protocol version ${message.version}`)
    }
    this.#welcome = {
      ...message,
      session_id: printable(message.session_id),
      node_id: printable(message.node_id),
      relay_version: printable(message.relay_version),
      nodes: message.nodes.map((node) => ({ ...node, node_id: printable(node.node_id) })),
    }
    if (this.#options.accept?.(this.#welcome) === false) {
      return this.destroy(new ProtocolError('session_closed', 'another node of the relay needs it more'))
    }
    for (const [tunnelId, bind] of this.#options.binds) {
      this.#control.send(bind)
      // Directly after it, so that the relay knows before a visitor comes.
      const health = this.#options.healthOf?.(tunnelId)
      if (health) this.reportHealth(tunnelId, health)
    }
    if (this.#options.binds.size === 0) this.#opened.resolve()
  }

  async #unbindAll(deadlineMs: number): Promise<void> {
    const answers = [...this.#options.binds.keys()].map((tunnelId) => {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#unbinding.set(tunnelId, resolve)
      this.#control.send({ type: 'unbind', tunnel_id: tunnelId })
      return promise
    })
    await this.#settled(() => Promise.all(answers), deadlineMs)
  }

  /** Waits for `work`, the end of the session, or the deadline, whichever comes first. */
  async #settled(work: () => Promise<unknown>, deadlineMs: number): Promise<void> {
    const { promise: expired, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, Math.max(1, deadlineMs))
    try {
      await Promise.race([work(), this.closed, expired])
    } finally {
      clearTimeout(timer)
    }
  }

  /** The relay may end a session by a close code alone, for example when its authtoken is revoked. */
  #noteCloseCode(closeCode: number, reason: string): void {
    const code = FINAL_CODES.find((candidate) => new ProtocolError(candidate).closeCode === closeCode)
    if (!code) return
    const why = reason || code.replaceAll('_', ' ')
    const error = new ProtocolError(code, `The relay ended the session: ${why}`)
    this.#error ??= error
    this.destroy(error)
  }

  #end(error?: ProtocolError): void {
    if (this.#ended) return
    this.#ended = true
    clearTimeout(this.#drainTimer)
    const reason = this.#error ?? error
    this.#opened.reject(reason ?? new ProtocolError('connection_lost', 'the relay ended the session'))
    this.#leaving.resolve()
    this.#closed.resolve(reason)
  }

  /** The relay's word on whether to reconnect overrides this agent's knowledge of the code. */
  #refusal(message: Extract<ControlMessage, { type: 'refused' }>): ProtocolError {
    const bind = message.tunnel_id === undefined ? undefined : this.#options.binds.get(message.tunnel_id)
    const sentence = `The relay refused ${describeBind(bind)}: ${printable(message.reason)}`
    if (message.problems && bind?.type === 'bind') {
      const problems = message.problems.map((problem) => this.#atItsPlace(bind.tunnel_id, problem))
      return new PolicyRefused(sentence, problems)
    }
    const known = new ProtocolError(toProtocolErrorCode(message.code), sentence)
    if (known.retryable === message.retryable) return known
    return new ProtocolError(message.retryable ? 'limit_reached' : 'bind_invalid', sentence)
  }

  #atItsPlace(tunnelId: number, { path, message }: BindProblem): { path: string; message: string } {
    const place = this.#asked?.placeOf(path) ?? this.#options.placeOf?.(tunnelId, path) ?? path.join('.')
    return { path: printable(place), message: printable(message) }
  }
}

function toEdgeStatus({ edge_id: id, visitors }: BoundEdge): EdgeStatus {
  return { id: printable(id), visitors: visitors.map(printable) }
}

function describeBind(bind: ControlMessageInput | undefined): string {
  if (bind?.type !== 'bind') return 'this agent'
  if (bind.labels) return `the tunnel ${formatLabels(new Map(bind.labels))}`
  return bind.url ? `the endpoint ${bind.url}` : 'the endpoint'
}
