// `relay check`: reports everything that `relay start` would refuse, without starting, and that visitors would refuse:
// an expired certificate. Warnings go to standard error and do not change the exit code.

import { printable } from '@sallyport/protocol'
import { pino } from 'pino'

import type { Config } from '../config/config.ts'
import { readConfig, type ConfigSource } from '../config/load-config.ts'
import { parseConfig } from '../config/parse-config.ts'
import { policyWarnings } from '../model/policy-warnings.ts'
import { redirectUri } from '../model/redirect-uri.ts'
import { issuersOf } from '../model/sign-ins.ts'
import { errorWithLines, withLines } from '../config/with-lines.ts'
import { ConfigError, type ConfigProblem } from '../errors.ts'
import { certificateFindings } from '../listener/tls/certificate-findings.ts'
import { authorityFindings } from '../policy/terminate-tls/authority-warnings.ts'
import { readFiles } from '../listener/tls/read-files.ts'

export async function check({
  config: file = process.env.SALLYPORT_CONFIG || undefined,
}: {
  config?: string
}): Promise<void> {
  const source = await readConfig(file)
  const remarks: ConfigProblem[] = []
  const onRemark = (remark: ConfigProblem): void => void remarks.push(remark)
  const config = parseConfig(source.text, { source: source.source, env: process.env, onRemark })
  for (const { path, message } of remarks) console.error(printable(`Warning: ${path}: ${message}`))
  const warnings = [...remarks, ...(await checkFiles(config, source))]
  const counts = [counted(config.edges, 'edge'), ...(warnings.length > 0 ? [counted(warnings, 'warning')] : [])]
  console.log(`${file ?? 'local mode'}: fine, ${counts.join(', ')}.`)
  const issuers = issuersOf(config.edges)
  if (issuers.length === 0) return
  console.log('\nTo be registered as redirect URI:')
  for (const issuer of issuers) console.log(`  at ${issuer}\n    ${redirectUri(config.public_url.origin, issuer)}`)
}

/** @returns the warnings */
async function checkFiles(config: Config, source: ConfigSource): Promise<readonly ConfigProblem[]> {
  try {
    const files = await readFiles(config, pino({ level: 'silent' }))
    files.close()
    const { problems, warnings: ofCertificates } = certificateFindings(config, files.certificates.known, Date.now())
    const ofAuthorities = authorityFindings(config.edges, files.ofEdges.clientAuthorities, Date.now())
    const warnings = [...ofCertificates, ...ofAuthorities, ...policyWarnings(config.edges)]
    for (const { path, message } of withLines(warnings, source)) console.error(`Warning: ${path}: ${message}`)
    if (problems.length > 0) throw new ConfigError(problems)
    return warnings
  } catch (error) {
    throw errorWithLines(error, source)
  }
}

function counted({ length }: readonly unknown[], noun: string): string {
  return `${length} ${noun}${length === 1 ? '' : 's'}`
}
