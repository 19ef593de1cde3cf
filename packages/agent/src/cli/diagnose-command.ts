// `agent diagnose`: a report for people, which they may send to others.

import { AGENT_VERSION } from '../agent-version.ts'
import { planAgent } from '../plan/agent-plan.ts'
import { diagnose } from './diagnose.ts'
import type { Check, Finding } from './diagnose.ts'
import type { Environment } from '../plan/proxy.ts'
import type { UpstreamFlags } from './run-agent.ts'
import { mergeSettings, readCertificate } from './settings.ts'
import type { GlobalFlags } from './settings.ts'

export type DiagnoseFlags = Pick<GlobalFlags, 'server' | 'authtoken' | 'config' | 'ca' | 'proxyUrl'> &
  Pick<UpstreamFlags, 'hostHeader' | 'upstreamProtocol' | 'upstreamCa' | 'upstreamPin' | 'upstreamTlsVerify'> & {
    json?: boolean
  }

/** The report for programs. Keys are added, never renamed; `text` is for people and may change. */
export interface DiagnoseReport {
  /** Version of the agent. */
  agent: string
  /** The relay's address. */
  relay: string
  /** Host and port of the proxy that leads to it. */
  proxy: string | null
  /** How many checks failed. */
  failed: number
  /** In the order in which they were made. */
  checks: {
    check: 'configuration' | Lowercase<Check>
    verdict: Finding['verdict']
    text: string
    /** Milliseconds, if meaningful. */
    ms: number | null
  }[]
}

const VERDICTS: Readonly<Record<Finding['verdict'], string>> = {
  ok: '[ OK ]',
  warn: '[ WARN ]',
  fail: '[ FAIL ]',
  untried: '[ -- ]',
}
const NAMES: Readonly<Partial<Record<Check, string>>> = { name: 'name resolution', tcp: 'TCP', tls: 'TLS' }

/**
 * Prints the report.
 * @returns the exit code: 0 if nothing failed
 * @throws ConfigError if flags, environment and file are not enough to begin
 */
export async function runDiagnose(
  upstream: string | undefined,
  flags: DiagnoseFlags,
  environment: Environment,
  print: (line: string) => void,
): Promise<number> {
  const settings = mergeSettings(flags, environment)
  const plan = planAgent({
    server: settings.server,
    authtoken: settings.authtoken,
    ca: readCertificate('--ca', settings.ca),
    proxyUrl: settings.proxyUrl,
    environment,
    tunnels:
      upstream === undefined
        ? []
        : [
            {
              upstream,
              labels: ['diagnose=app'], // a plan needs one; nothing is bound
              hostHeader: flags.hostHeader,
              upstreamProtocol: flags.upstreamProtocol,
              upstreamCa: readCertificate('--upstream-ca', flags.upstreamCa),
              upstreamPins: flags.upstreamPin,
              upstreamTlsVerify: flags.upstreamTlsVerify,
            },
          ],
  })
  const report: DiagnoseReport = {
    agent: AGENT_VERSION,
    relay: plan.relay.url,
    proxy: plan.proxy?.host ?? null,
    failed: 0,
    checks: settings.warnings.map((text) => ({ check: 'configuration', verdict: 'warn', text, ms: null })),
  }
  const say = flags.json ? () => {} : print
  say(`agent ${report.agent}, relay ${report.relay}${report.proxy === null ? '' : `, by the proxy ${report.proxy}`}`)
  for (const warning of settings.warnings) say(`${VERDICTS.warn} configuration: ${warning}`)
  await diagnose(plan, ({ check, verdict, text, ms }) => {
    if (verdict === 'fail') report.failed++
    report.checks.push({ check: check.toLowerCase() as Lowercase<Check>, verdict, text, ms: ms ?? null }) // so it says
    const took = verdict === 'untried' ? 'not tried; ' : ''
    say(`${VERDICTS[verdict]} ${NAMES[check] ?? check}: ${took}${text}${ms === undefined ? '' : ` (${ms} ms)`}`)
  })
  say(report.failed === 0 ? 'Nothing failed.' : `${report.failed} failed.`)
  if (flags.json) print(JSON.stringify(report, undefined, 2))
  return report.failed === 0 ? 0 : 1
}
