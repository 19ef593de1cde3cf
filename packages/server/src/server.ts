// The composition root: builds every room from the configuration and knows the order in which they start and stop.

import { randomUUID } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { getHeapStatistics } from 'node:v8'

import { BufferBudget } from '@sallyport/protocol'

import { AdminListener } from './admin/admin-listener.ts'
import { Metrics } from './admin/metrics.ts'
import { OperatorSocket } from './admin/operator-socket.ts'
import type { Config, EdgeConfig } from './config/config.ts'
import { cookieDomainsOf } from './config/cookie-domains.ts'
import { IssuerReach } from './config/issuer-reach.ts'
import { operatorSocketOf } from './config/store-location.ts'
import { ConfiguredEdges } from './edge/configured-edges.ts'
import { EdgeTable } from './edge/edge-table.ts'
import { Endpoints } from './edge/endpoints.ts'
import { handle } from './edge/handle.ts'
import { originOn } from './edge/origin-on.ts'
import { ConfigError } from './errors.ts'
import { AccessLog } from './exchange/access-log.ts'
import { Attempts } from './exchange/attempts.ts'
import type { AttemptSharing } from './exchange/attempts.ts'
import type { OnFault } from './exchange/border.ts'
import { compileCidrs } from './exchange/client-ip.ts'
import type { Exchange } from './exchange/exchange.ts'
import { LimitRefusals } from './exchange/limit-refusals.ts'
import { Forwarder } from './forward/forwarder.ts'
import { Keys } from './keys.ts'
import { AgentListener } from './listener/agent-listener.ts'
import type { Certificates } from './listener/tls/certificates.ts'
import { listen } from './listener/listen.ts'
import { compareWithLimits, openFilesLimit, OpenFilesWatch, shareFiles } from './listener/open-files.ts'
import { Places } from './listener/places.ts'
import { readFiles } from './listener/tls/read-files.ts'
import type { Logos } from './pages/read-logos.ts'
import { VisitorListener } from './listener/visitor-listener.ts'
import type { Logger } from './log.ts'
import type { Meeting, Neighbours } from './node/neighbours.ts'
import { ProcessView } from './operator/process-view.ts'
import type { Answer, Question } from './operator/questions.ts'
import type { RelayFacts } from './operator/relay-status.ts'
import { PLAIN_LOOK, makeLook, type Look } from './pages/look.ts'
import { buildPolicy, type PolicyParts } from './policy/build-policy.ts'
import { PasswordQueue } from './policy/basic-auth/password-queue.ts'
import { PasswordTries } from './policy/basic-auth/password-tries.ts'
import { IdentityTokens } from './identity/identity-tokens.ts'
import type { IdentityTokensInit } from './identity/identity-tokens.ts'
import { EndpointChecks } from './oidc/check/endpoint-check.ts'
import { jwtValidation } from './policy/jwt-validation/jwt-validation.ts'
import type { ProviderAuthorities } from './oidc/provider/provider-authorities.ts'
import { providerFetch, type ProviderFetch } from './oidc/provider/provider-fetch.ts'
import { SignIn } from './oidc/sign-in.ts'
import { ServiceTokens } from './policy/require-service-token/service-tokens.ts'
import { openSqliteStore } from './store/sqlite-store.ts'
import type { Store } from './store/store.ts'
import { Authtokens } from './tunnel/authtokens.ts'
import { Registry } from './tunnel/registry.ts'
import { Reservations } from './tunnel/reservations.ts'
import { RELAY_VERSION } from './version.ts'

export { redirectUri } from './model/redirect-uri.ts'
export { loadConfig } from './config/load-config.ts'
export { parseConfig } from './config/parse-config.ts'
export { ConfigError } from './errors.ts'
export { createLog } from './log.ts'

export interface RelayOptions {
  log: Logger
  /** Where the log goes, for who wants to know how much of it is missing. */
  logOutput?: { readonly droppedLines: number }
  env: NodeJS.ProcessEnv
  /** Where this relay is one node of several. */
  node?: NodeOptions
  /** Where it is one of several processes that share their ports. Somebody else answers to the operator for all of them. */
  worker?: WorkerOptions
}

export interface NodeOptions extends Meeting {
  nodeId: string
}

