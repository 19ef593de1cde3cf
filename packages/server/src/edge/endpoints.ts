// Endpoints that agents bring along (`agent http`): for as long as an agent serves one, it is an edge like those of
// relay.yml, with one route and the policy that the agent has sent.
//
//   free ──open()──▶ online ──last tunnel gone──▶ waiting ──LINGER_MS──▶ free
//                      ▲────────────open()───────────┘
//
// While it waits, visitors learn that no tunnel is online; afterwards, that nothing is there. The host itself stays
// reserved for its authtoken for a day. Nothing of a policy is written down: the agent sends it anew.

import { createHash } from 'node:crypto'

import type { Labels } from '@sallyport/protocol'

import { outlierLog } from '../backend/log-outlier.ts'
import { RouteBackend } from '../backend/route-backend.ts'
import { TunnelGroup } from '../backend/tunnel-group.ts'
import type { OpenidConnectConfig } from '../policy/openid-connect/openid-connect-schema.ts'
import type { PolicyConfig } from '../model/edge-config.ts'
import { redirectUri as redirectUriOf } from '../model/redirect-uri.ts'
import { signInsOf } from '../model/sign-ins.ts'
import { sharedCookieDomain } from '../model/cookie-domains.ts'
import type { IssuerReach } from '../config/issuer-reach.ts'
import { RelayError } from '../errors.ts'
import { Attempts } from '../exchange/attempts.ts'
import type { OnFault } from '../exchange/border.ts'
import { HeaderEdits } from '../exchange/header-edits.ts'
import type { LimitRefusals } from '../exchange/limit-refusals.ts'
import type { Logger } from '../log.ts'
import type { Look } from '../pages/look.ts'
import type { Policy } from '../policy/compose.ts'
import { StoreUnavailable } from '../store/store.ts'
import { permitsHost } from '../tunnel/acl.ts'
import type { Authtoken } from '../tunnel/authtokens.ts'
import type {
  BindWishes,
  Claimant,
  EndpointBinder,
  EndpointNotice,
  EndpointOpened,
  EndpointRefused,
} from '../tunnel/endpoint-binder.ts'
import type { EndpointOffer } from '../tunnel/offer.ts'
import type { Lane, LaneCarrier, OnHealth } from '../tunnel/tunnel.ts'
import type { Registry, Selection } from '../tunnel/registry.ts'
import type { Reservations } from '../tunnel/reservations.ts'
import { Edge } from './edge.ts'
import type { EdgeTable } from './edge-table.ts'
import { hostOfUrl, randomHost } from './endpoint-host.ts'
import type { EndpointAddresses } from './endpoint-host.ts'
import { readEndpointPolicy } from './endpoint-policy.ts'
import type { EndpointPolicy } from './endpoint-policy.ts'
import type { KnownEdge } from './known-edge.ts'
import { refuseEndpoint } from './refuse-endpoint.ts'
import { visitorsOf } from './who-may-pass.ts'

const LINGER_MS = 120_000 // an agent that has lost its relay tries again within 30 s
const RENEW_MS = 600_000 // how often those in use are noted; the store hears of it once an hour
const NEW_HOSTS_PER_MINUTE = 60 // of one authtoken, where it may not have more at a time: each is a write to the store

/** By this its tunnels are found. No agent and no edge can write a label with `=` in its key. */
const ENDPOINT_LABEL = '=endpoint'

export interface EndpointsInit extends EndpointAddresses {
  edges: EdgeTable
  registry: Registry
  reservations: Reservations
  requireSignIn: boolean
  /** Under which edges of the configuration share sessions. */
  cookieDomains: ReadonlySet<string>
  /** Where the providers may be at which visitors sign in. */
  issuers: IssuerReach
  identityJwt: boolean
  maxPerAuthtoken: number
  refusals: LimitRefusals
  policyOf: (config: PolicyConfig, edgeId: string, authtokenId: string) => Policy
  /** What the agent is told of its sign-in; undefined where nothing can be said. */
  checkSignIn: (config: OpenidConnectConfig, authtokenId: string) => Promise<EndpointNotice | undefined>
  /** Forgets the sign-ins of an edge that is gone. */
  forgetSignIns: (edgeId: string) => void
  /** Whether an authtoken can still be used: what a revoked one has reserved is free. */
  isValid: (authtokenId: string) => boolean
  /** Of the pages that the relay shows in place of an endpoint. */
  look: Look
  log: Logger
  onFault: OnFault
  /** What a test shortens. */
  lingerMs?: number
}

