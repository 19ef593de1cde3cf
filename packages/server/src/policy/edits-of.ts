// The list of changes to headers, on the way to the app or back.

import type { Exchange } from '../exchange/exchange.ts'
import { HeaderEdits } from '../exchange/header-edits.ts'
import type { Phase } from './kind.ts'

export function editsOf(exchange: Exchange, phase: Phase): HeaderEdits {
  if (phase === 'on_http_request') return (exchange.requestEdits ??= new HeaderEdits())
  return (exchange.responseEdits ??= new HeaderEdits())
}
