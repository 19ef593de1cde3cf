// A tunnel may lead back to this relay: by mistake, or over another relay or CDN whose upstream is this one. Each
// request would go in circles until some resource runs out. RFC 8586: a relay adds its name to CDN-Loop when it passes
// a request on, and refuses requests that have the name already. Pure: no I/O, no clock.

import { RelayError } from '../errors.ts'
import type { Exchange } from '../exchange/exchange.ts'

// Apps behind this relay may call each other through it and pass the headers on, such as a gateway behind a gateway.
const PASSES_MAX = 4

/**
 * @param relayName as this relay writes it into CDN-Loop, lower case
 * @throws RelayError `loop_detected`. A visitor who writes the header harms nobody else: caches may not keep the answer
 */
export function refuseLoop(exchange: Exchange, relayName: string): void {
  const header = exchange.header('cdn-loop')
  if (header === undefined) return
  // RFC 8586 2: cdn-info = cdn-id *( OWS ";" OWS parameter )
  const ids = header.split(',').map((info) => info.split(';', 1)[0]!.trim().toLowerCase()) // split() gives one at least
  const passes = ids.filter((id) => id === relayName).length
  if (passes >= PASSES_MAX) throw new RelayError('loop_detected', { detail: `it has passed here ${passes} times` })
}
