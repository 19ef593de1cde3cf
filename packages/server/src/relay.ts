// The composition root: builds every room from the configuration, adds each at once to the stack that closes it, and
// knows the order in which a relay stops.

import { randomUUID } from 'node:crypto'

import { Counts } from './admin/counts.ts'
import { Metrics } from './admin/metrics.ts'
import { countAttemptsOver } from './build/count-attempts.ts'
import { keep } from './build/keep.ts'
import { lookOf } from './build/look-of.ts'
import { openAgentEdges } from './build/open-agent-edges.ts'
import { openIdentityTokens } from './build/open-identity-tokens.ts'
import { openSignIn } from './build/open-sign-in.ts'
import { openStoredEdges } from './build/open-stored-edges.ts'
import { openTunnels } from './build/open-tunnels.ts'
import { openAdmin, openOperatorSocket } from './build/operator-doors.ts'
import { policyParts } from './build/policy-parts.ts'
import { Readiness } from './build/readiness.ts'
import { readingsOf } from './build/readings.ts'
import type { RelayAddresses, StartRelayInit } from './build/start-relay-init.ts'
import { listenForVisitors } from './build/visitor-listeners.ts'
import type { Config } from './config/config.ts'
import { IssuerReach } from './config/issuer-reach.ts'
import { buildEdge, type EdgeParts } from './edge/build-edge.ts'
import { ConfiguredEdges } from './edge/configured-edges.ts'
import { EdgeBook } from './edge/edge-book.ts'
import { EdgeTable } from './edge/edge-table.ts'
import { handle, type Gate } from './edge/handle.ts'
import { InternalEndpoints } from './edge/internal-endpoints.ts'
import { Recheck } from './edge/recheck/recheck.ts'
import { serveIn } from './edge/serve.ts'
import { AccessLog } from './exchange/access-log.ts'
import type { OnFault } from './exchange/border.ts'
import { LimitRefusals } from './exchange/limit-refusals.ts'
import { Forwarder } from './forward/forwarder.ts'
import { Keys } from './keys.ts'
import type { AgentListener } from './listener/agent-listener.ts'
import { compareWithLimits, openFilesLimit, OpenFilesWatch, shareFiles } from './listener/open-files.ts'
import { Places } from './listener/places.ts'
import { readFiles } from './listener/tls/read-files.ts'
import type { VisitorListener } from './listener/visitor-listener.ts'
import type { Logger } from './log.ts'
import { ProcessView } from './operator/process-view.ts'
import type { Answer, Question } from './operator/questions.ts'
import type { EdgeChanges } from './edge/configured-edges.ts'
import type { LiveSession, SessionUse } from './session/live-session.ts'
import { ServiceTokens } from './policy/service-token/service-tokens.ts'
import { PolicySources } from './policy/sources/policy-sources.ts'
import { openStore } from './store/open-store.ts'
import { Authtokens } from './tunnel/authtokens.ts'
import { Registry } from './tunnel/registry.ts'

export { redirectUri } from './model/redirect-uri.ts'
export { loadConfig } from './config/load-config.ts'
export { parseConfig } from './config/parse-config.ts'
export { loadLanguage } from './policy/language.ts'
export { ConfigError } from './errors.ts'
export { createLog } from './log.ts'
export type { NodeInit, RelayAddresses, StartRelayInit, WorkerInit } from './build/start-relay-init.ts'

const GOODBYE_MS = 1000 // every exchange has ended before; only goodbyes remain

/**
 * Starts a relay. If a step throws, everything that was opened before is closed again, in reverse order.
 * @throws ConfigError if an address, a certificate, the store or the key cannot be used
 */
