// The offers of one session of an agent: a lane for each tunnel, with the agent's own number, and endpoints that wait
// for their host. It decides whether an offer is permitted, and answers the agent; the session owns the connection.

import { ProtocolError, printable } from '@sallyport/protocol'
import type { Bind, BindProblem, BoundEdge, ControlMessage, Health, Labels, PolicyChange } from '@sallyport/protocol'
import type { Logger } from 'pino'

import type { Limits } from '../config/config.ts'
import type { OnFault } from '../exchange/border.ts'
import type { LimitRefusals } from '../exchange/limit-refusals.ts'
import { permitsLabels } from './acl.ts'
import type { AgentProcesses, ProcessMember } from './agent-processes.ts'
import type { Claimant, EndpointBinder, EndpointHeard, EndpointRefused } from './endpoint-binder.ts'
import type { EndpointState } from './endpoint-state.ts'
import { isEndpointOffer, readOffer, type EndpointOffer, type Offer } from './offer.ts'
import type { Registry } from './registry.ts'
import type { Lane, OnHealth, Tunnel } from './tunnel.ts'

/** The parts that offers of all sessions share. */
export interface OfferParts {
  readonly registry: Registry
  readonly limits: Limits
  readonly refusals: LimitRefusals
  readonly log: Logger
  readonly endpoints: EndpointBinder
  readonly onHealth: OnHealth
  /** Public URLs that lead to a tunnel with these labels, for people. */
  endpointsFor(labels: Labels): readonly string[]
  /** The edges that lead to it, and who may visit there. */
  boundEdgesFor(labels: Labels): readonly BoundEdge[]
  readonly onFault: OnFault
  /** Sessions that have named their agent process, until they close. */
  readonly processes: AgentProcesses
}

/** The session, as far as offers need it. */
interface OfferingSession extends Claimant, ProcessMember {
  /** The agent's address. */
  readonly address: string
  readonly log: Logger
  tell(message: ControlMessage): void
  end(error: ProtocolError): void
}

/** An offer of an endpoint, until its host is reserved. */
interface Claim {
  health?: Health
}

const REASON_MAX_CHARS = 1024 // of `refused`

export class SessionOffers {
  readonly #session: OfferingSession
  readonly #parts: OfferParts
  /** By the agent's number of the tunnel. */
  readonly #lanes = new Map<number, Lane>()
  /** Offers of endpoints that wait for their host, and the agent's health reports meanwhile. */
  #claims: Map<number, Claim> | undefined
  #isLeaving = false

  constructor(session: OfferingSession, parts: OfferParts) {
    this.#session = session
    this.#parts = parts
  }

