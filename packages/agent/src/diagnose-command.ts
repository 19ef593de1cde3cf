// `agent diagnose`: a report for people, and for whoever they send it to.

import { AGENT_VERSION } from './agent-version.ts'
import { planAgent } from './agent-plan.ts'
import { diagnose } from './diagnose.ts'
import type { Check, Finding } from './diagnose.ts'
import type { Environment } from './proxy.ts'
import type { UpstreamFlags } from './run-agent.ts'
import { mergeSettings, readCertificate } from './settings.ts'
import type { GlobalFlags } from './settings.ts'

export type DiagnoseFlags = Pick<GlobalFlags, 'server' | 'authtoken' | 'config' | 'ca' | 'proxyUrl'> &
  Pick<UpstreamFlags, 'hostHeader' | 'upstreamProtocol' | 'upstreamCa' | 'upstreamPin' | 'upstreamTlsVerify'>

const VERDICTS: Readonly<Record<Finding['verdict'], string>> = {
  ok: '[ OK ]',
  warn: '[ WARN ]',
  fail: '[ FAIL ]',
  untried: '[ -- ]',
}
const NAMES: Readonly<Partial<Record<Check, string>>> = { name: 'name resolution', tcp: 'TCP', tls: 'TLS' }

/**
 * Prints the report.
 * @returns the exit code: 0 where nothing failed
 * @throws ConfigError where flags, environment and file do not say enough to begin
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
              labels: ['diagnose=app'], // a plan wants one; nothing is bound
              hostHeader: flags.hostHeader,
              upstreamProtocol: flags.upstreamProtocol,
              upstreamCa: readCertificate('--upstream-ca', flags.upstreamCa),
              upstreamPins: flags.upstreamPin,
              upstreamTlsVerify: flags.upstreamTlsVerify,
            },
          ],
  })
  print(`agent ${AGENT_VERSION}, relay ${plan.relay.url}${plan.proxy ? `, by the proxy ${plan.proxy.host}` : ''}`)
  for (const warning of settings.warnings) print(`${VERDICTS.warn} configuration: ${warning}`)
  let failed = 0
  await diagnose(plan, ({ check, verdict, text, ms }) => {
    if (verdict === 'fail') failed++
    const took = verdict === 'untried' ? 'not tried; ' : ''
    print(`${VERDICTS[verdict]} ${NAMES[check] ?? check}: ${took}${text}${ms === undefined ? '' : ` (${ms} ms)`}`)
  })
  print(failed === 0 ? 'Nothing failed.' : `${failed} failed.`)
  return failed === 0 ? 0 : 1
}
