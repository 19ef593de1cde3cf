// One authenticated agent connection: WebSocket, yamux, the control stream, and the tunnels it offers.
//
//   opened ──hello/welcome──▶ ready ──bind/bound──▶ serving ──unbind | drain | loss──▶ closed
//
// Everything the agent says is untrusted: it is parsed by the schema and held against its authtoken.

import { randomUUID } from 'node:crypto'

import {
  ControlChannel,
  PROTOCOL_VERSION,
  ProtocolError,
  YamuxSession,
  encodeStreamHeader,
  printable,
} from '@sallyport/protocol'
import type {
  Bind,
  BoundEdge,
  BufferBudget,
  Carrier,
  ControlMessage,
  Health,
  Hello,
  Labels,
  YamuxStream,
} from '@sallyport/protocol'
import type { Logger } from 'pino'

import type { Limits, Timeouts } from '../config/config.ts'
import type { OnFault } from '../exchange/border.ts'
import type { LimitRefusals } from '../exchange/limit-refusals.ts'
import { permitsLabels } from './acl.ts'
import type { AgentProcesses } from './agent-processes.ts'
import type { Authtoken } from './authtokens.ts'
import type { Claimant, EndpointBinder, EndpointOpened, EndpointRefused } from './endpoint-binder.ts'
import { isEndpointOffer, readOffer, type EndpointOffer, type Offer } from './offer.ts'
import type { AgentOrigin, Lane, OnHealth, Tunnel } from './tunnel.ts'
import type { Registry } from './registry.ts'
import { Silence } from './silence.ts'

/** What sessions share with the rest of the relay. */
export interface SessionRoom {
  readonly nodeId: string
  /** Every node that should hold a session of each agent, this one included. */
  readonly nodeIds: readonly string[]
  readonly relayVersion: string
  readonly registry: Registry
  readonly limits: Limits
  readonly refusals: LimitRefusals
  readonly timeouts: Timeouts
  readonly log: Logger
  /** What all sessions may hold for slow visitors together. */
  readonly budget: BufferBudget
  readonly endpoints: EndpointBinder
  readonly onHealth: OnHealth
  /** Public URLs that lead to a tunnel with these labels, for people. */
  endpointsFor(labels: Labels): readonly string[]
  /** The edges that do, and who may visit there. */
  boundEdgesFor(labels: Labels): readonly BoundEdge[]
  readonly onFault: OnFault
  /** Sessions that have said whose they are stand here until they close. */
  readonly processes: AgentProcesses
}

export interface SessionOrigin {
  carrier: Carrier
  authtoken: Authtoken
  /** The agent's address. */
  address: string
}

/** An offer of an endpoint, until its host is reserved. */
interface Claim {
  health?: Health
}

const CONFIRM_DEADLINE_MS = 5000 // longer than any pause of a healthy agent; its successor waits 10 s for an answer
const REASON_MAX_CHARS = 1024 // of `refused`
/** Beyond what its tunnels need, and in the long run: each message may be a line of the log. */
const MESSAGES_AT_ONCE = 50
const MESSAGES_PER_SECOND = 5
const MESSAGES_PER_TUNNEL = 4 // bind, how the app is, how it is by then, unbind: an agent may say all of it at once
const FAREWELL_MS = 1000 // for streams of an agent that has said goodbye

export class TunnelSession implements Claimant {
  readonly id = `tse_${randomUUID()}`
  readonly authtoken: Authtoken
  readonly authtokenId: string
  readonly address: string
  readonly openedAt = Date.now()
  /** Resolves when the connection is gone; never rejects. */
  readonly closed: Promise<ProtocolError | undefined>

  readonly #room: SessionRoom
  readonly #mux: YamuxSession
  /** By the number that the agent gave the tunnel. */
  readonly #lanes = new Map<number, Lane>()
  /** Offers of endpoints that wait for their host, and what the agent has said of their apps meanwhile. */
  #claims: Map<number, Claim> | undefined
  #control: ControlChannel | undefined
  #instanceId: string | undefined
  #agent: AgentOrigin['agent'] | undefined
  #helloTimer: NodeJS.Timeout | undefined
  readonly #silence: Silence
  #isEnding = false