export interface WorkerOptions {
  attempts: AttemptSharing
  /** Says why nothing can be kept in the store, or that it can be kept again. */
  tellStoreLoss: (loss: string | undefined) => void
  /** Tells that no exchange is left here; resolves when none is left at the other workers either, whose exchanges may run over agents of ours. */
  othersFinished: () => Promise<void>
}

/**
 * What the policies of an edge work with.
 * @param authtokenId of the agent that brought the edge; undefined where the operator wrote it
 */
type PartsOf = (edgeId: string, authtokenId?: string) => PolicyParts

/** Where a running relay listens. */
export interface RelayAddresses {
  http?: AddressInfo
  https?: AddressInfo
  /** Not where it is a worker. */
  admin?: AddressInfo
}

/**
 * Starts a relay.
 * @throws ConfigError where an address, a certificate, the store or the key cannot be used
 */
export async function startRelay(config: Config, options: RelayOptions): Promise<Relay> {
  const relay = new Relay(config, options)
  try {
    await relay.start()
  } catch (error) {
    await relay.destroy()
    throw error
  }
  return relay
}

export class Relay {
  readonly #config: Config
  readonly #log: Logger
  readonly #accessLog: AccessLog
  readonly #logOutput: RelayOptions['logOutput']
  readonly #env: NodeJS.ProcessEnv
  readonly #node: NodeOptions | undefined
  readonly #worker: WorkerOptions | undefined
  readonly #registry = new Registry()
  readonly #edges = new EdgeTable()
  readonly #forwarder: Forwarder
  readonly #refusals: LimitRefusals
  /** Where the providers may be that agents name. */
  readonly #issuers: IssuerReach
  readonly #strictTransport: string | undefined
  /** Of pages that are no edge's. */
  #look = PLAIN_LOOK
  /** Ends what policies do by themselves. */
  readonly #policies = new AbortController()

  #store: Store | undefined
  #authtokens: Authtokens | undefined
  #identityTokens: IdentityTokens | undefined
  #serviceTokens: ServiceTokens | undefined
  #signIn: SignIn | undefined
  #agentEndpoints: Endpoints | undefined
  #certificates: Certificates | undefined
  #authorities: ProviderAuthorities | undefined
  #neighbours: Neighbours | undefined
  #agents: AgentListener | undefined
  #visitors: VisitorListener[] = []
  #admin: AdminListener | undefined
  #view: ProcessView | undefined
  #operator: OperatorSocket | undefined
  #openFiles: OpenFilesWatch | undefined
  #metrics: Metrics | undefined
  #addresses: RelayAddresses | undefined
  readonly #startedAt = Date.now()
  #notReady: string | undefined = 'starting'
  /** Why nothing can be kept. */
  #storeLoss: string | undefined
  #closing: Promise<void> | undefined

  constructor(config: Config, { log, logOutput, env, node, worker }: RelayOptions) {
    this.#config = config
    this.#log = log
    this.#accessLog = new AccessLog(log, (tunnelId) => this.#registry.tunnels.get(tunnelId)?.metadata)
    this.#logOutput = logOutput
    this.#env = env
    this.#node = node
    this.#worker = worker
    this.#issuers = new IssuerReach(config)
    const { limits, timeouts, public_url: publicUrl, tls } = config
    this.#strictTransport = tls.hsts_seconds > 0 ? `max-age=${tls.hsts_seconds}` : undefined
    this.#forwarder = new Forwarder(limits, timeouts, publicUrl.host, this.#onFault)
    this.#refusals = new LimitRefusals(log)
  }

