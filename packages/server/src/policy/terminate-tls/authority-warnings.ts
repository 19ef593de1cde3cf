// Warns the operator of authorities of `terminate-tls` that have expired or soon will, before visitors complain. The clock
// is an argument.

import type { X509Certificate } from 'node:crypto'

import type { ConfigProblem } from '../../errors.ts'
import type { EdgeConfig } from '../../model/edge-config.ts'
import { authoritiesIn, isPem, nameOf } from '../../values/authorities-in.ts'
import type { AuthorityFiles } from './client-authorities.ts'
import { terminations } from './terminations.ts'
import type { Terminating } from './terminations.ts'

const DAY_MS = 86_400_000
const NOTICE_MS = 14 * DAY_MS // as for the certificates of the relay

/** @returns sentences without their beginning, which is a name for the edge */
export function authorityWarnings(edge: Terminating, files: AuthorityFiles, now: number): string[] {
  return terminations(edge).flatMap(({ certificate }) => {
    if (certificate?.strategy !== 'require-and-verify') return []
    return certificate.authorities.flatMap((written) => warningsOf(written, files, now))
  })
}

/** For all edges of a configuration. */
export function authorityFindings(edges: readonly EdgeConfig[], files: AuthorityFiles, now: number): ConfigProblem[] {
  return edges.flatMap((edge, index) =>
    authorityWarnings(edge, files, now).map((sentence) => ({
      path: `edges[${index}]`,
      message: `${edge.id} ${sentence}`,
    })),
  )
}

function warningsOf(written: string, files: AuthorityFiles, now: number): string[] {
  const where = isPem(written) ? '' : ` in ${written}`
  return certificatesOf(written, files).flatMap((authority) => {
    const problem = problemOf(authority.validFromDate.getTime(), authority.validToDate.getTime(), now)
    return problem === undefined ? [] : [`trusts the authority ${nameOf(authority)}${where}, which ${problem}`]
  })
}

function certificatesOf(written: string, files: AuthorityFiles): X509Certificate[] {
  const found = authoritiesIn(isPem(written) ? written : files.of(written).join('\n'))
  return 'problem' in found ? [] : found.authorities // told as a problem
}

function problemOf(from: number, to: number, now: number): string | undefined {
  if (now > to)
    return `expired on ${dayOf(to)}, so no visitor gets in by it; write the new certificate of that authority`
  if (now < from) return `is not valid before ${dayOf(from)}, so no visitor gets in by it until then`
  if (to - now < NOTICE_MS) return `expires on ${dayOf(to)}; from then on no visitor gets in by it`
  return undefined
}

function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10)
}