  constructor(origin: SessionOrigin, room: SessionRoom) {
    this.#room = room
    this.authtoken = origin.authtoken
    this.authtokenId = origin.authtoken.id
    this.address = origin.address
    this.#mux = new YamuxSession(origin.carrier, {
      role: 'server',
      onStream: (stream) => this.#acceptStream(stream),
      maxStreams: 1, // the agent opens the control stream and nothing else
      maxWindowBytes: room.limits.stream_window_bytes,
      budget: room.budget,
    })
    this.#silence = new Silence(this.#mux)
    this.#helloTimer = setTimeout(
      () => this.end(new ProtocolError('control_violation', 'no hello came')),
      room.timeouts.agent_handshake_seconds * 1000,
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

  /** What it carries at the moment. */
  get tunnels(): Iterable<Tunnel> {
    return [...this.#lanes.values()].map(({ tunnel }) => tunnel)
  }

  get tunnelNumbers(): Iterable<number> {
    return [...this.#lanes.keys(), ...(this.#claims?.keys() ?? [])]
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
    if (this.#mux.streamCount >= this.#room.limits.exchanges_per_session) {
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

  /** Asks the agent to connect elsewhere. Its tunnels here serve on until the session closes. */
  drain(deadlineMs: number): void {
    this.#control?.send({ type: 'drain', deadline_ms: deadlineMs })
  }

  /** Closes in order: streams end first, bounded by the deadline. */
  async close(deadlineMs: number): Promise<void> {
    this.#claims = undefined
    for (const lane of this.#lanes.values()) lane.retire() // ends the idle streams, too
    this.#control?.end()
    await this.#mux.close({ deadlineMs })
  }

  /** Ends the session at once, telling the agent why. */
  end(error: ProtocolError): void {
    if (this.#isEnding) return
    this.#isEnding = true
    this.#control?.send({ type: 'refused', code: error.code, reason: error.message, retryable: error.retryable })
    this.#claims = undefined
    for (const lane of this.#lanes.values()) lane.retire()
    // One turn later, so that the message leaves before the connection does.
    setImmediate(() => this.#mux.destroy(error))
  }

  /** Made when something is to be written, which is three times in the life of most sessions. */
  get #log(): Logger {
    return this.#room.log.child({ sessionId: this.id })
  }

  // ── control stream ─────────────────────────────────────────────────────────────────────────────

  #acceptStream(stream: YamuxStream): void {
    if (this.#control) {
      stream.on('error', () => {}) // it is being reset; nobody listens any more
      stream.destroy()
      return
    }
    this.#control = new ControlChannel(stream, {
      onMessage: (message) => this.#onMessage(message),
      onEnd: (error) => (error ? this.end(error) : void this.close(FAREWELL_MS)),
      rate: {
        atOnce: MESSAGES_AT_ONCE + MESSAGES_PER_TUNNEL * this.#room.limits.tunnels_per_agent,
        perSecond: MESSAGES_PER_SECOND,
      },
      onOverdrawn: () => this.#log.warn({ address: this.address }, 'agent sends too many control messages, they wait'),
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
        return this.#onBind(message)
      case 'unbind':
        return this.#onUnbind(message.tunnel_id)
      case 'health':
        return this.#onHealth(message)
      case 'notice':
        this.#log.info({ text: message.text }, 'agent notice')
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
    this.#room.processes.add(this)
    const { nodeId, nodeIds, relayVersion, limits } = this.#room
    this.#control?.send({
      type: 'welcome',
      version: PROTOCOL_VERSION,
      session_id: this.id,
      node_id: nodeId,
      nodes: nodeIds.map((node_id) => ({ node_id })),
      limits: { tunnels: limits.tunnels_per_agent, stream_header_bytes: 512 },
      capabilities: [],
      relay_version: relayVersion,
    })
    this.#log.info(
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

  #onBind(bind: Bind): void {
    const offer = readOffer(bind)
    if (offer instanceof ProtocolError) return this.#refuse(bind.tunnel_id, { ok: false, error: offer })
    const problem = this.#problemOf(offer)
    if (problem) return this.#refuse(offer.number, { ok: false, error: problem })
    if (!isEndpointOffer(offer)) return this.#bindLabels(offer)
    const claim: Claim = {}
    ;(this.#claims ??= new Map()).set(offer.number, claim)
    this.#bindEndpoint(offer, claim).catch((error: unknown) => {
      this.end(new ProtocolError('internal', 'the endpoint could not be made', { cause: error }))
    })
  }

  #refuse(number: number, { error, problems }: EndpointRefused): void {
    // Both may quote the agent.
    const paths = problems?.map(({ path }) => printable(path.join('.')))
    const reason = printable(error.message)
    this.#log.warn({ tunnelNumber: number, code: error.code, reason, ...(paths && { paths }) }, 'bind refused')
    this.#control?.send({
      type: 'refused',
      tunnel_id: number,
      code: error.code,
      reason: error.message.slice(0, REASON_MAX_CHARS),
      retryable: error.retryable,
      ...(problems && { problems: [...problems] }),
    })
  }

  async #bindEndpoint(offer: EndpointOffer, claim: Claim): Promise<void> {
    const { number } = offer
    // It may be unbound meanwhile, or the session ends.
    const isWanted = (): boolean => this.#claims?.get(number) === claim
    const opened = await this.#room.endpoints.bind(offer, this, { isWanted, onHealth: this.#room.onHealth })
    if (!opened || !isWanted()) return opened?.ok ? opened.lane.retire() : undefined
    this.#claims?.delete(number)
    if (!opened.ok) return this.#refuse(number, opened)
    const { lane, isNew, edgeId, visitors, url, redirectUri, checkSignIn } = opened
    const { tunnel } = lane
    this.#lanes.set(number, lane)
    if (claim.health) this.#onHealth(claim.health)
    this.#control?.send({
      type: 'bound',
      tunnel_id: number,
      endpoints: [url],
      ...(redirectUri !== undefined && { redirect_uri: redirectUri }),
      edges: [{ edge_id: edgeId, visitors: [...visitors] }],
    })
    if (!isNew) return this.#log.info({ tunnelId: tunnel.id }, 'tunnel has a further connection')
    this.#log.info(
      { tunnelId: tunnel.id, endpoint: url, edgeId, forwardsTo: tunnel.forwardsTo, metadata: tunnel.metadata },
      'tunnel online',
    )
    if (checkSignIn) await this.#tellOfSignIn(number, lane, checkSignIn)
  }

  /** Visitors are served meanwhile: whoever has started the agent learns from it why they cannot sign in. */
  async #tellOfSignIn(number: number, lane: Lane, check: NonNullable<EndpointOpened['checkSignIn']>): Promise<void> {
    try {
      const notice = await check()
      if (notice && this.#lanes.get(number) === lane && !this.#isEnding) {
        this.#control?.send({ type: 'notice', ...notice })
      }
    } catch (error) {
      this.#room.onFault(error, 'endpoint') // the endpoint stands all the same
    }
  }

  #bindLabels(offer: Offer): void {
    const { lane, isNew } = this.#room.registry.join(offer, this, this.#room.onHealth)
    const { tunnel } = lane
    const { labels, forwardsTo, metadata } = tunnel
    this.#lanes.set(offer.number, lane)
    const endpoints = this.#room.endpointsFor(labels)
    this.#control?.send({
      type: 'bound',
      tunnel_id: offer.number,
      endpoints: endpoints.slice(0, 256),
      edges: [...this.#room.boundEdgesFor(labels)],
    })
    if (!isNew) return this.#log.info({ tunnelId: tunnel.id }, 'tunnel has a further connection')
    if (endpoints.length === 0) {
      this.#control?.send({
        type: 'notice',
        level: 'warn',
        text: 'No edge of this relay leads to these labels yet, so no visitor will come this way. Check them for typing mistakes.',
      })
    }
    this.#log.info({ tunnelId: tunnel.id, labels: Object.fromEntries(labels), forwardsTo, metadata }, 'tunnel online')
  }

  /** Why this agent may not offer it. */
  #problemOf({ number, labels, endpoint }: Offer): ProtocolError | undefined {
    if (this.#lanes.has(number) || this.#claims?.has(number)) {
      return new ProtocolError('bind_invalid', 'this tunnel id is in use')
    }
    const limit = this.#room.limits.tunnels_per_agent
    const numbers = this.#room.processes.tunnelNumbersOf(this)
    if (numbers.size >= limit && !numbers.has(number)) {
      this.#room.refusals.count('tunnels_per_agent', this.address)
      return new ProtocolError('bind_invalid', `this agent already has ${limit} tunnels, which is the limit`)
    }
    if (endpoint || permitsLabels(this.authtoken.acl, new Map(labels))) return undefined
    return new ProtocolError('bind_not_permitted', `this authtoken does not permit the labels of this tunnel`)
  }

  #onUnbind(number: number): void {
    const lane = this.#lanes.get(number)
    if (!lane) {
      this.#claims?.delete(number)
      this.#control?.send({ type: 'unbound', tunnel_id: number })
      return
    }
    this.#log.info({ tunnelId: lane.tunnel.id }, 'tunnel leaving')
    lane.retire(() => {
      this.#lanes.delete(number)
      this.#control?.send({ type: 'unbound', tunnel_id: number })
    })
  }

  /** The agent's own check of its app. A tunnel that has been unbound meanwhile is not there any more. */
  #onHealth(message: Health): void {
    const { tunnel_id, healthy, detail } = message
    const claim = this.#claims?.get(tunnel_id)
    if (claim) claim.health = message
    this.#lanes.get(tunnel_id)?.report(healthy, detail)
  }

  #afterClose(reason: ProtocolError | undefined): void {
    clearTimeout(this.#helloTimer)
    this.#room.processes.delete(this)
    this.#claims = undefined
    for (const lane of this.#lanes.values()) {
      try {
        lane.retire()
      } catch (error) {
        this.#room.onFault(error, 'tunnel_session') // the others leave all the same
      }
    }
    this.#lanes.clear()
    if (reason?.code === 'internal') this.#room.onFault(reason.cause ?? reason, 'tunnel_session')
    if (reason && reason.code !== 'connection_lost') {
      this.#log.warn({ code: reason.code, reason: reason.message }, 'agent session ended')
    } else this.#log.info('agent disconnected')
  }
}
