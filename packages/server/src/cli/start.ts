// `relay start`: runs a relay until a signal ends it, in this process or in several.

import { availableParallelism } from 'node:os'

import { STOP_SIGNALS, onHangUp } from '@sallyport/protocol/signals'
import { holdHeap, tuneForWork } from '@sallyport/protocol/tune-v8'

import type { Config } from '../config/config.ts'
import { readConfig } from '../config/load-config.ts'
import type { ConfigSource } from '../config/load-config.ts'
import { LOG_FORMATS, LOG_LEVELS } from '../config/log-words.ts'
import type { LogWish } from '../config/log-words.ts'
import { parseConfig } from '../config/parse-config.ts'
import { policyWarnings } from '../model/policy-warnings.ts'
import { redirectUri } from '../model/redirect-uri.ts'
import { WORKERS_MAX, WORKERS_PROBLEM } from '../config/schema/workers-schema.ts'
import { issuersOf } from '../model/sign-ins.ts'
import { errorWithLines } from '../config/with-lines.ts'
import { ConfigError } from '../errors.ts'
import type { ConfigProblem } from '../errors.ts'
import type { CertificateFindings } from '../listener/tls/certificate-findings.ts'
import { isForPeople, openLog } from '../log.ts'
import type { Logger, ProcessLog } from '../log.ts'
import type { Authtokens } from '../tunnel/authtokens.ts'
import { LastReload } from '../operator/reload.ts'
import type { ReloadReport } from '../operator/reload.ts'
import type { EdgeChanges } from '../edge/configured-edges.ts'
import { RELAY_VERSION } from '../version.ts'
import { greeting, placeRows } from './greeting.ts'
import { findLocalPorts } from './local-ports.ts'
import { Reload } from './reload.ts'
import type { ReloadInit } from './reload.ts'
import { plainCommand, typedCommand } from './typed-command.ts'

/** Systems on which SO_REUSEPORT distributes connections among processes, as node:net documents. */
const SHARING_PLATFORMS = new Set<NodeJS.Platform>(['linux', 'freebsd', 'sunos', 'aix'])

const LOGGED_WARNINGS = 20 // of thousands that may be
const LAST_LINES_MS = 1000 // for the reader of the log, after everything else

/** A started relay, of one process or several. */
interface Running {
  addresses: { http?: number | undefined; https?: number | undefined; admin: number | undefined }
  withAuthtokens(work: (authtokens: Authtokens) => Promise<void>): Promise<void>
  /** See Relay.reload(). */
  reload(config: Config, source: ConfigSource): Promise<EdgeChanges>
  close(): Promise<void>
  /** Ends everything that would outlive this process. */
  abandon(): void
}

export interface StartOptions {
  config?: string
  workers?: string
  logLevel?: NonNullable<LogWish['level']>
  logFormat?: NonNullable<LogWish['format']>
  /** Removes the process's handling of uncaught exceptions, which it has until it has a log. */
  leaveUncaught: () => void
}

export async function start({
  config: file = process.env.SALLYPORT_CONFIG || undefined,
  workers: wanted,
  logLevel,
  logFormat,
  leaveUncaught,
}: StartOptions): Promise<void> {
  const source = await readConfig(
    file,
    file === undefined ? await findLocalPorts((sentence) => tell([sentence])) : undefined,
  )
  const remarks: ConfigProblem[] = []
  const onRemark = (remark: ConfigProblem): void => void remarks.push(remark)
  const config = parseConfig(source.text, { source: source.source, env: process.env, onRemark })
  const workers = countWorkers(wanted === undefined ? config.workers : parseWorkers(wanted))
  const wish: LogWish = {
    ...logWishOf(process.env),
    ...(logLevel && { level: logLevel }),
    ...(logFormat && { format: logFormat }),
  }
  const opened = openLog({ ...config.log, ...wish, isShared: workers > 1 })
  const { log, output } = opened
  let running: Running | undefined
  const apply: ReloadInit['apply'] = (next, text) => {
    if (!running) throw new ConfigError([{ path: 'relay reload', message: 'the relay is still starting; try again' }])
    return running.reload(next, text)
  }
  const reload = file === undefined ? undefined : new Reload({ file, config, log, apply })
  let certificates: CertificateFindings
  leaveUncaught()
  process.on('uncaughtException', (error) => {
    // Unknown state: say why, and let the service manager start a new process.
    log.fatal({ err: error }, 'uncaught exception')
    running?.abandon()
    process.exit(1)
  })
  try {
    certificates = await lookAtCertificates(config, log)
    running =
      workers === 1
        ? await startAlone(config, opened, reload)
        : await startWorkers(config, { workers, source, logWish: wish, reload }, opened)
  } catch (error) {
    throw file === undefined ? error : errorWithLines(error, source)
  }
  tuneForWork()
  holdHeap()
  const { addresses } = running
  log.info(
    { version: RELAY_VERSION, ...addresses, edges: config.edges.length, ...(workers > 1 && { workers }) },
    'relay started',
  )
  for (const issuer of issuersOf(config.edges)) {
    const uri = redirectUri(config.public_url.origin, issuer)
    log.info({ issuer, redirectUri: uri }, 'visitors sign in here; this redirect URI must be registered there')
  }
  if (file === undefined) await welcome(running, config)
  else {
    const format = wish.format ?? config.log.format
    greet(config, { file, admin: adminUrl(config, addresses), certificates, remarks, log, format })
  }
  await untilSignal(running, reload, log)
  await output.drained(LAST_LINES_MS)
  process.exit(0) // nothing may keep a stopped relay alive
}