export async function startRelay(config: Config, init: StartRelayInit): Promise<Relay> {
  const startedAt = Date.now()
  const { log, env, node, worker } = init
  const { limits, timeouts, public_url: publicUrl } = config
  await using rooms = new AsyncDisposableStack()
  const doors = rooms.use(new AsyncDisposableStack()) // the operator's: they open late, and close after everything else
  const readiness = new Readiness()
  const counts = new Counts()
  const countAttempts = countAttemptsOver(worker?.attempts)
  /** Reports an exception within a border, if it belongs to no exchange. */
  const onFault: OnFault = (thrown, border, about) => {
    counts.countFault(border)
    log.error({ err: thrown, border, ...about }, 'internal error')
  }
  const refusals = keep(rooms, new LimitRefusals(log))
  const registry = new Registry()
  const edges = new EdgeTable()

  // 1. Everything that must be readable before the first visitor.
  const keys = await Keys.open({ storePath: config.store.path, env })
  const store = await openStore(config.store, {
    onProblem: (problem) => log.error({ err: problem }, 'store problem'),
    onRecovery: (problem) => log.info({ problem }, 'store problem has ended'),
    onLoss: (loss) => {
      readiness.storeLoss = loss
      worker?.tellStoreLoss(loss)
    },
  })
  keep(rooms, store)
  const authtokens = keep(rooms, await Authtokens.open(store))
  const files = keep(rooms, await readFiles(config, log))
  const { certificates } = files
  const { authorities, clientAuthorities, logos } = files.ofEdges
  const look = lookOf(config, undefined, logos)

  // 2. The rooms that decide.
  const serviceTokens = keep(rooms, await ServiceTokens.open(store))
  const identityTokens = keep(rooms, await openIdentityTokens({ issuer: publicUrl.origin, store, keys, log }))
  const base = { config, store, keys, edges, log, onFault }
  const signIn = keep(rooms, await openSignIn({ ...base, identityTokens, authorities, countAttempts }))
  const issuers = new IssuerReach(config)
  const sources = new PolicySources(config, files.sources)
  const forwarder = keep(rooms, new Forwarder(limits, timeouts, publicUrl.host, onFault))
  const accessLog = new AccessLog(log, (tunnelId) => registry.tunnels.get(tunnelId)?.metadata)
  const internal = new InternalEndpoints({
    forwarder,
    logCall: (exchange) => {
      if (config.log.access || exchange.error) accessLog.write(exchange, performance.now())
    },
  })
  const partsOf = policyParts({
    config,
    signIn,
    identityTokens,
    serviceTokens,
    authorities,
    issuers,
    countAttempts,
    countSharing: worker?.counts,
    sources,
    internal,
    log,
  })
  const book = keep(rooms, new EdgeBook(edges, internal.table))
  const sessionUses = (): Iterable<[LiveSession, SessionUse]> => signIn.sessionUses()
  keep(rooms, new Recheck({ book, forwarder, sessionUses, log, onFault, graceMs: init.recheckGraceMs }))
  const edgeRoom: EdgeParts = {
    registry,
    publicUrl,
    stickyKey: keys.deriveKey('sticky cookie'),
    partsOf,
    clientAuthorities,
    lookOf: (edge) => (edge.pages || edge.page_details ? lookOf(config, edge, logos) : look),
    retries: book.retries,
    log,
  }
  const configured = new ConfiguredEdges(book, (edge) => buildEdge(edge, edgeRoom))
  configured.set(config.edges)
  let inUse = config
  const stored = keep(rooms, await openStoredEdges({ config: () => inUse, store, keys, book, edgeRoom }))
  const endStale = (): void => signIn.endStale((id) => book.hasConfigured(id))
  endStale()
  const cookieDomains = (): ReadonlySet<string> => new Set([...configured.cookieDomains, ...stored.cookieDomains()])
  const ofAgents = {
    config,
    store,
    keys,
    book,
    edgeRoom,
    cookieDomains,
    sources,
    authtokens,
    issuers,
    refusals,
    onFault,
  }
  const endpoints = keep(rooms, await openAgentEdges(ofAgents))

  // 3. Agents, then visitors: the first visitor may find a tunnel.
  store.serve()
  const nodeId = node?.nodeId ?? `nod_${randomUUID()}`
  const tunnels = {
    config,
    nodeId,
    node,
    registry,
    authtokens,
    book,
    endpoints,
    refusals,
    countAttempts,
    log,
    onFault,
  }
  const { agents, neighbours } = await openTunnels(rooms, tunnels)
  const fileLimit = openFilesLimit()
  const share = shareFiles(fileLimit, limits)
  compareWithLimits(fileLimit, share, limits, log)
  const openFiles = keep(rooms, new OpenFilesWatch(fileLimit, log))
  const { lastReload } = init
  const read = { registry, book, refusals, agents, signIn, store, openFiles, neighbours, certificates, lastReload }
  const metrics = new Metrics(counts, readingsOf({ ...read, logOutput: init.logOutput }))
  const admin = worker ? undefined : await openAdmin(doors, { config, metrics, notReady: () => readiness.problem, log })
  const serve = serveIn({
    accessLog,
    logsAll: config.log.access,
    counts,
    refusals,
    look,
    strictTransport: config.tls.hsts_seconds > 0 ? `max-age=${config.tls.hsts_seconds}` : undefined,
    onFault,
  })
  const gate: Gate = {
    edges,
    forwarder,
    publicHost: publicUrl.hostname,
    publicPages: (exchange) => signIn.publicPages(exchange),
    edgePages: (exchange) => signIn.edgePages(exchange),
  }
  const visitors = await listenForVisitors(rooms, {
    config,
    book,
    edges,
    serve,
    handle: (exchange) => handle(exchange, gate),
    agents,
    places: new Places({ limits, files: share }),
    refusals,
    certificates,
    reusePort: worker !== undefined,
    look,
    log,
    onFault,
  })
  const addresses: RelayAddresses = { ...(admin && { admin }), ...visitors.addresses }
  const view = new ProcessView({
    nodeId,
    registry,
    sessions: agents.sessions,
    book,
    storedEdge: (id) => {
      store.look() // the operator waits for a change that a command has just written
      return stored.inUse(id)
    },
    visitorSessions: () => signIn.sessionCount,
    storeProblem: () =>
      store.healthy ? undefined : (readiness.storeLoss ?? 'the store cannot be used; the log has the reason'),
  })
  if (!worker)
    await openOperatorSocket(doors, { config, startedAt, addresses, view, readiness, reload: init.reload, log })
  readiness.begin('ready')
  return new Relay({
    rooms: rooms.move(), // from here on they are closed by the relay
    readiness,
    visitors: visitors.listeners,
    agents,
    authtokens,
    addresses,
    view,
    metrics,
    reload: async (next) => {
      const read = await files.readNext(next)
      using unlessTaken = new DisposableStack()
      unlessTaken.defer(() => read.drop())
      const changes = configured.set(next.edges)
      unlessTaken.move()
      read.take()
      inUse = next
      sources.take(next)
      stored.settle()
      endStale()
      return changes
    },
    drainMs: timeouts.drain_seconds * 1000,
    othersFinished: worker?.othersFinished,
    log,
  })
}

