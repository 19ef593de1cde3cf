// `restrict-ips`: lets visitors in by address. The address is that of the socket, or the visitor's address that a
// trusted proxy reports.

import type { RestrictIpsConfig } from './kind.ts'
import { RelayError } from '../../errors.ts'
import { UNKNOWN_ADDRESS, compileCidrs } from '../../exchange/visitor/client-ip.ts'
import type { Action } from '../../exchange/action.ts'
import type { Leniency } from '../leniency.ts'
import { noteResult } from '../note-result.ts'
import type { Remembering } from '../note-result.ts'

export interface RestrictIpsParts {
  edgeId: string
  leniency: Leniency
}

/**
 * `deny` wins over `allow`; with an `allow` list, every other address is refused with `ip_restricted`. An unreadable
 * address might be in `deny`, so it passes neither.
 */
export function restrictIps(
  { allow, deny, enforce }: RestrictIpsConfig,
  { edgeId, leniency, remembers = false }: RestrictIpsParts & Partial<Remembering>,
): Action {
  const rangeOf = rangeFinder(allow ?? [])
  const allowed = allow ? compileCidrs(allow) : () => true
  const denied = deny ? compileCidrs(deny) : () => false
  return async (exchange, next) => {
    const { clientIp } = exchange
    if (clientIp === UNKNOWN_ADDRESS || denied(clientIp) || !allowed(clientIp)) {
      if (enforce) throw new RelayError('ip_restricted', { detail: clientIp })
      leniency.note({ edgeId, action: 'restrict-ips', detail: clientIp })
      if (remembers) noteResult(exchange, 'restrict_ips', { action: 'deny', matched_cidr: '' })
    } else if (remembers) {
      noteResult(exchange, 'restrict_ips', { action: 'allow', matched_cidr: rangeOf(clientIp) })
    }
    await next()
  }
}

/** @returns a function that finds the first of the ranges that an address is in; empty if there is none */
function rangeFinder(ranges: readonly string[]): (address: string) => string {
  let compiled: { range: string; has: (address: string) => boolean }[] | undefined
  return (address) => {
    compiled ??= ranges.map((range) => ({ range, has: compileCidrs([range]) }))
    return compiled.find(({ has }) => has(address))?.range ?? ''
  }
}
