// The composition root: builds every room from the configuration and knows the order in which they start and stop.

import { randomUUID } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { getHeapStatistics } from 'node:v8'

import { BufferBudget } from '@sallyport/protocol'

import { AdminListener } from './admin/admin-listener.ts'
import { Metrics } from './admin/metrics.ts'
import { OperatorSocket } from './admin/operator-socket.ts'
import { lookOf } from './build/look-of.ts'
import { openEndpoints } from './build/open-endpoints.ts'
import { openIdentityTokens } from './build/open-identity-tokens.ts'
import { policyParts } from './build/policy-parts.ts'
import { readingsOf } from './build/readings.ts'
import type { NodeOptions, RelayAddresses, RelayOptions, WorkerOptions } from './build/relay-options.ts'
import { listenForVisitors } from './build/visitor-listeners.ts'
import type { Config } from './config/config.ts'
import { IssuerReach } from './config/issuer-reach.ts'
import { operatorSocketOf } from './config/store-location.ts'
import { ConfiguredEdges } from './edge/configured-edges.ts'
import { EdgeTable } from './edge/edge-table.ts'
import type { Endpoints } from './edge/endpoints.ts'
import { handle } from './edge/handle.ts'
import { serveIn, type Serve } from './edge/serve.ts'
import { AccessLog } from './exchange/access-log.ts'
import { Attempts } from './exchange/attempts.ts'
import type { OnFault } from './exchange/border.ts'
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
import type { VisitorListener } from './listener/visitor-listener.ts'
import type { Logger } from './log.ts'
import type { Neighbours } from './node/neighbours.ts'
import { ProcessView } from './operator/process-view.ts'
import type { Answer, Question } from './operator/questions.ts'
import type { RelayFacts } from './operator/relay-status.ts'
import type { IdentityTokens } from './identity/identity-tokens.ts'
import type { ProviderAuthorities } from './oidc/provider/provider-authorities.ts'
import { SignIn } from './oidc/sign-in.ts'
import { ServiceTokens } from './policy/service-token/service-tokens.ts'
import { openStore } from './store/open-store.ts'
import type { Store } from './store/store.ts'
import { PLAIN_LOOK } from './pages/look.ts'
import { Authtokens } from './tunnel/authtokens.ts'
import { Registry } from './tunnel/registry.ts'
import { RELAY_VERSION } from './version.ts'

