// Findings about certificates that an operator should know before visitors complain: a certificate that browsers refuse
// now or soon, and a host without a certificate. Pure: no I/O; the clock is an argument.

import type { Config } from '../../config/config.ts'
import { hostMatches } from '../../values/host-pattern.ts'
import { isInternalHost } from '../../values/hosts/internal-host.ts'
import type { ConfigProblem } from '../../errors.ts'
import { isNameOf } from './certificate-names.ts'

const DAY_MS = 86_400_000
const NOTICE_MS = 14 * DAY_MS // ACME renews 30 days before the end, so it has failed for two weeks
const NOTICE_SHARE = 1 / 3 // certificates of six days, as from Let's Encrypt, would cause a warning from the first hour on

const RENEW = 'a running relay takes the new file by itself'

/** The first certificate of a file. Times are milliseconds since 1970. */
export interface KnownCertificate {
  file: string
  names: readonly string[]
  validFrom: number
  validTo: number
}

export interface CertificateFindings {
  /** Browsers refuse these. */
  problems: ConfigProblem[]
  warnings: ConfigProblem[]
}

/** @param known in the order of `tls.certificates` */
export function certificateFindings(
  { listen, public_url: publicUrl, edges }: Pick<Config, 'listen' | 'public_url' | 'edges'>,
  known: readonly KnownCertificate[],
  now: number,
): CertificateFindings {
  const findings: CertificateFindings = { problems: [], warnings: [] }
  if (!listen.https) return findings
  for (const [index, certificate] of known.entries()) {
    const path = `tls.certificates[${index}].cert_file`
    const refusal = refusalOf(certificate, now)
    const end = refusal === undefined ? nearEndOf(certificate, now) : undefined
    if (refusal !== undefined) findings.problems.push({ path, message: refusal })
    if (end !== undefined) findings.warnings.push({ path, message: end })
  }
  // The expiry has been reported already, and one mistake should cause only one sentence.
  const names = known.flatMap((certificate) => certificate.names)
  const look = (path: string, host: string): void => {
    if (!names.some((name) => isNameOf(name, host))) findings.warnings.push({ path, message: uncovered(host, names) })
  }
  look('public_url', publicUrl.hostname)
  for (const [index, { hosts, origin }] of edges.entries()) {
    if (origin?.startsWith('http:')) continue // its visitors come without TLS
    for (const [place, host] of hosts.entries()) {
      if (!isInternalHost(host)) look(`edges[${index}].hosts[${place}]`, host)
    }
  }
  return findings
}

function refusalOf({ file, validFrom, validTo }: KnownCertificate, now: number): string | undefined {
  if (now > validTo) return `${file} expired on ${dayOf(validTo)}; visitors and agents refuse it. Renew it: ${RENEW}`
  if (now >= validFrom) return undefined
  return `${file} is not valid before ${dayOf(validFrom)}; visitors and agents refuse it until then. Use another one, or set the clock of this machine`
}

function nearEndOf({ file, validFrom, validTo }: KnownCertificate, now: number): string | undefined {
  const left = validTo - now
  if (left > Math.min(NOTICE_MS, (validTo - validFrom) * NOTICE_SHARE)) return undefined
  const days = Math.floor(left / DAY_MS)
  const when = days === 0 ? 'in less than a day' : days === 1 ? 'in 1 day' : `in ${days} days`
  return `${file} expires on ${dayOf(validTo)}, ${when}; renew it: ${RENEW}`
}

function uncovered(host: string, names: readonly string[]): string {
  const tooShort = names.find((name) => name.startsWith('*.') && hostMatches(name, host))
  const why = tooShort === undefined ? '' : ` (${tooShort} covers only one label)`
  return `no certificate is for ${host}${why}, so browsers warn of it; add one under tls.certificates`
}

function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10)
}