/**
 * Certificates that visitors refuse are still served: an operator without better ones should not also be without a
 * relay. Checked here, once for all workers.
 * @throws ConfigError as the start would
 */
async function lookAtCertificates(config: Config, log: Logger): Promise<CertificateFindings> {
  if (config.tls.certificates.length === 0) return { problems: [], warnings: [] }
  const [{ readFiles }, { certificateFindings }, { authorityFindings }] = await Promise.all([
    import('../listener/tls/read-files.ts'),
    import('../listener/tls/certificate-findings.ts'),
    import('../policy/terminate-tls/authority-warnings.ts'),
  ])
  const files = await readFiles(config, log)
  // Before a relay of this process watches the same files: close() stops watching certificates.
  files.close()
  const { problems, warnings } = certificateFindings(config, files.certificates.known, Date.now())
  const ofAuthorities = authorityFindings(config.edges, files.ofEdges.clientAuthorities, Date.now())
  return { problems, warnings: [...warnings, ...ofAuthorities] }
}

// Each of the two loads code that the other does not need: a supervisor serves no visitors.

async function startAlone(config: Config, { log, output }: ProcessLog, reload: Reload | undefined): Promise<Running> {
  const { startRelay } = await import('../relay.ts')
  const relay = await startRelay(config, { log, logOutput: output, env: process.env, ...reloading(reload) })
  const { http, https, admin } = relay.addresses
  return {
    addresses: { http: http?.port, https: https?.port, admin: admin?.port },
    withAuthtokens: (work) => work(relay.authtokens),
    reload: (next) => relay.reload(next),
    close: () => relay.close(),
    abandon: () => {},
  }
}

async function startWorkers(
  config: Config,
  { reload, ...plan }: { workers: number; source: ConfigSource; logWish: LogWish; reload: Reload | undefined },
  { log, output }: ProcessLog,
): Promise<Running> {
  const { startSupervisor } = await import('../workers/supervisor.ts')
  const supervisor = await startSupervisor(config, { ...plan, log, logOutput: output, ...reloading(reload) })
  return {
    addresses: supervisor.addresses,
    // This process has no store itself. This is local mode, so there is no file to name.
    withAuthtokens: async (work) => {
      const [{ withStore }, { Authtokens }] = await Promise.all([
        import('./stored/with-store.ts'),
        import('../tunnel/authtokens.ts'),
      ])
      await withStore({}, (store) => Authtokens.open(store), work)
    },
    reload: (_, source) => supervisor.reload(source),
    close: () => supervisor.close(),
    abandon: () => supervisor.killWorkers(),
  }
}

function reloading(reload: Reload | undefined): { lastReload: LastReload; reload?: () => Promise<ReloadReport> } {
  return reload ? { lastReload: reload.last, reload: () => reload.run() } : { lastReload: new LastReload() }
}

/** Between the flags and relay.yml, as the agent has it. */
function logWishOf(env: NodeJS.ProcessEnv): LogWish {
  const level = chosen('SALLYPORT_LOG_LEVEL', LOG_LEVELS, env)
  const format = chosen('SALLYPORT_LOG_FORMAT', LOG_FORMATS, env)
  return { ...(level && { level }), ...(format && { format }) }
}

function chosen<T extends string>(name: string, known: readonly T[], env: NodeJS.ProcessEnv): T | undefined {
  const value = env[name]
  if (!value) return undefined
  const found = known.find((each) => each === value)
  if (found) return found
  throw new ConfigError([{ path: name, message: `"${value}" is not known; write one of: ${known.join(', ')}` }])
}

