// Whether the connection of a request was made as its edge demands (`terminate-tls`). The handshake knows only the name that the
// visitor asked for, and one connection may carry requests for several edges, so each request is compared. Nobody gets past this
// to a page of the edge, a sign-in or an app. No I/O; the clock is an argument.

import { RelayError } from '../errors.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { CertificateDemand, ShownCertificate, TlsDemands } from '../exchange/visitor/tls-demands.ts'

/** @throws RelayError `tls_ended_elsewhere`, `misdirected`, `certificate_required` or `certificate_refused` */
export function checkTls(exchange: Exchange, demands: TlsDemands | undefined, clock: () => number): void {
  const { connection } = exchange
  const { tlsDemands: made } = connection
  if (made === demands) {
    if (made === undefined) return // most requests
  } else if (made?.digest !== demands?.digest) throw misfit(exchange, demands)
  if (demands && connection.isFromProxy) throw new RelayError('tls_ended_elsewhere')
  const refusal = demands?.certificate && certificateRefusal(connection.shownCertificate, demands.certificate, clock())
  if (!refusal) return
  connection.retire() // on the next one, another certificate can be shown
  throw refusal
}

function misfit({ connection, host }: Exchange, demands: TlsDemands | undefined): RelayError {
  // A new connection would not help: the visitor speaks TLS with the proxy.
  if (demands && (connection.isFromProxy || !connection.tls)) return new RelayError('tls_ended_elsewhere')
  const name = connection.serverName
  // RFC 9110 15.5.20. A connection for another host stays as it is: it fits there.
  if (name === undefined || name === host) connection.retire()
  const detail = `the handshake was for ${name ?? 'no name'}, ${demands ? 'without' : 'with'} the demands of this edge`
  return new RelayError('misdirected', { detail, headers: CLOSE })
}

function certificateRefusal(
  shown: ShownCertificate | undefined,
  { strategy }: CertificateDemand,
  now: number,
): RelayError | undefined {
  if (strategy === 'request') return undefined
  if (!shown) return new RelayError('certificate_required', { headers: CLOSE })
  if (strategy === 'require-any') return undefined
  const problem = shown.problem ?? (now > shown.validTo ? EXPIRED : undefined)
  if (problem === undefined) return undefined
  return new RelayError('certificate_refused', {
    detail: problem,
    headers: CLOSE,
    ...(problem === EXPIRED && { advice: (texts) => texts.instead.certificateExpired }),
  })
}

const CLOSE = { connection: 'close' }
const EXPIRED = 'CERT_HAS_EXPIRED' // as OpenSSL calls it
