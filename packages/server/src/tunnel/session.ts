// One authenticated agent connection: WebSocket, yamux, the control stream. `session-offers.ts` has its offers.
//
//   opened ──hello/welcome──▶ ready ──bind/bound──▶ serving ──unbind | drain | loss──▶ closed
//
// Everything the agent says is untrusted: the schema parses it, and it is checked against the authtoken.

import { randomUUID } from 'node:crypto'

import {
  CHANGES_POLICIES,
  ControlChannel,
  PROTOCOL_VERSION,
  ProtocolError,
  YamuxSession,
  encodeStreamHeader,
} from '@sallyport/protocol'
import type { BufferBudget, Carrier, ControlMessage, Hello, YamuxStream } from '@sallyport/protocol'
import type { Logger } from 'pino'

import type { Timeouts } from '../config/config.ts'
import type { Authtoken } from './authtokens.ts'
import type { Claimant } from './endpoint-binder.ts'
import type { EndpointState } from './endpoint-state.ts'
import { SessionOffers, type OfferParts } from './session-offers.ts'
import { Silence } from './silence.ts'
import type { AgentOrigin, Tunnel } from './tunnel.ts'

/** The parts that sessions share with the rest of the relay. */
export interface SessionParts extends OfferParts {
  readonly nodeId: string
  /** Every node that should hold a session of each agent, this one included. */
  readonly nodeIds: readonly string[]
  readonly relayVersion: string
  readonly timeouts: Timeouts
  /** How much all sessions may hold together for slow visitors. */
  readonly budget: BufferBudget
}

export interface SessionOrigin {
  carrier: Carrier
  authtoken: Authtoken
  /** The agent's address. */
  address: string
}

const CONFIRM_DEADLINE_MS = 5000 // longer than any pause of a healthy agent; its successor waits 10 s for an answer
/** In addition to those for its tunnels, and in the long run: each message may be a line of the log. */
const MESSAGES_AT_ONCE = 50
const MESSAGES_PER_SECOND = 5
const MESSAGES_PER_TUNNEL = 4 // bind, two health reports, unbind: an agent may send all of them at once
const FAREWELL_MS = 1000 // for streams of an agent that has said goodbye

export class TunnelSession implements Claimant {
  readonly id = `tse_${randomUUID()}`
  readonly authtoken: Authtoken
  readonly authtokenId: string
  readonly address: string
  readonly openedAt = Date.now()
  /** Resolves when the connection is gone; never rejects. */
  readonly closed: Promise<ProtocolError | undefined>

  readonly #parts: SessionParts
  readonly #mux: YamuxSession
  readonly #offers: SessionOffers
  #control: ControlChannel | undefined
  #instanceId: string | undefined
  #agent: AgentOrigin['agent'] | undefined
  #helloTimer: NodeJS.Timeout | undefined
  readonly #silence: Silence
  #isEnding = false