interface Endpoint {
  readonly host: string
  readonly authtokenId: string
  readonly selection: Selection
  edge: Edge
  backend: RouteBackend
  /** Of the policy; undefined while only the reservation is known. */
  digest: string | undefined
  pooling: boolean
  waiting: NodeJS.Timeout | undefined
}

/** An offer whose every word has been checked. */
interface Wanted extends EndpointPolicy {
  /** With the labels of its host. */
  offer: EndpointOffer
  session: LaneCarrier
  host: string
}

export class Endpoints implements EndpointBinder {
  readonly #init: EndpointsInit
  readonly #byHost = new Map<string, Endpoint>()
  /** How many claims are about to open a host. */
  readonly #claims = new Map<string, number>()
  readonly #newHosts: Attempts
  readonly #gone = { granted: 0, refused: 0 }
  readonly #renewal: NodeJS.Timeout

  constructor(init: EndpointsInit) {
    this.#init = init
    this.#newHosts = new Attempts(Math.max(NEW_HOSTS_PER_MINUTE, init.maxPerAuthtoken))
    // Their agents are on their way back from the last relay here.
    for (const { host, authtoken_id } of init.reservations.recent()) {
      const isFree = !this.isConfigured(host) && sharedCookieDomain(host, init.cookieDomains) === undefined
      if (init.isValid(authtoken_id) && isFree) this.#expect(host, authtoken_id)
    }
    this.#renewal = setInterval(() => void this.#renew(), RENEW_MS).unref()
  }

  /** Tries on another tunnel, over all endpoints since the start. */
  get retries(): { granted: number; refused: number } {
    let { granted, refused } = this.#gone
    for (const { backend } of this.#byHost.values()) {
      granted += backend.budget.granted
      refused += backend.budget.refused
    }
    return { granted, refused }
  }