  /** @throws before start() has finished */
  get addresses(): RelayAddresses {
    if (!this.#addresses) throw new Error('the relay has not started')
    return this.#addresses
  }

  get authtokens(): Authtokens {
    if (!this.#authtokens) throw new Error('the relay has not started')
    return this.#authtokens
  }

  async start(): Promise<void> {
    const config = this.#config
    const log = this.#log

    // 1. What must be readable before anybody is let in.
    const keys = await Keys.open({ storePath: config.store.path, env: this.#env })
    const store = await openSqliteStore({
      path: config.store.path,
      onProblem: (problem) => log.error({ err: problem }, 'store problem'),
      onRecovery: (problem) => log.info({ problem }, 'store problem is over'),
      onLoss: (loss) => {
        this.#storeLoss = loss
        this.#worker?.tellStoreLoss(loss)
      },
    })
    this.#store = store
    this.#authtokens = await Authtokens.open(store)
    const [certificates, authorities, logos] = await readFiles(config, log)
    this.#certificates = certificates
    this.#authorities = authorities
    this.#look = lookOf(config, undefined, logos)

    // 2. What decides.
    this.#serviceTokens = await ServiceTokens.open(store)
    const identityTokens = await openIdentityTokens({ issuer: config.public_url.origin, store, keys, log })
    this.#identityTokens = identityTokens
    const signIn = await SignIn.open({
      originOf: (edgeId, host) => {
        const edge = this.#edges.find(host)
        return edge?.id === edgeId ? edge.originOf(host) : undefined
      },
      publicUrl: config.public_url,
      store,
      keys,
      identityTokens,
      log,
      onFault: this.#onFault,
      authorities: this.#authorities,
      providerTimeoutMs: config.timeouts.provider_seconds * 1000,
      countAttempts: (of) => this.#countAttempts(of, config.limits.callbacks_per_minute),
    })
    this.#signIn = signIn
    const partsOf = this.#policyParts(signIn, identityTokens, this.#serviceTokens)
    const configured = new ConfiguredEdges({
      edges: this.#edges,
      registry: this.#registry,
      publicUrl: config.public_url,
      stickyKey: keys.deriveKey('sticky cookie'),
      log,
      lookOf: (edge) => lookOf(config, edge, logos),
    })
    for (const edge of config.edges) configured.add(edge, partsOf(edge.id))
    signIn.endStale(config.edges.map(({ id }) => id))

    const endpoints = await this.#openEndpoints(store, signIn, keys, partsOf)
    this.#agentEndpoints = endpoints

    // 3. Agents, then visitors: the first visitor may find a tunnel.
    store.serve()
    const budget = BufferBudget.ofHeap(
      getHeapStatistics().heap_size_limit,
      this.#node?.directory.nodeIds.length, // workers of one machine
      config.limits.session_buffer_bytes,
    )
    const nodeId = this.#node?.nodeId ?? `nod_${randomUUID()}`
    if (this.#node) {
      const room = { registry: this.#registry, endpoints, limits: config.limits, budget, log }
      const { Neighbours } = await import('./node/neighbours.ts') // most relays are the only node
      this.#neighbours = await Neighbours.open({ ...this.#node, ...room })
    }
    const agents = new AgentListener({
      authtokens: this.#authtokens,
      failures: this.#countAttempts('failed agent logins', config.limits.failed_agent_logins_per_minute),
      limits: config.limits,
      refusals: this.#refusals,
      log,
      sessionRoom: {
        nodeId,
        nodeIds: this.#node?.directory.nodeIds ?? [nodeId],
        relayVersion: RELAY_VERSION,
        registry: this.#registry,
        endpoints,
        limits: config.limits,
        refusals: this.#refusals,
        timeouts: config.timeouts,
        log,
        budget,
        endpointsFor: (labels) => configured.urlsFor(labels),
        boundEdgesFor: (labels) => configured.boundEdgesFor(labels),
        onFault: this.#onFault,
      },
    })
    this.#agents = agents
    const metrics = new Metrics({
      tunnelSessions: () => agents.sessions.size,
      tunnels: () => this.#registry.tunnels.size,
      tunnelsAside: () => [...this.#registry.tunnels.values()].filter(({ health }) => health.isAside).length,
      tunnelsUnhealthy: () =>
        [...this.#registry.tunnels.values()].filter(({ health }) => !health.isReportedHealthy).length,
      tunnelsFailing: () => configured.failingAt(performance.now()) + endpoints.failingAt(performance.now()),
      retries: () => {
        const [ours, theirs] = [configured.retries, endpoints.retries]
        return { granted: ours.granted + theirs.granted, refused: ours.refused + theirs.refused }
      },
      visitorSessions: () => signIn.sessionCount,
      storeHealthy: () => store.healthy,
      limitRefusals: () => this.#refusals.totals(),
      openFilesShort: () => this.#openFiles?.isShort ?? false,
      hops: () => this.#neighbours?.hops ?? 0,
      logLinesDropped: () => this.#logOutput?.droppedLines ?? 0,
      certificates: () => this.#certificates?.known ?? [],
    })
    this.#metrics = metrics
    const view = new ProcessView({
      nodeId,
      registry: this.#registry,
      sessions: agents.sessions,
      configured,
      endpoints,
      visitorSessions: () => signIn.sessionCount,
      storeProblem: () =>
        store.healthy ? undefined : (this.#storeLoss ?? 'the store cannot be used; the log has the reason'),
    })
    this.#view = view
    const files = openFilesLimit()
    const share = shareFiles(files, config.limits)
    compareWithLimits(files, share, config.limits, log)
    this.#openFiles = new OpenFilesWatch(files, log)
    const places = new Places({ limits: config.limits, files: share })
    let admin: AddressInfo | undefined
    if (!this.#worker) {
      this.#admin = new AdminListener({
        address: config.listen.admin,
        hosts: config.listen.admin_hosts,
        metrics,
        notReady: () => this.#notReady ?? this.#storeLoss,
        log: this.#log,
      })
      admin = await listen(this.#admin, 'listen.admin', config.listen.admin)
    }
    this.#addresses = { ...(admin && { admin }), ...(await this.#listenForVisitors(signIn, agents, places)) }
    if (!this.#worker) {
      this.#operator = await OperatorSocket.open({
        path: operatorSocketOf(config.store.path),
        ask: async (question) => ({ answers: [view.answer(question)], silent: 0 }),
        facts: () => this.#facts(),
        log: this.#log,
      })
    }
    this.#notReady = undefined
  }

  /** What the operator asks of this process; undefined before it has started. */
  answer(question: Question): Answer | undefined {
    return this.#view?.answer(question)
  }

  /** For whoever adds up several: AggregatorRegistry.aggregate() takes it. */
  async metrics(): Promise<object> {
    return (await this.#metrics?.json()) ?? []
  }

  /**
   * Stops in order: not ready → no new visitors, farewell to the others → drain to agents → exchanges finish → GoAway →
   * store → admin.
   * Idempotent; bounded by `timeouts.drain_seconds`.
   */
  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  /** Stops at once. Safe in every state. */
  async destroy(): Promise<void> {
    this.#notReady = 'stopping'
    for (const listener of this.#visitors) listener.destroy()
    this.#agents?.destroy()
    await this.#closeRooms()
  }

  async #close(): Promise<void> {
    const deadlineMs = this.#config.timeouts.drain_seconds * 1000
    this.#notReady = 'draining'
    this.#log.info('draining')
    const timer = setTimeout(() => {
      this.#log.warn('drain deadline passed, ending what is left')
      for (const listener of this.#visitors) listener.destroy()
    }, deadlineMs)
    // Before the agents hear of it, or there would be nobody to serve those who ask once more.
    await Promise.all(this.#visitors.map((listener) => listener.farewell()))
    this.#agents?.drain(deadlineMs)
    await Promise.all(this.#visitors.map((listener) => listener.close()))
    clearTimeout(timer)
    await this.#worker?.othersFinished()
    await this.#agents?.close(1000) // every exchange is over: only goodbyes are left
    await this.#closeRooms()
    this.#log.info('stopped')
  }

  #facts(): RelayFacts {
    const { http, https, admin } = this.addresses
    return {
      startedAt: this.#startedAt,
      isDraining: this.#notReady !== undefined,
      problem: this.#storeLoss,
      publicUrl: this.#config.public_url,
      listeners: {
        ...(http && { http: shownPlace(http) }),
        ...(https && { https: shownPlace(https) }),
        ...(admin && { admin: shownPlace(admin) }),
      },
      storePath: this.#config.store.path,
    }
  }

  async #closeRooms(): Promise<void> {
    this.#openFiles?.close()
    this.#refusals.close()
    this.#neighbours?.close()
    this.#forwarder.close()
    this.#certificates?.close()
    this.#authorities?.close()
    this.#agentEndpoints?.close()
    this.#policies.abort()
    await this.#signIn?.close()
    await this.#serviceTokens?.close()
    this.#identityTokens?.close()
    await this.#authtokens?.close()
    await this.#store?.close()
    await this.#operator?.close()
    await this.#admin?.close()
  }

  async #listenForVisitors(
    signIn: SignIn,
    agents: AgentListener,
    places: Places,
  ): Promise<Omit<RelayAddresses, 'admin'>> {
    const { listen: addresses, public_url: publicUrl, limits, timeouts, trusted_proxies } = this.#config
    const gate = {
      edges: this.#edges,
      forwarder: this.#forwarder,
      publicHost: publicUrl.hostname,
      publicPages: (exchange: Exchange) => signIn.publicPages(exchange),
      edgePages: (exchange: Exchange) => signIn.edgePages(exchange),
    }
    const common = {
      limits,
      places,
      refusals: this.#refusals,
      timeouts,
      log: this.#log,
      reusePort: this.#worker !== undefined,
      allowedUpgrades: new Set(
        this.#config.edges.flatMap(({ routes }) => routes.flatMap((each) => each.allow_upgrades ?? [])),
      ),
      isTrustedProxy: trusted_proxies.length > 0 ? compileCidrs(trusted_proxies) : () => false,
      // Agents may use any name of this machine that the configuration gives to no edge, e.g. its address on the inside;
      // and no agent can take such a name from the others by an endpoint.
      isAgentHost: (host: string) => this.#agentEndpoints?.isConfigured(host) === false,
      look: this.#look,
      onAgent: agents.accept.bind(agents),
      onFault: this.#onFault,
    }
    const onExchange = (exchange: Exchange): Promise<void> => this.#run(exchange, (each) => handle(each, gate))
    const found: Omit<RelayAddresses, 'admin'> = {}
    if (addresses.https && this.#certificates) {
      const https = new VisitorListener({
        ...common,
        address: addresses.https,
        certificates: this.#certificates,
        http2: addresses.http2 !== 'none',
        onExchange,
      })
      this.#visitors.push(https)
      found.https = await listen(https, 'listen.https', addresses.https)
    }
    if (addresses.http) {
      // With TLS on, plain HTTP only shows the way, and agents may not send their authtoken over it.
      const port = found.https && found.https.port !== 443 ? `:${found.https.port}` : ''
      const http = new VisitorListener({
        ...common,
        ...(found.https && { isAgentHost: () => false }),
        address: addresses.http,
        http2: addresses.http2 === 'all',
        onExchange: found.https
          ? (exchange) => this.#run(exchange, async (each) => this.#redirectToHttps(each, port))
          : onExchange,
      })
      this.#visitors.push(http)
      found.http = await listen(http, 'listen.http', addresses.http)
    }
    return found
  }

  /** One exchange from start to log line. Never rejects. */
  async #run(exchange: Exchange, serve: (exchange: Exchange) => Promise<void>): Promise<void> {
    exchange.look = this.#look
    if (this.#strictTransport !== undefined) exchange.holdToHttps(this.#strictTransport)
    try {
      await serve(exchange)
    } catch (error) {
      this.#fail(exchange, error)
    }
    try {
      const now = performance.now()
      this.#metrics?.count(exchange.status, now - exchange.startedAt, exchange.error?.publicCode)
      if (exchange.error?.limit) this.#refusals.count(exchange.error.limit, exchange.clientIp)
      if (this.#config.log.access || exchange.error) this.#accessLog.write(exchange, now)
    } catch (error) {
      this.#onFault(error, 'exchange')
    }
  }

  #fail(exchange: Exchange, thrown: unknown): void {
    try {
      exchange.fail(thrown)
    } catch (error) {
      // Not even the refusal can be told.
      this.#onFault(error, 'exchange')
      exchange.cut(new Error('the refusal could not be sent', { cause: error }))
      return
    }
    if (exchange.error?.code === 'internal') this.#metrics?.countFault('exchange') // its line has the stack
  }

  /** What was thrown within a border, where no exchange is there to tell of it. */
  readonly #onFault: OnFault = (thrown, border, about) => {
    this.#metrics?.countFault(border)
    this.#log.error({ err: thrown, border, ...about }, 'internal error')
  }

  /** Over all workers. @param of what is counted: the workers agree on it */
  #countAttempts(of: string, perMinute: number): Attempts {
    const shared = this.#worker?.attempts
    const attempts = new Attempts(perMinute, shared && ((address) => shared.tell(of, address)))
    shared?.listen(of, (address) => attempts.hear(address, Date.now()))
    return attempts
  }

  #redirectToHttps(exchange: Exchange, port: string): void {
    const { host, target } = exchange
    if (host !== this.#config.public_url.hostname) this.#edges.at(host)
    exchange.respond(308, { location: `https://${host}${port}${target}`, 'cache-control': 'no-store' })
  }

  /** Behind the edges of the configuration, which win. */
  async #openEndpoints(store: Store, signIn: SignIn, keys: Keys, partsOf: PartsOf): Promise<Endpoints> {
    const { public_url: publicUrl, domain, require_sign_in, identity_jwt, limits } = this.#config
    const { authtokens } = this
    const checks = new EndpointChecks({ publicOrigin: publicUrl.origin, issuers: this.#issuers, log: this.#log })
    return new Endpoints({
      edges: this.#edges,
      registry: this.#registry,
      reservations: await Reservations.open(store),
      publicUrl,
      domain,
      originOf: (host) => originOn(publicUrl, host),
      requireSignIn: require_sign_in,
      cookieDomains: cookieDomainsOf(this.#config.edges),
      issuers: this.#issuers,
      identityJwt: identity_jwt,
      maxPerAuthtoken: limits.endpoints_per_authtoken,
      refusals: this.#refusals,
      hostKey: keys.deriveKey('endpoint host'),
      policyOf: (policy, edgeId, authtokenId) => buildPolicy(policy, partsOf(edgeId, authtokenId)),
      checkSignIn: (config, authtokenId) => checks.check(config, authtokenId),
      forgetSignIns: (edgeId) => signIn.forget(edgeId),
      isValid: (id) => authtokens.list().some((one) => one.id === id && one.revoked_at === undefined),
      look: this.#look,
      log: this.#log,
      onFault: this.#onFault,
    })
  }

  #policyParts(signIn: SignIn, identityTokens: IdentityTokens, serviceTokens: ServiceTokens): PartsOf {
    const { identity_jwt, limits, timeouts } = this.#config
    const clock = Date.now
    const perUser = limits.failed_passwords_per_user_per_minute
    const passwordTries = new PasswordTries({
      byNetwork: this.#countAttempts('failed passwords', limits.failed_passwords_per_minute),
      byUser: this.#countAttempts('failed passwords of a user', perUser),
      byNobody: this.#countAttempts('failed passwords of nobody', perUser),
    })
    const passwordQueue = new PasswordQueue(clock)
    const fetchFrom = (home: string, caFile?: string): ProviderFetch =>
      providerFetch(timeouts.provider_seconds * 1000, home, undefined, this.#authorities?.of(caFile))
    return (edgeId, authtokenId) => {
      const common = { edgeId, clock, identify: identityTokens.identifier(edgeId, identity_jwt) }
      const jwt = { ...common, fetchFrom, log: this.#log, closing: this.#policies.signal }
      return {
        ...common,
        tenant: authtokenId ?? edgeId,
        passwordTries,
        passwordQueue,
        serviceTokens,
        openidConnect: (config) => signIn.action(config, edgeId, authtokenId === undefined ? undefined : this.#issuers),
        jwtValidation: (config) => jwtValidation(config, jwt),
      }
    }
  }
}

function shownPlace({ address, family, port }: AddressInfo): string {
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`
}

/** @param edge whose pages they are; undefined for those that are no edge's */
function lookOf(config: Config, edge: EdgeConfig | undefined, logos: Logos): Look {
  const pages = { ...config.pages, ...edge?.pages }
  const logo = pages.logo_file === undefined ? undefined : logos.get(pages.logo_file)
  return makeLook(pages, edge?.page_details ?? config.page_details, logo)
}

/** A key that the database does not fit must not stay in the place of the one that is missing: a copy would be made of it. */
async function openIdentityTokens(init: IdentityTokensInit): Promise<IdentityTokens> {
  try {
    return await IdentityTokens.open(init)
  } catch (error) {
    if (error instanceof ConfigError) await init.keys.discardMade()
    throw error
  }
}
