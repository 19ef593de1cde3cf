// `restrict-ips`: lets visitors in by address. The address is that of the socket, or the visitor's address that a
// trusted proxy reports.

import type { RestrictIpsConfig } from './kind.ts'
import { RelayError } from '../../errors.ts'
import { UNKNOWN_ADDRESS } from '../../exchange/visitor/client-ip.ts'
import type { AppAnswer } from '../../exchange/app-answer.ts'
import type { Action, ConnectionAction, ResponseAction } from '../../exchange/action.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { Phase } from '../kind.ts'
import type { Leniency } from '../leniency.ts'
import { noteResult } from '../note-result.ts'
import type { Remembering } from '../note-result.ts'
import type { SourcesParts } from '../sources/sources.ts'
import { rangesFrom } from './ranges-from.ts'

export interface RestrictIpsParts extends SourcesParts {
  edgeId: string
  leniency: Leniency
}

type Parts = RestrictIpsParts & Partial<Remembering>

/** Refuses with `ip_restricted`. */
export function restrictIps(config: RestrictIpsConfig, parts: Parts): Action {
  const refusalOf = checker(config, 'on_http_request', parts)
  return async (exchange, next) => {
    const refusal = refusalOf(exchange)
    if (refusal) throw refusal
    await next()
  }
}

export function restrictConnections(config: RestrictIpsConfig, parts: Parts): ConnectionAction {
  return checker(config, 'on_tcp_connect', parts)
}

/** The app has got the request, but the visitor does not get its answer. */
export function restrictResponses(config: RestrictIpsConfig, parts: Parts): ResponseAction {
  const refusalOf = checker(config, 'on_http_response', parts)
  return (exchange, answer) => {
    const refusal = refusalOf(exchange, answer)
    if (refusal) throw refusal
  }
}

/**
 * `deny` wins over `allow`; with an `allow` list, every other address is refused. An unreadable address might be in `deny`, so it
 * passes neither.
 * @throws RelayError, from the function, if a range cannot be made, even with `enforce: false`
 */
function checker(
  { allow, deny, enforce }: RestrictIpsConfig,
  phase: Phase,
  { readsResult = () => false, ...parts }: Parts,
): (exchange: Exchange, answer?: AppAnswer) => RelayError | undefined {
  const { edgeId, leniency } = parts
  const isRead = readsResult('restrict_ips')
  const allowedFor = allow && rangesFrom(allow, 'allow', phase, parts)
  const deniedFor = deny && rangesFrom(deny, 'deny', phase, parts)
  return (exchange, answer) => {
    const { clientIp } = exchange
    const denied = deniedFor?.(exchange, answer)
    const allowed = allowedFor?.(exchange, answer)
    const isDenied = denied?.has(clientIp) ?? false
    if (clientIp === UNKNOWN_ADDRESS || isDenied || allowed?.has(clientIp) === false) {
      if (enforce) return new RelayError('ip_restricted', { detail: clientIp })
      leniency.note({ edgeId, action: 'restrict-ips', detail: clientIp })
      if (isRead)
        noteResult(exchange, 'restrict_ips', { action: 'deny', matched_cidr: denied?.rangeOf(clientIp) ?? '' })
    } else if (isRead) {
      noteResult(exchange, 'restrict_ips', { action: 'allow', matched_cidr: allowed?.rangeOf(clientIp) ?? '' })
    }
    return undefined
  }
}