  /** Its current lanes. */
  get tunnels(): Tunnel[] {
    return [...this.#lanes.values()].map(({ tunnel }) => tunnel)
  }

  /** Numbers in use, including those of waiting endpoints. */
  get numbers(): number[] {
    return [...this.#lanes.keys(), ...(this.#claims?.keys() ?? [])]
  }

  /** The agent offers a tunnel. It gets `bound` or `refused`, at once or when its host is reserved. */
  bind(bind: Bind): void {
    const offer = readOffer(bind)
    if (offer instanceof ProtocolError) return this.#refuse(bind.tunnel_id, { ok: false, error: offer })
    const problem = this.#problemOf(offer)
    if (problem) return this.#refuse(offer.number, { ok: false, error: problem })
    if (!isEndpointOffer(offer)) return this.#bindLabels(offer)
    const claim: Claim = {}
    ;(this.#claims ??= new Map()).set(offer.number, claim)
    this.#bindEndpoint(offer, claim).catch((error: unknown) => {
      this.#session.end(new ProtocolError('internal', 'the endpoint could not be made', { cause: error }))
    })
  }

  /** The agent asks for another policy of its endpoint. It gets `bound` or `refused`; the tunnel stays either way. */
  changePolicy(change: PolicyChange): void {
    const { tunnel_id: number } = change
    const lane = this.#lanes.get(number)
    if (!lane) {
      return this.#refuse(number, { ok: false, error: new ProtocolError('bind_invalid', 'no tunnel has this id') })
    }
    this.#changePolicy(lane, change).catch((error: unknown) => {
      this.#session.end(new ProtocolError('internal', 'the endpoint could not be changed', { cause: error }))
    })
  }

  /** Tells the agent the new state of its endpoint. */
  tellState(number: number, state: EndpointState, remarks: readonly BindProblem[] = []): void {
    const { edgeId, visitors, url, redirectUri, policyRevision, policyWaitsFor } = state
    this.#session.tell({
      type: 'bound',
      tunnel_id: number,
      endpoints: [url],
      ...(redirectUri !== undefined && { redirect_uri: redirectUri }),
      edges: [{ edge_id: edgeId, visitors: [...visitors] }],
      ...(remarks.length > 0 && { remarks: [...remarks] }),
      policy_revision: policyRevision,
      ...(policyWaitsFor > 0 && { policy_waits_for: policyWaitsFor }),
    })
  }

  /** The agent takes an offer back. It gets `unbound` when no exchange of it is under way any more. */
  unbind(number: number): void {
    const lane = this.#lanes.get(number)
    if (!lane) {
      this.#claims?.delete(number)
      this.#session.tell({ type: 'unbound', tunnel_id: number })
      return
    }
    this.#session.log.info({ tunnelId: lane.tunnel.id }, 'tunnel leaving')
    lane.retire(() => {
      this.#lanes.delete(number)
      this.#session.tell({ type: 'unbound', tunnel_id: number })
    })
  }

  /** The agent's own check of its app. A tunnel that has been unbound meanwhile is gone. */
  hear(message: Health): void {
    const { tunnel_id, healthy, detail } = message
    const claim = this.#claims?.get(tunnel_id)
    if (claim) claim.health = message
    this.#lanes.get(tunnel_id)?.report(healthy, detail)
  }

  /** None of its tunnels gets new visitors; exchanges under way continue. */
  retire(): void {
    this.#isLeaving = true
    this.#claims = undefined
    for (const lane of this.#lanes.values()) {
      try {
        lane.retire()
      } catch (error) {
        this.#parts.onFault(error, 'tunnel_session') // the others still leave
      }
    }
  }

  /** The session has ended. */
  drop(): void {
    this.retire()
    this.#lanes.clear()
  }

  /** Why this agent may not offer it. */
  #problemOf({ number, labels, endpoint }: Offer): ProtocolError | undefined {
    if (this.#lanes.has(number) || this.#claims?.has(number)) {
      return new ProtocolError('bind_invalid', 'this tunnel id is in use')
    }
    const limit = this.#parts.limits.tunnels_per_agent
    const numbers = this.#parts.processes.tunnelNumbersOf(this.#session)
    if (numbers.size >= limit && !numbers.has(number)) {
      this.#parts.refusals.count('tunnels_per_agent', this.#session.address)
      return new ProtocolError('bind_invalid', `this agent already has ${limit} tunnels, which is the limit`)
    }
    if (endpoint || permitsLabels(this.#session.authtoken.acl, new Map(labels))) return undefined
    return new ProtocolError('bind_not_permitted', `this authtoken does not permit the labels of this tunnel`)
  }

  #refuse(number: number, { error, problems }: EndpointRefused): void {
    // Both may quote the agent.
    const paths = problems?.map(({ path }) => printable(path.join('.')))
    const reason = printable(error.message)
    this.#session.log.warn({ tunnelNumber: number, code: error.code, reason, ...(paths && { paths }) }, 'bind refused')
    this.#session.tell({
      type: 'refused',
      tunnel_id: number,
      code: error.code,
      reason: error.message.slice(0, REASON_MAX_CHARS),
      retryable: error.retryable,
      ...(problems && { problems: [...problems] }),
    })
  }

  #bindLabels(offer: Offer): void {
    const { lane, isNew } = this.#parts.registry.join(offer, this.#session, this.#parts.onHealth)
    const { tunnel } = lane
    const { labels, forwardsTo, metadata } = tunnel
    this.#lanes.set(offer.number, lane)
    const endpoints = this.#parts.endpointsFor(labels)
    this.#session.tell({
      type: 'bound',
      tunnel_id: offer.number,
      endpoints: endpoints.slice(0, 256),
      edges: [...this.#parts.boundEdgesFor(labels)],
    })
    if (!isNew) return this.#session.log.info({ tunnelId: tunnel.id }, 'tunnel has a further connection')
    if (endpoints.length === 0) {
      this.#session.tell({
        type: 'notice',
        level: 'warn',
        text: 'No edge of this relay leads to these labels yet, so no visitor will come this way. Check them for typing mistakes.',
      })
    }
    this.#session.log.info(
      { tunnelId: tunnel.id, labels: Object.fromEntries(labels), forwardsTo, metadata },
      'tunnel online',
    )
  }

  async #bindEndpoint(offer: EndpointOffer, claim: Claim): Promise<void> {
    const { number } = offer
    // It may be unbound meanwhile, or the session ends.
    const isWanted = (): boolean => this.#claims?.get(number) === claim
    const opened = await this.#parts.endpoints.bind(offer, this.#session, { isWanted, onHealth: this.#parts.onHealth })
    if (!opened || !isWanted()) return opened?.ok ? opened.lane.retire() : undefined
    this.#claims?.delete(number)
    if (!opened.ok) return this.#refuse(number, opened)
    const { lane, isNew, state, remarks, checkSignIn } = opened
    const { tunnel } = lane
    this.#lanes.set(number, lane)
    if (claim.health) this.hear(claim.health)
    this.tellState(number, state, isNew ? remarks : [])
    if (!isNew) return this.#session.log.info({ tunnelId: tunnel.id }, 'tunnel has a further connection')
    const { url, edgeId } = state
    this.#session.log.info(
      { tunnelId: tunnel.id, endpoint: url, edgeId, forwardsTo: tunnel.forwardsTo, metadata: tunnel.metadata },
      'tunnel online',
    )
    if (checkSignIn) await this.#tellOfSignIn(number, lane, checkSignIn)
  }

  async #changePolicy(lane: Lane, change: PolicyChange): Promise<void> {
    const { tunnel_id: number, policy_revision: revision } = change
    const heard = await this.#parts.endpoints.change(lane, change)
    if (this.#lanes.get(number) !== lane) return
    if (!heard.ok) return this.#refuse(number, heard)
    const { policyWaitsFor: waitsFor } = heard.state
    this.#session.log.info({ tunnelId: lane.tunnel.id, revision, waitsFor }, 'agent changes its policy')
    this.tellState(number, heard.state, heard.remarks)
    if (heard.checkSignIn) await this.#tellOfSignIn(number, lane, heard.checkSignIn)
  }

  /** Visitors are served meanwhile: the agent shows its user why visitors cannot sign in. */
  async #tellOfSignIn(number: number, lane: Lane, check: NonNullable<EndpointHeard['checkSignIn']>): Promise<void> {
    try {
      const notice = await check()
      if (notice && this.#lanes.get(number) === lane && !this.#isLeaving) {
        this.#session.tell({ type: 'notice', ...notice })
      }
    } catch (error) {
      this.#parts.onFault(error, 'endpoint') // the endpoint stays
    }
  }
}