interface RelayInit {
  /** Everything that is open, in the order in which it opened. */
  rooms: AsyncDisposableStack
  readiness: Readiness
  visitors: readonly VisitorListener[]
  agents: AgentListener
  authtokens: Authtokens
  addresses: RelayAddresses
  view: ProcessView
  metrics: Metrics
  reload: (next: Config) => Promise<EdgeChanges>
  /** How long exchanges under way may take to finish. */
  drainMs: number
  /** As WorkerInit has it. */
  othersFinished: (() => Promise<void>) | undefined
  log: Logger
}

/** A running relay: startRelay() makes it. */
export class Relay {
  readonly addresses: RelayAddresses
  readonly authtokens: Authtokens
  readonly #init: RelayInit
  #reloading: Promise<unknown> = Promise.resolve()
  #closing: Promise<void> | undefined
  #ending: Promise<void> | undefined

  /** Use `startRelay`. */
  constructor(init: RelayInit) {
    this.addresses = init.addresses
    this.authtokens = init.authtokens
    this.#init = init
  }

  /**
   * Takes over the edges of another configuration, and the data that their policies read, in one turn; unchanged edges are
   * not touched. Requests under way finish on the edges on which they began. Other keys are not looked at. Reloads run
   * one at a time.
   * @throws ConfigError if one of them cannot be built, or one of their files cannot be read; nothing has changed then
   */
  reload(config: Config): Promise<EdgeChanges> {
    const running = this.#reloading.then(() => this.#init.reload(config))
    this.#reloading = running.catch(() => {}) // its caller is told
    return running
  }

  /** The operator's questions to this process. */
  answer(question: Question): Answer {
    return this.#init.view.answer(question)
  }

  /** For a process that combines several: AggregatorRegistry.aggregate() takes it. */
  metrics(): Promise<object> {
    return this.#init.metrics.json()
  }

  /**
   * Stops in order: not ready → no new visitors, farewell to the others → drain to agents → exchanges finish → GoAway →
   * the rooms, in reverse order of the start: sign-in, store, and the operator's doors last.
   * Idempotent; bounded by `timeouts.drain_seconds`.
   */
  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  /** Stops at once, also while it drains. Idempotent. */
  destroy(): Promise<void> {
    this.#init.readiness.begin('stopping')
    return this.#end()
  }

  async #close(): Promise<void> {
    const { readiness, visitors, agents, drainMs, othersFinished, log } = this.#init
    readiness.begin('draining')
    log.info('draining')
    const timer = setTimeout(() => {
      log.warn('drain deadline passed, ending the rest')
      for (const listener of visitors) listener.destroy()
    }, drainMs)
    // This comes before the agents are told to leave; otherwise visitors who send another request would find no agent.
    await Promise.all(visitors.map((listener) => listener.farewell()))
    agents.drain(drainMs)
    await Promise.all(visitors.map((listener) => listener.close()))
    clearTimeout(timer)
    await othersFinished?.()
    await agents.close(GOODBYE_MS)
    await this.#end()
    log.info('stopped')
  }

  #end(): Promise<void> {
    return (this.#ending ??= this.#init.rooms.disposeAsync())
  }
}
