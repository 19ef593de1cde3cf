// Runs an agent for a command: the view or log for the person, and signals.

import { ConfigError } from '@sallyport/protocol/config-error'
import { LogOutput } from '@sallyport/protocol/log-output'
import { STOP_SIGNALS, onHangUp } from '@sallyport/protocol/signals'
import { tuneForWork } from '@sallyport/protocol/tune-v8'

import { startAgent } from '../agent.ts'
import type { Agent, AgentStatus, TunnelOptions } from '../agent.ts'
import { LAST_LINES_MS, isFile, openLog } from '../log.ts'
import type { Log } from '../log.ts'
import { PolicyRefused } from '../relay/policy-refused.ts'
import type { Environment } from '../plan/proxy.ts'
import { mergeSettings, readCertificate } from './settings.ts'
import type { GlobalFlags } from './settings.ts'
import { PolicyWatch } from './watch-policy.ts'
import type { PolicySource } from './watch-policy.ts'
import { RecentRequests } from '../report/recent-requests.ts'
import { StatusView } from '../view/status-view.ts'
import type { Terminal } from '../view/status-view.ts'
import { tellPerson } from '../view/tell-person.ts'

/** The app's flags, which `http` and `tunnel` share. */
export interface UpstreamFlags {
  name?: string
  metadata?: string
  description?: string
  weight?: number
  healthPath?: string
  healthInterval?: number
  healthTimeout?: number
  healthHealthy?: number
  healthUnhealthy?: number
  hostHeader?: string
  upstreamProtocol?: 'http1' | 'http2'
  upstreamCa?: string
  upstreamPin?: string[]
  upstreamTlsVerify?: boolean
}

/**
 * Runs until a signal or a final refusal.
 * @param way how visitors reach the app: by labels or an endpoint
 * @param policySource where the policy comes from, if it may change while the agent runs
 * @returns the exit code
 * @throws ConfigError with all problems of flags, environment and file
 */
export async function runAgent(
  upstream: string,
  way: Pick<TunnelOptions, 'labels' | 'endpoint'>,
  flags: GlobalFlags & UpstreamFlags,
  environment: Environment,
  policySource?: PolicySource,
): Promise<number> {
  const settings = mergeSettings(flags, environment)
  const watched = isWatched(flags, environment)
  const isUnlogged = watched || flags.log === 'false' || isFile(flags.log) // the person sees no line of the log
  const { log, drained } = openLog({
    level: watched && !isFile(flags.log) ? 'silent' : settings.logLevel,
    format: settings.logFormat,
    place: flags.log ?? 'stderr',
  })
  // Before anything can fail: it may be why.
  for (const warning of settings.warnings) {
    log.warn(warning)
    if (isUnlogged) tellPerson(warning)
  }
  const requests = watched ? new RecentRequests() : undefined
  const agent = startAgent({
    server: settings.server,
    authtoken: settings.authtoken,
    ca: readCertificate('--ca', settings.ca),
    proxyUrl: settings.proxyUrl,
    connections: settings.connections,
    environment,
    secrets: settings.secrets,
    log,
    requests,
    tunnels: [
      {
        upstream,
        ...way,
        name: flags.name,
        metadata: flags.metadata ?? flags.description,
        weight: flags.weight,
        healthPath: flags.healthPath,
        healthIntervalMs: flags.healthInterval,
        healthTimeoutMs: flags.healthTimeout,
        healthHealthy: flags.healthHealthy,
        healthUnhealthy: flags.healthUnhealthy,
        hostHeader: flags.hostHeader,
        upstreamProtocol: flags.upstreamProtocol,
        upstreamCa: readCertificate('--upstream-ca', flags.upstreamCa),
        upstreamPins: flags.upstreamPin,
        upstreamTlsVerify: flags.upstreamTlsVerify,
      },
    ],
  })
  void hasBufferutil().then((bufferutil) => log.debug({ bufferutil }, 'native masking'))
  if (flags.region) log.info({ region: flags.region }, 'this relay has one region; --region changes nothing yet')

  // A terminal that was stopped with Ctrl+S must not stop the agent.
  const screen = watched ? new LogOutput(1) : undefined
  const view = screen && new StatusView(terminalOf(screen), () => agent.status)
  // A log on standard output holds the address itself, and a line of another form would break its reader.
  if (way.endpoint && !watched && flags.log !== 'stdout') printForwarding(agent)
  const policy = policySource && new PolicyWatch(policySource, agent, log)
  const signals = closeOnSignals(agent, log, policy)
  tuneForWork()
  try {
    const refused = await agent.closed
    view?.close()
    await screen?.drained(LAST_LINES_MS)
    if (refused) {
      log.error({ code: refused.code }, refused.message)
      if (isUnlogged) tellPerson(`${watched ? '\n' : ''}${refused.message}`)
      // It is wrong usage, although only the relay could see it.
      if (refused instanceof PolicyRefused) throw new ConfigError(refused.problems, { cause: refused })
      return 1
    }
    return signals.cut ? 1 : 0
  } finally {
    view?.close()
    policy?.close()
    signals.stop()
    await screen?.drained(LAST_LINES_MS)
    await drained()
  }
}

function terminalOf(screen: LogOutput): Terminal {
  return {
    write: (text) => screen.write(text),
    get columns() {
      return process.stdout.columns
    },
    get rows() {
      return process.stdout.rows
    },
  }
}

/** The address that the relay has given, for people and scripts; again only if it has changed. */
function printForwarding(agent: Agent): void {
  let told = ''
  const print = ({ tunnels }: AgentStatus): void => {
    const lines = tunnels.flatMap(({ endpoints, forwardsTo, redirectUri }) => [
      ...endpoints.map((url) => `Forwarding ${url} -> ${forwardsTo}`),
      ...(redirectUri ? [`Redirect URI to register at your identity provider: ${redirectUri}`] : []),
    ])
    if (lines.join('\n') === told) return
    told = lines.join('\n')
    process.stdout.write(`${told}\n`)
  }
  agent.on('online', print).on('changed', print)
}

/** Whether to draw the view: the terminal takes escape codes, and the person has not asked for log lines there. */
function isWatched(flags: GlobalFlags, environment: Environment): boolean {
  const isElsewhere = flags.log === 'false' || isFile(flags.log)
  if (!isElsewhere && (flags.log || flags.logLevel || flags.logFormat)) return false
  if (environment['CI']) return false
  if (environment['TERM'] === 'dumb' || environment['NO_COLOR']) return false
  return process.stdout.isTTY && process.stderr.isTTY
}

/** The first signal lets open streams finish, the second ends at once. */
function closeOnSignals(
  agent: Agent,
  log: Log,
  policy: PolicyWatch | undefined,
): { readonly cut: boolean; stop: () => void } {
  const state = { cut: false, stop }
  let told = false
  function onSignal(): void {
    if (told) {
      state.cut = true
      return agent.destroy()
    }
    told = true
    void agent.close()
  }
  function stop(): void {
    for (const signal of STOP_SIGNALS) process.off(signal, onSignal)
    stopHangUps()
  }
  for (const signal of STOP_SIGNALS) process.on(signal, onSignal)
  const stopHangUps = onHangUp(onSignal, () => {
    if (policy) policy.reload()
    else log.info('SIGHUP changes nothing; SIGTERM ends the agent')
  })
  return state
}

/** bufferutil falls back to JavaScript by itself if it has no build for this machine. */
async function hasBufferutil(): Promise<boolean> {
  try {
    const [used, fallback] = await Promise.all([import('bufferutil'), import('bufferutil/fallback')])
    return used.default !== fallback.default
  } catch {
    return false // ws also works without it
  }
}