export { redirectUri } from './model/redirect-uri.ts'
export { loadConfig } from './config/load-config.ts'
export { parseConfig } from './config/parse-config.ts'
export { ConfigError } from './errors.ts'
export { createLog } from './log.ts'
export type { NodeOptions, RelayAddresses, RelayOptions, WorkerOptions } from './build/relay-options.ts'

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
  readonly #env: NodeJS.ProcessEnv
  readonly #node: NodeOptions | undefined
  readonly #worker: WorkerOptions | undefined
  readonly #registry = new Registry()
  readonly #edges = new EdgeTable()
  readonly #forwarder: Forwarder
  readonly #refusals: LimitRefusals
  /** Where the providers may be that agents name. */
  readonly #issuers: IssuerReach
  readonly #metrics: Metrics
  /** Of pages that are no edge's. */
  #look = PLAIN_LOOK
  /** Ends what policies do by themselves. */
  readonly #policies = new AbortController()

  #store: Store | undefined
  #authtokens: Authtokens | undefined
  #identityTokens: IdentityTokens | undefined
  #serviceTokens: ServiceTokens | undefined
  #signIn: SignIn | undefined
  #configured: ConfiguredEdges | undefined
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
  #addresses: RelayAddresses | undefined
  readonly #startedAt = Date.now()
  #notReady: string | undefined = 'starting'
  /** Why nothing can be kept. */
  #storeLoss: string | undefined
  #closing: Promise<void> | undefined

  constructor(config: Config, { log, logOutput, env, node, worker }: RelayOptions) {
    this.#config = config
    this.#log = log
    this.#env = env
    this.#node = node
    this.#worker = worker
    this.#issuers = new IssuerReach(config)
    const { limits, timeouts, public_url: publicUrl } = config
    this.#forwarder = new Forwarder(limits, timeouts, publicUrl.host, this.#onFault)
    this.#refusals = new LimitRefusals(log)
    const always = { registry: this.#registry, refusals: this.#refusals, logOutput }
    this.#metrics = new Metrics(
      readingsOf(always, () => ({
        agents: this.#agents,
        configured: this.#configured,
        endpoints: this.#agentEndpoints,
        signIn: this.#signIn,
        store: this.#store,
        openFiles: this.#openFiles,
        neighbours: this.#neighbours,
        certificates: this.#certificates,
      })),
    )
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
    const store = await openStore(config.store, {
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
    const partsOf = policyParts({
      config,
      signIn,
      identityTokens,
      serviceTokens: this.#serviceTokens,
      authorities,
      issuers: this.#issuers,
      countAttempts: (of, perMinute) => this.#countAttempts(of, perMinute),
      closing: this.#policies.signal,
      log,
    })
    const configured = new ConfiguredEdges({
      edges: this.#edges,
      registry: this.#registry,
      publicUrl: config.public_url,
      stickyKey: keys.deriveKey('sticky cookie'),
      log,
      lookOf: (edge) => lookOf(config, edge, logos),
    })
    this.#configured = configured
    for (const edge of config.edges) configured.add(edge, partsOf(edge.id))
    signIn.endStale(config.edges.map(({ id }) => id))

    const endpoints = await openEndpoints({
      config,
      store,
      keys,
      edges: this.#edges,
      registry: this.#registry,
      authtokens: this.#authtokens,
      signIn,
      issuers: this.#issuers,
      partsOf,
      refusals: this.#refusals,
      look: this.#look,
      log,
      onFault: this.#onFault,
    })
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
        metrics: this.#metrics,
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
    return this.#metrics.json()
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

  #listenForVisitors(signIn: SignIn, agents: AgentListener, places: Places): Promise<Omit<RelayAddresses, 'admin'>> {
    const gate = {
      edges: this.#edges,
      forwarder: this.#forwarder,
      publicHost: this.#config.public_url.hostname,
      publicPages: (exchange: Exchange) => signIn.publicPages(exchange),
      edgePages: (exchange: Exchange) => signIn.edgePages(exchange),
    }
    return listenForVisitors({
      config: this.#config,
      edges: this.#edges,
      serve: this.#serve(),
      handle: (exchange) => handle(exchange, gate),
      agents,
      isConfigured: (host) => this.#agentEndpoints?.isConfigured(host) !== false,
      places,
      refusals: this.#refusals,
      certificates: this.#certificates,
      reusePort: this.#worker !== undefined,
      look: this.#look,
      log: this.#log,
      onFault: this.#onFault,
      onMade: (listener) => void this.#visitors.push(listener),
    })
  }

  #serve(): Serve {
    const { log: wanted, tls } = this.#config
    return serveIn({
      accessLog: new AccessLog(this.#log, (tunnelId) => this.#registry.tunnels.get(tunnelId)?.metadata),
      logsAll: wanted.access,
      counts: this.#metrics,
      refusals: this.#refusals,
      look: this.#look,
      strictTransport: tls.hsts_seconds > 0 ? `max-age=${tls.hsts_seconds}` : undefined,
      onFault: this.#onFault,
    })
  }

  /** What was thrown within a border, where no exchange is there to tell of it. */
  readonly #onFault: OnFault = (thrown, border, about) => {
    this.#metrics.countFault(border)
    this.#log.error({ err: thrown, border, ...about }, 'internal error')
  }

  /** Over all workers. @param of what is counted: the workers agree on it */
  #countAttempts(of: string, perMinute: number): Attempts {
    const shared = this.#worker?.attempts
    const attempts = new Attempts(perMinute, shared && ((address) => shared.tell(of, address)))
    shared?.listen(of, (address) => attempts.hear(address, Date.now()))
    return attempts
  }
}

function shownPlace({ address, family, port }: AddressInfo): string {
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`
}