  /** Tunnels that an endpoint does without because they fail where their siblings do not. @param now monotonic milliseconds */
  failingAt(now: number): number {
    let count = 0
    for (const { backend } of this.#byHost.values()) count += backend.failingAt(now)
    return count
  }

  /** How many hosts agents serve, or have served until a moment ago. */
  get size(): number {
    return this.#byHost.size
  }

  /** All of them, those that wait for their agent included. */
  *known(): Iterable<KnownEdge> {
    for (const endpoint of this.#byHost.values()) yield this.#asKnown(endpoint)
  }

  /** The one that leads to a tunnel; undefined where that has labels of its own. */
  edgeFor(labels: Labels): KnownEdge | undefined {
    const endpoint = this.#byHost.get(labels.get(ENDPOINT_LABEL) ?? '')
    return endpoint && this.#asKnown(endpoint)
  }

  /** Whether an edge of the configuration has the host. */
  isConfigured(host: string): boolean {
    const edge = this.#init.edges.find(host)
    return edge !== undefined && edge !== this.#byHost.get(host)?.edge
  }

  async bind(
    offer: EndpointOffer,
    claimant: Claimant,
    { isWanted, onHealth }: BindWishes,
  ): Promise<EndpointOpened | EndpointRefused | undefined> {
    try {
      const wanted = await this.#reserve(offer, claimant)
      // From here on in one turn: another agent may have been faster meanwhile, and this one may have changed its mind.
      if (!isWanted()) return undefined
      return 'error' in wanted ? wanted : this.#open(wanted, onHealth)
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) this.#init.onFault(error, 'endpoint')
      return refuseEndpoint('internal', 'the relay cannot reserve the host at the moment')
    }
  }

  adopt(offer: EndpointOffer, session: LaneCarrier, onHealth: OnHealth): Lane | undefined {
    const host = new Map(offer.labels).get(ENDPOINT_LABEL) ?? ''
    const read = this.#readPolicy(offer.endpoint.policy, session.authtokenId, host)
    const opened = 'error' in read ? read : this.#open({ offer, session, host, ...read }, onHealth)
    if (opened.ok) return opened.lane
    this.#init.log.warn({ host, reason: opened.error.message }, 'endpoint of another node not taken')
    return undefined
  }

  close(): void {
    clearInterval(this.#renewal)
    for (const { waiting } of this.#byHost.values()) clearTimeout(waiting)
    this.#init.reservations.close()
  }

  #asKnown({ edge, host, authtokenId, selection }: Endpoint): KnownEdge {
    const endpoints = [this.#init.originOf(host)]
    return { id: edge.id, hosts: [host], endpoints, authtokenId, groups: [{ labels: undefined, selection }] }
  }

  async #reserve(offer: EndpointOffer, claimant: Claimant): Promise<Wanted | EndpointRefused> {
    const { authtoken } = claimant
    const { url, policy } = offer.endpoint
    const host = url === '' ? randomHost(offer, claimant, this.#init) : hostOfUrl(url, this.#init)
    if (typeof host !== 'string') return host
    const refused = this.#hostRefused(host, authtoken, url === '')
    if (refused) return refused
    const read = this.#readPolicy(policy, authtoken.id, host)
    if ('error' in read) return read
    const wanted: Wanted = { offer: { ...offer, labels: [...labelsOf(host)] }, session: claimant, host, ...read }

    this.#claims.set(host, (this.#claims.get(host) ?? 0) + 1)
    try {
      if (this.#conflict(wanted)) await this.#confirmHolders(wanted)
      const conflict = this.#conflict(wanted)
      if (conflict) return conflict
      const isNew = this.#init.reservations.of(host)?.authtoken_id !== authtoken.id
      if (isNew && !this.#newHosts.take(authtoken.id, Date.now())) {
        return refuseEndpoint(
          'limit_reached',
          'agents of this authtoken have asked for too many new hosts; wait a minute',
        )
      }
      const full = await this.#makeRoom(host, authtoken)
      if (full) return full
      const isOurs = await this.#init.reservations.take(host, authtoken.id, (holder) => !this.#init.isValid(holder))
      if (!isOurs)
        return refuseEndpoint('bind_not_permitted', `${host} belongs to another authtoken; choose another name`)
    } finally {
      const left = (this.#claims.get(host) ?? 1) - 1
      if (left > 0) this.#claims.set(host, left)
      else this.#claims.delete(host)
    }
    return wanted
  }

  #open(wanted: Wanted, onHealth: OnHealth): EndpointOpened | EndpointRefused {
    const conflict = this.#conflict(wanted)
    if (conflict) return conflict
    try {
      return this.#bringOnline(wanted, onHealth)
    } catch (error) {
      this.#init.onFault(error, 'endpoint')
      return refuseEndpoint('internal', 'the relay cannot make this endpoint')
    }
  }

  #bringOnline(wanted: Wanted, onHealth: OnHealth): EndpointOpened {
    const { offer, session, host, config } = wanted
    const { publicUrl, registry, originOf } = this.#init
    const endpoint = this.#endpointFor(wanted)
    clearTimeout(endpoint.waiting)
    const { lane, isNew } = registry.join(offer, session, onHealth, () => this.#onTunnelGone(endpoint))
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
      checkSignIn,
    }
  }

  // ── what stands in the way ───────────────────────────────────────────────────────────────────────────────────────

  #hostRefused(host: string, { acl }: Authtoken, isRandom: boolean): EndpointRefused | undefined {
    const { domain, publicUrl } = this.#init
    if (!permitsHost(acl, host, domain)) {
      const reason = isRandom
        ? `this authtoken permits no random host below ${domain}; name one that it permits with --url`
        : `this authtoken does not permit the host ${host}`
      return refuseEndpoint('bind_not_permitted', reason)
    }
    if (host === publicUrl.hostname)
      return refuseEndpoint('bind_invalid', `${host} is the relay's own host; choose another`)
    if (this.isConfigured(host)) {
      return refuseEndpoint(
        'bind_invalid',
        `an edge in the configuration of the relay covers ${host}; choose another host`,
      )
    }
    const shared = sharedCookieDomain(host, this.#init.cookieDomains)
    if (shared !== undefined) {
      return refuseEndpoint(
        'bind_invalid',
        `edges in the configuration of the relay share sessions under ${shared} (auth_cookie_domain), and ${host} could reach their cookies; choose another host`,
      )
    }
    return undefined
  }

  #readPolicy(policy: unknown, authtokenId: string, host: string): EndpointPolicy | EndpointRefused {
    const { publicUrl, issuers, identityJwt, requireSignIn } = this.#init
    const id = edgeIdOf(authtokenId, host)
    return readEndpointPolicy(policy, { id, host, publicUrl, issuers, identityJwt, requireSignIn })
  }

  /** Why an agent may not join those that serve the host at the moment. */
  #conflict(wanted: Wanted): EndpointRefused | undefined {
    const { offer, session, host, digest } = wanted
    const endpoint = this.#byHost.get(host)
    if (!endpoint || endpoint.selection.tunnels.length === 0) return undefined
    const url = this.#init.originOf(host)
    if (endpoint.authtokenId !== session.authtokenId) {
      return refuseEndpoint('bind_not_permitted', `${host} belongs to another authtoken; choose another name`)
    }
    const isSamePolicy = endpoint.digest === digest
    if (isSamePolicy && this.#init.registry.knows(offer, session)) return undefined
    const { pooling } = offer.endpoint
    if (!pooling || !endpoint.pooling) {
      const both = pooling
        ? 'that one was not started with --pooling-enabled'
        : 'to share it, start both with --pooling-enabled'
      // One that is connected to other nodes only may be on its way out.
      const isNear = endpoint.selection.tunnels.some((tunnel) => tunnel.isNear)
      return refuseEndpoint(isNear ? 'bind_invalid' : 'limit_reached', `another agent serves ${url} already; ${both}`)
    }
    if (isSamePolicy) return undefined
    return refuseEndpoint(
      'bind_invalid',
      `another agent serves ${url} with another policy; agents that pool need the same flags for sign-in, addresses and headers`,
    )
  }

  /** An agent that was cut off without a word must not stand in its successor's way. A stranger is told no at once. */
  async #confirmHolders({ host, session }: Wanted): Promise<void> {
    const endpoint = this.#byHost.get(host)
    if (endpoint?.authtokenId !== session.authtokenId) return
    const { tunnels } = endpoint.selection
    await Promise.all(tunnels.flatMap((tunnel) => tunnel.sessions.map((session) => session.confirm())))
  }

  /** One whose agent is away gives way to a new one, the longest unused first. */
  async #makeRoom(host: string, { id }: Authtoken): Promise<EndpointRefused | undefined> {
    const { reservations, maxPerAuthtoken } = this.#init
    const others = reservations.hostsOf(id).filter((other) => other !== host)
    if (others.length < maxPerAuthtoken) return undefined
    const idle = others.find((other) => {
      const isOnline = (this.#byHost.get(other)?.selection.tunnels.length ?? 0) > 0
      return !isOnline && !this.#claims.has(other)
    })
    if (idle === undefined) {
      this.#init.refusals.count('endpoints_per_authtoken')
      return refuseEndpoint(
        'bind_invalid',
        `this authtoken already has ${maxPerAuthtoken} endpoints, which is the limit`,
      )
    }
    const endpoint = this.#byHost.get(idle)
    if (endpoint) this.#remove(endpoint)
    await reservations.release(idle)
    return undefined
  }

  // ── the life of an endpoint ──────────────────────────────────────────────────────────────────────────────────────

  /** The one that stands, where it has the same owner and policy; otherwise a new one in its place. */
  #endpointFor(wanted: Wanted): Endpoint {
    const { offer, session, host, digest } = wanted
    let endpoint = this.#byHost.get(host)
    if (endpoint && (endpoint.authtokenId !== session.authtokenId || endpoint.digest !== digest)) {
      this.#remove(endpoint)
      endpoint = undefined
    }
    endpoint ??= this.#add(wanted)
    if (endpoint.selection.tunnels.length === 0) endpoint.pooling = offer.endpoint.pooling
    return endpoint
  }

