// The objects that every kind of transfer needs beside its exchange. Types only.

import type { Destination } from '../../backend/backend.ts'
import type { RouteBackend } from '../../backend/route-backend.ts'
import type { Limits, Timeouts } from '../../config/config.ts'
import type { OnFault } from '../../exchange/border.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { Listed, Roster } from '../../exchange/roster.ts'
import type { Tunnel } from '../../tunnel/tunnel.ts'
import type { Deadlines } from './deadlines.ts'

export interface TransferParts {
  readonly deadlines: Deadlines
  /** The transfers that have switched to another protocol. No deadline of these applies to them. */
  readonly switched: Roster<Listed & { readonly exchange: Exchange }>
  readonly limits: Limits
  readonly timeouts: Timeouts
  /** For events without an exchange. */
  readonly onFault: OnFault
  /**
   * Forwards a request in the protocol of its first destination.
   * @param tried tunnels that have been tried before
   */
  forwardTo(
    first: Destination | undefined,
    exchange: Exchange,
    backend: RouteBackend,
    tried?: Set<Tunnel>,
  ): Promise<void>
}