function parseWorkers(text: string): Config['workers'] {
  if (text === 'auto') return text
  const count = /^\d{1,3}$/.test(text) ? Number(text) : 0
  if (count >= 1 && count <= WORKERS_MAX) return count
  throw new ConfigError([{ path: '--workers', message: WORKERS_PROBLEM }])
}

function countWorkers(wanted: Config['workers']): number {
  if (wanted !== 'auto') return wanted
  return SHARING_PLATFORMS.has(process.platform) ? Math.min(availableParallelism(), WORKERS_MAX) : 1
}

/** People begin with local mode: show them the running parts and the next command. */
async function welcome(running: Running, config: Config): Promise<void> {
  const server = config.public_url.origin
  const edge = config.edges[0]
  const agent = typedCommand('agent', process.env)
  const where = agent.folder === undefined ? 'beside your app' : `in another terminal, in ${agent.folder}`
  const lines = [
    `Sallyport relay ${RELAY_VERSION} in local mode (no --config given)`,
    '',
    `  Visitors   ${edge ? `${config.public_url.protocol}//${edge.hosts[0]}:${config.public_url.port}` : 'no edge'}`,
    ...placeRows(server, adminUrl(config, running.addresses), config.store.path),
  ]
  await running.withAuthtokens(async (authtokens) => {
    if (authtokens.size === 0) {
      const { token } = await authtokens.create({ acl: [], description: 'first authtoken of local mode' })
      lines.push(
        `A first authtoken was made. It is shown only now. Run this ${where}:`,
        '',
        `  ${agent.words} tunnel --server ${server} --authtoken ${token} --label edge=${edge?.id ?? 'edg_local'} http://localhost:8000`,
        '',
        `or this, for an address of its own (${agent.words} http --help tells how to add sign-in):`,
        '',
        `  ${agent.words} http --server ${server} --authtoken ${token} 8000`,
      )
    } else {
      lines.push(
        `Run this ${where} (make an authtoken with: ${typedCommand('relay', process.env).words} authtoken create):`,
        '',
        `  ${agent.words} tunnel --server ${server} --authtoken … --label edge=${edge?.id ?? 'edg_local'} http://localhost:8000`,
      )
    }
  })
  tell([...lines, ''])
}

interface Greeted {
  file: string
  admin: string
  certificates: CertificateFindings
  remarks: readonly ConfigProblem[]
  log: Logger
  format: LogWish['format']
}

/** People get all of it. Without a terminal, lines that are not JSON would disturb the reader of the log. */
function greet(config: Config, { file, admin, certificates, remarks, log, format }: Greeted): void {
  if (process.stderr.isTTY || isForPeople(format)) {
    const relay = typedCommand('relay', process.env).words
    return tell(greeting(config, { file, admin, certificates, remarks, relay, agent: plainCommand('agent') }))
  }
  for (const { path, message } of [...remarks, ...policyWarnings(config.edges)].slice(0, LOGGED_WARNINGS))
    log.warn({ key: path, reason: message }, 'a policy needs a look')
  const { problems, warnings } = certificates
  for (const { path, message } of problems) log.error({ key: path, reason: message }, 'visitors refuse a certificate')
  for (const { path, message } of warnings.slice(0, LOGGED_WARNINGS))
    log.warn({ key: path, reason: message }, 'certificates need a look')
  const more = warnings.length - LOGGED_WARNINGS
  if (more > 0) log.warn({ more }, 'certificates need a look; relay check lists all')
}

function adminUrl({ listen }: Config, { admin }: Running['addresses']): string {
  const { host = '127.0.0.1' } = listen.admin
  return `http://${host.includes(':') ? `[${host}]` : host}:${admin}`
}

function tell(lines: readonly string[]): void {
  process.stderr.on('error', () => {}).write(`${lines.join('\n')}\n`) // a reader that stops must not end the relay
}

/**
 * The first SIGTERM, SIGINT or SIGQUIT, or a lost terminal, drains; the second ends at once. SIGHUP without a terminal
 * reads the configuration again.
 */
async function untilSignal(running: Running, reload: Reload | undefined, log: Logger): Promise<void> {
  const endAtOnce = (): void => {
    running.abandon()
    process.exit(1)
  }
  await new Promise<void>((resolve) => {
    const stop = (): void => {
      for (const signal of STOP_SIGNALS) process.off(signal, stop).on(signal, endAtOnce)
      resolve()
    }
    for (const signal of STOP_SIGNALS) process.on(signal, stop)
    onHangUp(stop, () => {
      if (reload) reload.run().catch((error: unknown) => log.error({ err: error }, 'reading relay.yml again failed'))
      else log.info('SIGHUP changes nothing: this relay runs without a configuration file')
    })
  })
  await running.close()
}