  constructor(origin: SessionOrigin, parts: SessionParts) {
    this.#parts = parts
    this.authtoken = origin.authtoken
    this.authtokenId = origin.authtoken.id
    this.address = origin.address
    this.#mux = new YamuxSession(origin.carrier, {
      role: 'server',
      onStream: (stream) => this.#acceptStream(stream),
      maxStreams: 1, // the agent opens the control stream and nothing else
      maxWindowBytes: parts.limits.stream_window_bytes,
      budget: parts.budget,
    })
    this.#offers = new SessionOffers(this, parts)
    this.#silence = new Silence(this.#mux)
    this.#helloTimer = setTimeout(
      () => this.end(new ProtocolError('control_violation', 'no hello came')),
      parts.timeouts.agent_handshake_seconds * 1000,
    )
    this.closed = this.#mux.closed.then((reason) => {
      this.#afterClose(reason)
      return reason
    })
  }

  get instanceId(): string | undefined {
    return this.#instanceId
  }

  /** Undefined until it has said hello. */
  get origin(): AgentOrigin | undefined {
    return (
      this.#agent && {
        address: this.address,
        connectedAt: this.openedAt,
        roundTripMs: this.roundTripMs,
        agent: this.#agent,
      }
    )
  }

  /** Its current lanes. */
  get tunnels(): Iterable<Tunnel> {
    return this.#offers.tunnels
  }

  get tunnelNumbers(): Iterable<number> {
    return this.#offers.numbers
  }

  get roundTripMs(): number | undefined {
    return this.#mux.roundTripMs
  }

  get isResponsive(): boolean {
    return this.#mux.isOpen && !this.#silence.isSuspected
  }

  get isGathering(): boolean {
    return this.#mux.isGathering
  }

  get isSilent(): boolean {
    return this.#silence.isSuspected
  }

  get isLocal(): true {
    return true
  }

  openStream({ number, upstreamProtocol }: Tunnel, visitor: string): YamuxStream {
    if (this.#mux.streamCount >= this.#parts.limits.exchanges_per_session) {
      throw new ProtocolError('limit_reached', 'the tunnel session carries as many streams as it may')
    }
    const stream = this.#mux.openStream()
    stream.write(encodeStreamHeader({ tunnelId: number, visitor, protocol: upstreamProtocol }))
    return stream
  }

  probe(): void {
    this.#silence.probe()
  }

  async confirm(): Promise<void> {
    const { promise: expired, resolve } = Promise.withResolvers<'expired'>()
    const timer = setTimeout(() => resolve('expired'), CONFIRM_DEADLINE_MS)
    const answered = this.#mux.ping().catch(() => {}) // a session that dies takes its tunnels with it
    if ((await Promise.race([answered, expired])) === 'expired') {
      this.end(new ProtocolError('silent', 'the agent did not answer, and another one asks for its endpoint'))
    }
    clearTimeout(timer)
  }

  onEndpointChanged({ number }: Tunnel, state: EndpointState): void {
    this.#offers.tellState(number, state)
  }

  /** Asks the agent to connect elsewhere. Its tunnels here keep serving until the session closes. */
  drain(deadlineMs: number): void {
    this.tell({ type: 'drain', deadline_ms: deadlineMs })
  }

  /** Sends a control message. Before the control stream exists, and after its end, the message is dropped. */
  tell(message: ControlMessage): void {
    this.#control?.send(message)
  }

  /** Closes in order: streams end first, bounded by the deadline. */
  async close(deadlineMs: number): Promise<void> {
    this.#offers.retire() // ends the idle streams, too
    this.#control?.end()
    await this.#mux.close({ deadlineMs })
  }

  /** Ends the session at once, telling the agent why. */
  end(error: ProtocolError): void {
    if (this.#isEnding) return
    this.#isEnding = true
    this.tell({ type: 'refused', code: error.code, reason: error.message, retryable: error.retryable })
    this.#offers.retire()
    // One turn later, so that the message leaves before the connection does.
    setImmediate(() => this.#mux.destroy(error))
  }

  /** Made on each use: most sessions write three lines in their life. */
  get log(): Logger {
    return this.#parts.log.child({ sessionId: this.id })
  }

  // ── control stream ─────────────────────────────────────────────────────────────────────────────

  #acceptStream(stream: YamuxStream): void {
    if (this.#control) {
      stream.on('error', () => {}) // it is being reset; errors do not matter any more
      stream.destroy()
      return
    }
    this.#control = new ControlChannel(stream, {
      onMessage: (message) => this.#onMessage(message),
      onEnd: (error) => (error ? this.end(error) : void this.close(FAREWELL_MS)),
      rate: {
        atOnce: MESSAGES_AT_ONCE + MESSAGES_PER_TUNNEL * this.#parts.limits.tunnels_per_agent,
        perSecond: MESSAGES_PER_SECOND,
      },
      onOverdrawn: () => this.log.warn({ address: this.address }, 'agent sends too many control messages, they wait'),
    })
  }

  #onMessage(message: ControlMessage): void {
    if (this.#isEnding) return
    if (this.#instanceId === undefined && message.type !== 'hello') {
      return this.end(new ProtocolError('control_violation', `${message.type} before hello`))
    }
    switch (message.type) {
      case 'hello':
        return this.#onHello(message)
      case 'bind':
        return this.#offers.bind(message)
      case 'policy':
        return this.#offers.changePolicy(message)
      case 'unbind':
        return this.#offers.unbind(message.tunnel_id)
      case 'health':
        return this.#offers.hear(message)
      case 'notice':
        this.log.info({ text: message.text }, 'agent notice')
        return
      case 'welcome':
      case 'bound':
      case 'refused':
      case 'unbound':
      case 'drain':
        return this.end(new ProtocolError('control_violation', `an agent may not send ${message.type}`))
    }
  }

  #onHello(hello: Hello): void {
    if (this.#instanceId !== undefined) return this.end(new ProtocolError('control_violation', 'a second hello'))
    clearTimeout(this.#helloTimer)
    this.#helloTimer = undefined
    if (!hello.versions.includes(PROTOCOL_VERSION)) {
      const wanted = hello.versions.join(', ')
      return this.end(
        new ProtocolError(
          'version_unsupported',
          `this relay speaks protocol version ${PROTOCOL_VERSION}, the agent ${wanted}; update the older of the two`,
        ),
      )
    }
    this.#instanceId = hello.instance_id
    this.#agent = { version: hello.agent_version, os: hello.os, machine: hello.machine }
    this.#parts.processes.add(this)
    const { nodeId, nodeIds, relayVersion, limits } = this.#parts
    this.tell({
      type: 'welcome',
      version: PROTOCOL_VERSION,
      session_id: this.id,
      node_id: nodeId,
      nodes: nodeIds.map((node_id) => ({ node_id })),
      limits: { tunnels: limits.tunnels_per_agent, stream_header_bytes: 512 },
      capabilities: [CHANGES_POLICIES],
      relay_version: relayVersion,
    })
    this.log.info(
      {
        instanceId: hello.instance_id,
        address: this.address,
        authtokenId: this.authtokenId,
        agentVersion: hello.agent_version,
        os: hello.os,
      },
      'agent connected',
    )
  }

  #afterClose(reason: ProtocolError | undefined): void {
    clearTimeout(this.#helloTimer)
    this.#parts.processes.delete(this)
    this.#offers.drop()
    if (reason?.code === 'internal') this.#parts.onFault(reason.cause ?? reason, 'tunnel_session')
    if (reason && reason.code !== 'connection_lost') {
      this.log.warn({ code: reason.code, reason: reason.message }, 'agent session ended')
    } else this.log.info('agent disconnected')
  }
}
