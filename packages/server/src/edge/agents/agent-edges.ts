// Edges that agents bring (`agent http`); users know them as endpoints. While an agent serves one, it is an edge like those of
// relay.yml, with one route and the policy that the agent has sent.
//
//   free ──bind()──▶ online ──last tunnel gone──▶ waiting ──LINGER_MS──▶ free
//                      ▲────────────bind()───────────┘
//
// An agent may ask for another policy of an edge that is online: the edge is replaced when all of its agents ask for it.
// While it waits, visitors learn that no tunnel is online; afterwards they get 404. The host stays reserved for its
// authtoken for a day. Policies are not stored: the agent sends its policy again.

import type { PolicyChange } from '@sallyport/protocol'

import type { IssuerReach } from '../../config/issuer-reach.ts'
import type { Vaults } from '../../config/schema/sources-schema.ts'
import type { OnFault } from '../../exchange/border.ts'
import type { Logger } from '../../log.ts'
import { redirectUri as redirectUriOf } from '../../model/redirect-uri.ts'
import { signInsOf } from '../../model/sign-ins.ts'
import type { Supply } from '../../policy/engine/tree/demands.ts'
import { hasExpressions, loadLanguage } from '../../policy/language.ts'
import type { OpenidConnectConfig } from '../../policy/openid-connect/openid-connect-schema.ts'
import { StoreUnavailable } from '../../store/store.ts'
import type {
  BindWishes,
  Claimant,
  EndpointBinder,
  EndpointHeard,
  EndpointNotice,
  EndpointOpened,
  EndpointRefused,
} from '../../tunnel/endpoint-binder.ts'
import type { EndpointState } from '../../tunnel/endpoint-state.ts'
import type { EndpointOffer } from '../../tunnel/offer.ts'
import type { Lane, LaneCarrier, OnHealth, Tunnel } from '../../tunnel/tunnel.ts'
import type { EdgeBook } from '../edge-book.ts'
import { visitorsOf } from '../who-may-pass.ts'
import { lastingIdOf } from '../../tunnel/tunnel.ts'
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
import type { Statement } from './statements.ts'

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
  /** The data that a policy may read, with the secrets of its agent. */
  supplyWith: (secrets: Vaults) => Supply
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

  async change(
    lane: Lane,
    { policy, policy_revision: revision }: PolicyChange,
  ): Promise<EndpointHeard | EndpointRefused> {
    try {
      if (hasExpressions(policy)) await loadLanguage()
      return this.#hear(lane, policy, revision)
    } catch (error) {
      this.#init.onFault(error, 'endpoint')
      return refuseEndpoint('internal', 'the relay cannot make this endpoint')
    }
  }

  hear(lane: Lane, { endpoint: { policy, revision } }: EndpointOffer): void {
    try {
      this.#hear(lane, policy, revision)
    } catch (error) {
      this.#init.onFault(error, 'endpoint') // the old policy stays here; its own node tells the agent
    }
  }

  adopt(offer: EndpointOffer, session: LaneCarrier, onHealth: OnHealth): Lane | undefined {
    const host = hostOfLabels(new Map(offer.labels))
    const { policy, meanwhile } = offer.endpoint
    const read = this.#readPolicy(policy, session.authtokenId, host)
    const readMeanwhile = meanwhile && this.#readPolicy(meanwhile.policy, session.authtokenId, host)
    const opened = this.#adopt(offer, session, host, read, readMeanwhile, onHealth)
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

  #adopt(
    offer: EndpointOffer,
    session: LaneCarrier,
    host: string,
    read: EndpointPolicy | EndpointRefused,
    meanwhile: EndpointPolicy | EndpointRefused | undefined,
    onHealth: OnHealth,
  ): EndpointOpened | EndpointRefused {
    if ('error' in read) return read
    if (meanwhile && 'error' in meanwhile) return meanwhile
    return this.#open({ offer, session, host, ...read, ...(meanwhile && { meanwhile }) }, onHealth)
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
    const { publicUrl, issuers, identityJwt, endsTls, supplyWith, requireSignIn } = this.#init
    const id = agentEdgeId(authtokenId, host)
    const place = { id, host, publicUrl, issuers, identityJwt, endsTls, supplyWith, requireSignIn }
    return readEndpointPolicy(policy, place)
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
    const { offer, session, host } = wanted
    const served = this.#edgeFor(wanted)
    served.resume()
    const onGone = (): void => this.#onTunnelGone(host, lastingIdOf(offer.number, session))
    const { lane, isNew } = this.#init.registry.join(offer, session, onHealth, onGone)
    this.#note(lane, wanted)
    return { ok: true, lane, isNew, ...this.#tell(host, lane.tunnel), remarks: wanted.remarks }
  }

  /** The state of an endpoint, for the agent of one of its tunnels. */
  #tell(host: string, tunnel: Tunnel): Pick<EndpointOpened, 'state' | 'checkSignIn'> {
    const { publicUrl, originOf } = this.#init
    const { authtokenId } = tunnel
    const { edge, digest, tunnels, statements } = this.#byHost.get(host)! // a tunnel of it is online
    const said = statements.of(tunnel.lastingId)
    const routes = edge.routes.map(({ config }) => config)
    const [signIn] = signInsOf([{ id: edge.id, hosts: edge.hosts, routes }])
    const state: EndpointState = {
      edgeId: edge.id,
      visitors: visitorsOf(routes, edge.onConnect, edge.hosts),
      url: originOf(host),
      redirectUri: signIn && redirectUriOf(publicUrl.origin, signIn.config.issuer_url),
      policyRevision: said?.offer.endpoint.revision ?? 0,
      policyWaitsFor: said && said.digest !== digest ? statements.countOthers(said.digest, tunnels) : 0,
    }
    return { state, checkSignIn: signIn && (() => this.#init.checkSignIn(signIn.config, authtokenId)) }
  }

  // ── changed policies ─────────────────────────────────────────────────────────────────────────────────────────────

  #hear(lane: Lane, policy: unknown, revision: number): EndpointHeard | EndpointRefused {
    const { tunnel } = lane
    const host = hostOfLabels(tunnel.labels)
    const served = this.#byHost.get(host)
    const said = served?.statements.of(tunnel.lastingId)
    if (!served || !said || tunnel.isGone) return refuseEndpoint('bind_invalid', 'this endpoint is not bound')
    const read = this.#readPolicy(policy, tunnel.authtokenId, host)
    if ('error' in read) return read
    const { meanwhile: _, ...endpoint } = said.offer.endpoint
    const offer = { ...said.offer, endpoint: { ...endpoint, policy, revision } }
    const edgeBefore = served.edge
    try {
      this.#note(lane, { offer, ...read })
    } catch (error) {
      served.statements.reset(tunnel.lastingId, said)
      throw error
    }
    const { state, checkSignIn } = this.#tell(host, tunnel)
    const isSwapped = this.#byHost.get(host)?.edge !== edgeBefore
    return { ok: true, state, remarks: read.remarks, checkSignIn: isSwapped ? checkSignIn : undefined }
  }

  /** Notes which policy an agent asks for. The caller answers the agent. */
  #note({ tunnel, session }: Lane, said: Statement): void {
    const { offer, digest } = said
    const host = hostOfLabels(tunnel.labels)
    const served = this.#byHost.get(host)
    if (!served) return
    const isNews = served.statements.hear(tunnel.lastingId, said)
    if (this.#settle(host, session)) return
    if (isNews ? digest !== served.digest : served.statements.of(tunnel.lastingId)?.offer !== offer)
      this.#relist(served)
  }

  /** Gives a host the policy that all of its agents ask for, and tells them. @returns whether it has another one now */
  #settle(host: string, asking?: LaneCarrier): boolean {
    const served = this.#byHost.get(host)
    const agreed = served?.statements.agreedBy(served.tunnels)
    if (!served || !agreed || agreed.digest === served.digest) return false
    const { authtokenId, pooling } = served
    const edge = buildAgentEdge(this.#init.build, agreed.config, host, { authtokenId, secrets: agreed.secrets })
    const swapped = this.#put(host, authtokenId, edge, agreed)
    swapped.pooling = pooling
    this.#init.log.info({ edgeId: edge.id, host }, 'endpoint has another policy')
    this.#relist(swapped)
    for (const tunnel of swapped.tunnels) {
      const { state } = this.#tell(host, tunnel)
      for (const session of tunnel.sessions) if (session !== asking) session.onEndpointChanged?.(tunnel, state)
    }
    return true
  }

  /** The other nodes get the last statements of the agents here, and the policy that counts until all agree. */
  #relist({ statements, tunnels, policy: current, digest }: AgentEdge): void {
    for (const { lastingId, lanes } of tunnels) {
      const said = statements.of(lastingId)
      if (!said) continue
      const meanwhile = said.digest === digest ? undefined : { meanwhile: { policy: current?.policy } }
      const offer = { ...said.offer, endpoint: { ...said.offer.endpoint, ...meanwhile } }
      for (const lane of lanes) this.#init.registry.relist(lane, offer)
    }
  }

  // ── the edges ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The present edge of the host, if it is online or has the same owner and policy; otherwise a new one in its place. */
  #edgeFor(wanted: Wanted): AgentEdge {
    const { offer, session, host, meanwhile: policy = wanted } = wanted
    const { authtokenId } = session
    const before = this.#byHost.get(host)
    const bringer = { authtokenId, secrets: policy.secrets }
    const served =
      before && (before.isOnline || before.fits(wanted))
        ? before
        : this.#put(host, authtokenId, buildAgentEdge(this.#init.build, policy.config, host, bringer), policy)
    if (!served.isOnline) served.pooling = offer.endpoint.pooling
    return served
  }

  /** Reserves the place of an edge until its agent is back. */
  #expect(host: string, authtokenId: string): void {
    this.#put(host, authtokenId, buildExpectedEdge(this.#init.build, host, authtokenId), undefined).wait()
  }

  #put(host: string, authtokenId: string, edge: AgentEdge['edge'], policy: EndpointPolicy | undefined): AgentEdge {
    const { book, lingerMs } = this.#init
    const onGivenUp = (given: AgentEdge): void => this.#remove(given)
    const before = this.#byHost.get(host)
    const statements = before?.authtokenId === authtokenId ? before.statements : undefined
    const served = new AgentEdge({ host, authtokenId, edge, policy, statements, onGivenUp, lingerMs })
    this.#byHost.set(host, served)
    book.put('agents', edge)
    before?.resume()
    if (before) book.remove('agents', before.edge) // if the owner is the same, the new edge has replaced it already
    return served
  }

  /** The edge may have been replaced or removed before its last tunnel left. */
  #onTunnelGone(host: string, lastingId: string): void {
    const served = this.#byHost.get(host)
    if (!served) return
    served.statements.reset(lastingId)
    if (!served.isOnline) return served.wait()
    try {
      this.#settle(host)
    } catch (error) {
      this.#init.onFault(error, 'endpoint') // the old policy stays
    }
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
