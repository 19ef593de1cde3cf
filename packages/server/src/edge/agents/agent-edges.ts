// Edges that agents bring (`agent http`); users know them as endpoints. While an agent serves one, it is an edge like those of
// relay.yml, with one route and the policy that the agent has sent.
//
//   free ──bind()──▶ online ──last tunnel gone──▶ waiting ──LINGER_MS──▶ free
//                      ▲────────────bind()───────────┘
//
// While it waits, visitors learn that no tunnel is online; afterwards they get 404. The host stays reserved for its
// authtoken for a day. Policies are not stored: the agent sends its policy again.

import type { IssuerReach } from '../../config/issuer-reach.ts'
import type { OnFault } from '../../exchange/border.ts'
import type { Logger } from '../../log.ts'
import { redirectUri as redirectUriOf } from '../../model/redirect-uri.ts'
import { signInsOf } from '../../model/sign-ins.ts'
import { hasExpressions, loadLanguage } from '../../policy/language.ts'
import type { OpenidConnectConfig } from '../../policy/openid-connect/openid-connect-schema.ts'
import { StoreUnavailable } from '../../store/store.ts'
import type {
  BindWishes,
  Claimant,
  EndpointBinder,
  EndpointNotice,
  EndpointOpened,
  EndpointRefused,
} from '../../tunnel/endpoint-binder.ts'
import type { EndpointOffer } from '../../tunnel/offer.ts'
import type { Lane, LaneCarrier, OnHealth } from '../../tunnel/tunnel.ts'
import type { EdgeBook } from '../edge-book.ts'
import { visitorsOf } from '../who-may-pass.ts'
import { AgentEdge } from './agent-edge.ts'
import type { Wanted } from './agent-edge.ts'
import { agentEdgeId, buildAgentEdge, buildExpectedEdge, hostOfLabels, labelsOfHost } from './build-agent-edge.ts'
import type { BuildBrought } from './build-agent-edge.ts'
import { hostOfUrl, randomHost } from './endpoint-host.ts'
import { readEndpointPolicy } from './endpoint-policy.ts'
import type { EndpointPolicy } from './endpoint-policy.ts'
import { HostRules } from './host-rules.ts'
import type { HostRulesInit } from './host-rules.ts'
import { refuseEndpoint } from './refuse-endpoint.ts'

const RENEW_MS = 600_000 // between two checks of the hosts in use; each host is written to the store once an hour

export interface AgentEdgesInit extends Omit<HostRulesInit, 'isConfigured'> {
  book: EdgeBook
  build: BuildBrought
  requireSignIn: boolean
  /** The places in which a provider may be that an agent names. */
  issuers: IssuerReach
  identityJwt: boolean
  /** Whether visitors' TLS ends at the relay. */
  endsTls: boolean
  /** Checks the sign-in for the agent; resolves to undefined if there is nothing to report. */
  checkSignIn: (config: OpenidConnectConfig, authtokenId: string) => Promise<EndpointNotice | undefined>
  log: Logger
  onFault: OnFault
  /** Shorter in tests. */
  lingerMs?: number
}

export class AgentEdges implements EndpointBinder {
  readonly #init: AgentEdgesInit
  readonly #rules: HostRules
  readonly #byHost = new Map<string, AgentEdge>()
  readonly #renewal: NodeJS.Timeout

  constructor(init: AgentEdgesInit) {
    this.#init = init
    const isConfigured = (host: string): boolean => init.book.isConfigured(host)
    const at = (host: string): AgentEdge | undefined => this.#byHost.get(host)
    this.#rules = new HostRules({ ...init, isConfigured }, { at, remove: (edge) => this.#remove(edge) })
    // Their agents were connected to this relay before it restarted, and will come back.
    for (const { host, authtoken_id } of init.reservations.recent()) {
      if (init.isValid(authtoken_id) && this.#rules.isFree(host)) this.#expect(host, authtoken_id)
    }
    this.#renewal = setInterval(() => void this.#renew(), RENEW_MS).unref()
  }

  async bind(
    offer: EndpointOffer,
    claimant: Claimant,
    { isWanted, onHealth }: BindWishes,
  ): Promise<EndpointOpened | EndpointRefused | undefined> {
    try {
      const reserved = await this.#reserve(offer, claimant)
      // The rest runs in one turn. Another agent may have been faster meanwhile, and this one may have withdrawn its
      // request.
      if (!isWanted()) return undefined
      return 'error' in reserved ? reserved : this.#open(reserved, onHealth)
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) this.#init.onFault(error, 'endpoint')
      return refuseEndpoint('internal', 'the relay cannot reserve the host at the moment')
    }
  }

  adopt(offer: EndpointOffer, session: LaneCarrier, onHealth: OnHealth): Lane | undefined {
    const host = hostOfLabels(new Map(offer.labels))
    const read = this.#readPolicy(offer.endpoint.policy, session.authtokenId, host)
    const opened = 'error' in read ? read : this.#open({ offer, session, host, ...read }, onHealth)
    if (opened.ok) return opened.lane
    this.#init.log.warn({ host, reason: opened.error.message }, 'endpoint of another node not taken')
    return undefined
  }

