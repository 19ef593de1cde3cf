// Internal endpoints: edges at hosts below `.internal`. Policies forward to them; the Host of a visitor never leads here, because
// they are in a table of their own (host-claims.ts).

import { RelayError } from '../errors.ts'
import type { Exchange } from '../exchange/exchange.ts'
import { readPath } from '../exchange/target/read-path.ts'
import type { Forwarder } from '../forward/forwarder.ts'
import { internalOrigin } from '../values/hosts/internal-host.ts'
import { EdgeTable } from './edge-table.ts'
import type { Edge } from './edge.ts'
import { walkRoute } from './walk-route.ts'

export class InternalEndpoints {
  /** Only the book changes it. */
  readonly table = new EdgeTable()
  readonly #forwarder: Forwarder

  constructor(forwarder: Forwarder) {
    this.#forwarder = forwarder
  }

  /**
   * Takes an exchange to an endpoint, through the policy of that endpoint. The target and the visitor's host stay.
   * @param authtokenId of the agent that has written the policy; undefined for a policy of the operator
   * @throws RelayError, at once or later: `internal_endpoint_offline`, `too_many_forwards`, and every refusal of the endpoint
   */
  forward(exchange: Exchange, host: string, authtokenId: string | undefined): Promise<void> {
    const edge = this.#at(host, authtokenId)
    exchange.enterInner({ id: edge.id, host })
    return walkRoute(exchange, edge, readPath(exchange.path), this.#forwarder)
  }

  /** An agent learns nothing of other people's endpoints: for its policy they do not exist. */
  #at(host: string, authtokenId: string | undefined): Edge {
    const edge = this.table.find(host)
    if (!edge) throw offline(`there is no endpoint ${internalOrigin(host)}`)
    if (authtokenId !== undefined && edge.authtokenId !== authtokenId) {
      throw offline(`${internalOrigin(host)} belongs to another authtoken than the policy`)
    }
    return edge
  }
}

function offline(detail: string): RelayError {
  const error = new RelayError('internal_endpoint_offline', { detail, headers: { 'retry-after': '5' } })
  error.isUnsent = true
  return error
}
