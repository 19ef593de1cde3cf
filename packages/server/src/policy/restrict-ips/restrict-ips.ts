// `restrict-ips`: lets visitors in by address. The address is that of the socket, or the visitor's address that a
// trusted proxy reports.

import type { RestrictIpsConfig } from './kind.ts'
import { RelayError } from '../../errors.ts'
import { UNKNOWN_ADDRESS, compileCidrs } from '../../exchange/visitor/client-ip.ts'
import type { Action, ConnectionAction, ResponseAction } from '../../exchange/action.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { Leniency } from '../leniency.ts'
import { noteResult } from '../note-result.ts'
import type { Remembering } from '../note-result.ts'

export interface RestrictIpsParts {
  edgeId: string
  leniency: Leniency
}

type Parts = RestrictIpsParts & Partial<Remembering>

/** Refuses with `ip_restricted`. */
export function restrictIps(config: RestrictIpsConfig, parts: Parts): Action {
  const refusalOf = checker(config, parts)
  return async (exchange, next) => {
    const refusal = refusalOf(exchange)
    if (refusal) throw refusal
    await next()
  }
}

export function restrictConnections(config: RestrictIpsConfig, parts: Parts): ConnectionAction {
  return checker(config, parts)
}

/** The app has got the request, but the visitor does not get its answer. */
export function restrictResponses(config: RestrictIpsConfig, parts: Parts): ResponseAction {
  const refusalOf = checker(config, parts)
  return (exchange) => {
    const refusal = refusalOf(exchange)
    if (refusal) throw refusal
  }
}

/**
 * `deny` wins over `allow`; with an `allow` list, every other address is refused. An unreadable address might be in `deny`, so it
 * passes neither.
 */
function checker(
  { allow, deny, enforce }: RestrictIpsConfig,
  { edgeId, leniency, remembers = false }: Parts,
): (exchange: Exchange) => RelayError | undefined {
  const rangeOf = rangeFinder(allow ?? [])
  const allowed = allow ? compileCidrs(allow) : () => true
  const denied = deny ? compileCidrs(deny) : () => false
  return (exchange) => {
    const { clientIp } = exchange
    if (clientIp === UNKNOWN_ADDRESS || denied(clientIp) || !allowed(clientIp)) {
      if (enforce) return new RelayError('ip_restricted', { detail: clientIp })
      leniency.note({ edgeId, action: 'restrict-ips', detail: clientIp })
      if (remembers) noteResult(exchange, 'restrict_ips', { action: 'deny', matched_cidr: '' })
    } else if (remembers) {
      noteResult(exchange, 'restrict_ips', { action: 'allow', matched_cidr: rangeOf(clientIp) })
    }
    return undefined
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
