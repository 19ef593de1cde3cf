// `terminate-tls` when its rule runs: TLS was agreed before (listener/tls/) and compared with the demands of the edge
// (edge/check-tls.ts). This step only tells later expressions what was agreed.

import type { ConnectionAction } from '../../exchange/action.ts'
import { tlsFactsOf } from '../engine/exchange-facts.ts'
import { noteResult } from '../note-result.ts'
import type { Remembering } from '../note-result.ts'
import type { TerminateTlsConfig } from './kind.ts'

export function terminateTls(_: TerminateTlsConfig, { readsResult }: Remembering): ConnectionAction {
  if (!readsResult('terminate_tls')) return () => undefined
  return (exchange) => {
    const { tls } = exchange.connection
    if (!tls) return undefined
    const { version, cipherSuite, sni, alpn, sessionResumed } = tlsFactsOf(tls)
    noteResult(exchange, 'terminate_tls', {
      version,
      cipher_suite: cipherSuite,
      sni,
      negotiated_alpn: alpn,
      session_resumed: sessionResumed,
    })
    return undefined
  }
}