  /** Stops waiting and renewing. The book closes the edges. */
  close(): void {
    clearInterval(this.#renewal)
    for (const served of this.#byHost.values()) served.resume()
    this.#init.reservations.close()
  }

  async #reserve(offer: EndpointOffer, claimant: Claimant): Promise<Wanted | EndpointRefused> {
    const { authtoken } = claimant
    const { url, policy } = offer.endpoint
    const host = url === '' ? randomHost(offer, claimant, this.#init) : hostOfUrl(url, this.#init)
    if (typeof host !== 'string') return host
    const refused = this.#rules.refusalOf(host, authtoken, url === '')
    if (refused) return refused
    if (hasExpressions(policy)) await loadLanguage()
    const read = this.#readPolicy(policy, authtoken.id, host)
    if ('error' in read) return read
    const wanted = { offer: { ...offer, labels: [...labelsOfHost(host)] }, session: claimant, host, ...read }
    return (await this.#rules.reserve(wanted, authtoken)) ?? wanted
  }

  #readPolicy(policy: unknown, authtokenId: string, host: string): EndpointPolicy | EndpointRefused {
    const { publicUrl, issuers, identityJwt, endsTls, requireSignIn } = this.#init
    const id = agentEdgeId(authtokenId, host)
    return readEndpointPolicy(policy, { id, host, publicUrl, issuers, identityJwt, endsTls, requireSignIn })
  }

  #open(wanted: Wanted, onHealth: OnHealth): EndpointOpened | EndpointRefused {
    const conflict = this.#rules.conflictOf(wanted)
    if (conflict) return conflict
    try {
      return this.#bringOnline(wanted, onHealth)
    } catch (error) {
      this.#init.onFault(error, 'endpoint')
      const served = this.#byHost.get(wanted.host)
      if (served && !served.isOnline) served.wait()
      return refuseEndpoint('internal', 'the relay cannot make this endpoint')
    }
  }

  #bringOnline(wanted: Wanted, onHealth: OnHealth): EndpointOpened {
    const { offer, session, host, config, remarks } = wanted
    const { publicUrl, registry, originOf } = this.#init
    const served = this.#edgeFor(wanted)
    served.resume()
    const { lane, isNew } = registry.join(offer, session, onHealth, () => this.#onTunnelGone(served))
    const [signIn] = signInsOf([config])
    const redirectUri = signIn && redirectUriOf(publicUrl.origin, signIn.config.issuer_url)
    const checkSignIn = signIn && (() => this.#init.checkSignIn(signIn.config, session.authtokenId))
    return {
      ok: true,
      lane,
      isNew,
      edgeId: config.id,
      visitors: visitorsOf(config.routes),
      url: originOf(host),
      redirectUri,
      remarks,
      checkSignIn,
    }
  }

  // ── the edges ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The present edge of the host, if it has the same owner and policy; otherwise a new one in its place. */
  #edgeFor(wanted: Wanted): AgentEdge {
    const { offer, session, host, config, digest } = wanted
    const { authtokenId } = session
    const before = this.#byHost.get(host)
    const served = before?.fits(wanted)
      ? before
      : this.#put(host, authtokenId, buildAgentEdge(this.#init.build, config, host, authtokenId), digest)
    if (!served.isOnline) served.pooling = offer.endpoint.pooling
    return served
  }

  /** Reserves the place of an edge until its agent is back. */
  #expect(host: string, authtokenId: string): void {
    this.#put(host, authtokenId, buildExpectedEdge(this.#init.build, host, authtokenId), undefined).wait()
  }

  #put(host: string, authtokenId: string, edge: AgentEdge['edge'], digest: string | undefined): AgentEdge {
    const { book, lingerMs } = this.#init
    const onGivenUp = (given: AgentEdge): void => this.#remove(given)
    const served = new AgentEdge({ host, authtokenId, edge, digest, onGivenUp, lingerMs })
    const before = this.#byHost.get(host)
    this.#byHost.set(host, served)
    book.put('agents', edge)
    before?.resume()
    if (before) book.remove('agents', before.edge) // if the owner is the same, the new edge has replaced it already
    return served
  }

  /** The edge may have been replaced or removed before its last tunnel left. */
  #onTunnelGone(served: AgentEdge): void {
    if (this.#byHost.get(served.host) === served && !served.isOnline) served.wait()
  }

  #remove(served: AgentEdge): void {
    served.resume()
    if (this.#byHost.get(served.host) !== served) return
    this.#byHost.delete(served.host)
    this.#init.book.remove('agents', served.edge)
  }

  async #renew(): Promise<void> {
    for (const { host, authtokenId, isOnline } of this.#byHost.values()) {
      if (!isOnline) continue
      try {
        await this.#init.reservations.take(host, authtokenId, () => false)
      } catch (error) {
        this.#init.log.warn({ err: error, host }, 'the reservation of a host was not renewed')
      }
    }
  }
}