  #add({ offer, session, host, config, digest }: Wanted): Endpoint {
    const { edges, registry, policyOf, originOf, log, look } = this.#init
    const selection = registry.select(labelsOf(host))
    const backend = new RouteBackend(new TunnelGroup({ selection, onOutlier: outlierLog(log, config.id) }), [], {
      advice: (texts) => texts.instead.agentAway,
    })
    const routes = config.routes.map((route) => ({
      match: route,
      policy: keepingSiteData(policyOf(route.policy, config.id, session.authtokenId)),
      backend,
    }))
    const edge = new Edge(config.id, routes, originOf, look)
    const endpoint: Endpoint = {
      host,
      authtokenId: session.authtokenId,
      selection,
      edge,
      backend,
      digest,
      pooling: offer.endpoint.pooling,
      waiting: undefined,
    }
    this.#byHost.set(host, endpoint)
    edges.add(edge, [host])
    return endpoint
  }

  /** An endpoint of which nothing is known but its host, until its agent is back. Serves nobody. */
  #expect(host: string, authtokenId: string): void {
    const { edges, registry, originOf, look } = this.#init
    const selection = registry.select(labelsOf(host))
    const backend = new RouteBackend(new TunnelGroup({ selection }), [])
    const policy = async (): Promise<void> => {
      throw new RelayError('no_tunnel_online', {
        operator: { advice: (texts) => texts.instead.agentNotBack },
        headers: { 'retry-after': '5' },
      })
    }
    const edge = new Edge(
      edgeIdOf(authtokenId, host),
      [{ match: { path_prefix: '/' }, policy, backend }],
      originOf,
      look,
    )
    const endpoint: Endpoint = {
      host,
      authtokenId,
      selection,
      edge,
      backend,
      digest: undefined,
      pooling: false,
      waiting: undefined,
    }
    this.#byHost.set(host, endpoint)
    edges.add(edge, [host])
    this.#wait(endpoint)
  }

  #onTunnelGone(endpoint: Endpoint): void {
    if (endpoint.selection.tunnels.length === 0) this.#wait(endpoint)
  }

  #wait(endpoint: Endpoint): void {
    clearTimeout(endpoint.waiting)
    endpoint.waiting = setTimeout(() => this.#remove(endpoint), this.#init.lingerMs ?? LINGER_MS).unref()
  }

  #remove(endpoint: Endpoint): void {
    const { host, edge, backend } = endpoint
    clearTimeout(endpoint.waiting)
    if (this.#byHost.get(host) !== endpoint) return
    this.#byHost.delete(host)
    this.#init.edges.remove(edge, host)
    this.#init.forgetSignIns(edge.id)
    this.#init.registry.release(labelsOf(host))
    this.#gone.granted += backend.budget.granted
    this.#gone.refused += backend.budget.refused
  }

  async #renew(): Promise<void> {
    for (const { host, authtokenId, selection } of this.#byHost.values()) {
      if (selection.tunnels.length === 0) continue
      try {
        await this.#init.reservations.take(host, authtokenId, () => false)
      } catch (error) {
        this.#init.log.warn({ err: error, host }, 'the reservation of a host was not renewed')
      }
    }
  }
}

/**
 * `Clear-Site-Data: "cookies"` clears the cookies of the whole registrable domain, sessions of other people's hosts among them
 * (https://w3c.github.io/webappsec-clear-site-data/#clear-cookies): it is not an endpoint's to say. Behind the policy, so
 * that nothing in it can bring the header back.
 */
function keepingSiteData(policy: Policy): Policy {
  return (exchange, next) =>
    policy(exchange, () => {
      if (exchange.responseEdits) exchange.responseEdits.remove(CLEAR_SITE_DATA)
      else exchange.responseEdits = NO_SITE_DATA
      return next()
    })
}

const CLEAR_SITE_DATA = 'Clear-Site-Data'
const NO_SITE_DATA = new HeaderEdits() // nobody changes it: it is set when every action has had its say
NO_SITE_DATA.remove(CLEAR_SITE_DATA)

function labelsOf(host: string): Map<string, string> {
  return new Map([[ENDPOINT_LABEL, host]])
}

/** Stays the same for one authtoken and host: it is what visitors' sessions belong to. */
function edgeIdOf(authtokenId: string, host: string): string {
  const name = JSON.stringify([authtokenId, host])
  return `edg_${createHash('sha256').update(name).digest('hex').slice(0, 24)}`
}
