// Internal endpoints: edges at hosts below `.internal`. Policies forward to them and ask them; the Host of a visitor never leads
// here, because they are in a table of their own (host-claims.ts). Nothing is dialled: a name that is not in the table does not
// exist.

import { RelayError } from '../errors.ts'
import type { RelayErrorCode } from '../errors.ts'
import { Exchange } from '../exchange/exchange.ts'
import { HeldRequest } from '../exchange/body/held-request.ts'
import { CollectedResponse } from '../exchange/call/collected-response.ts'
import type { InternalAnswer, InternalCall } from '../exchange/call/internal-call.ts'
import { borrowedConnection, callRequest } from '../exchange/call/internal-call.ts'
import { isOurs } from '../exchange/target/own-paths.ts'
import { readPath } from '../exchange/target/read-path.ts'
import { Way } from '../exchange/way.ts'
import type { InnerEdge } from '../exchange/way.ts'
import type { Forwarder } from '../forward/forwarder.ts'
import { internalOrigin } from '../values/hosts/internal-host.ts'
import { EdgeTable } from './edge-table.ts'
import type { Edge } from './edge.ts'
import { walkRoute } from './walk-route.ts'

export interface InternalEndpointsInit {
  readonly forwarder: Forwarder
  /** Writes the line of an exchange that a policy has made. */
  readonly logCall: (exchange: Exchange) => void
}

export class InternalEndpoints {
  /** Only the book changes it. */
  readonly table = new EdgeTable()
  readonly #init: InternalEndpointsInit

  constructor(init: InternalEndpointsInit) {
    this.#init = init
  }

  /**
   * Takes an exchange to an endpoint, through the policy of that endpoint. The target and the visitor's host stay.
   * @param authtokenId of the agent that has written the policy; undefined for a policy of the operator
   * @throws RelayError, at once or later: `internal_endpoint_offline`, `too_many_forwards`, and every refusal of the endpoint
   */
  forward(exchange: Exchange, host: string, authtokenId: string | undefined): Promise<void> {
    const edge = this.#at(host, authtokenId)
    enter(exchange, { id: edge.id, host })
    return walkRoute(exchange, edge, readPath(exchange.path), this.#init.forwarder)
  }

  /**
   * Makes a request to an endpoint, in an exchange of its own: the visitor's connection is not touched. A refusal by the
   * endpoint's policy is an answer.
   * @param caller the visitor's exchange
   * @throws RelayError for an endpoint that gives no answer
   */
  async ask(caller: Exchange, call: InternalCall, authtokenId: string | undefined): Promise<InternalAnswer> {
    const edge = this.#at(call.host, authtokenId)
    const way = (caller.way ??= new Way()).forCall()
    if (!way) {
      const detail = caller.way.words(caller.edgeId, caller.inner, { id: edge.id, host: call.host })
      throw new RelayError('too_many_forwards', { detail })
    }
    const response = new CollectedResponse(call.maxBytes)
    const exchange = exchangeFor(caller, call, response)
    exchange.edgeId = edge.id
    exchange.origin = internalOrigin(call.host)
    exchange.way = way
    const end = (): void => exchange.cut(new Error('nobody waits for the answer any longer'))
    call.signal.addEventListener('abort', end)
    try {
      // A policy may still wait after its visitor has left.
      await Promise.race([this.#serve(exchange, edge), response.closed])
    } finally {
      call.signal.removeEventListener('abort', end)
      this.#init.logCall(exchange)
    }
    if (exchange.error && NO_ANSWERS.has(exchange.error.code)) throw exchange.error
    return response.answer()
  }

  /** Never rejects. */
  async #serve(exchange: Exchange, edge: Edge): Promise<void> {
    const reading = readPath(exchange.path)
    try {
      if (isOurs(exchange.path, reading)) throw new RelayError('page_not_found')
      await walkRoute(exchange, edge, reading, this.#init.forwarder)
    } catch (error) {
      exchange.fail(error)
    }
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

/** The endpoint could not answer, or could not decide. All other errors are refusals by the endpoint's policy, and answers. */
const NO_ANSWERS: ReadonlySet<RelayErrorCode> = new Set([
  'internal',
  'expression_failed',
  'http_request_failed',
  'internal_endpoint_offline',
  'no_tunnel_online',
  'tunnel_full',
  'tunnel_lost',
  'app_down',
  'app_timeout',
  'app_bad_answer',
  'too_many_forwards',
  'loop_detected',
] as const)

/**
 * The policy of an endpoint runs from now on. It does not see the results and variables of the policies before it; their
 * rules for responses run after its own.
 * @throws RelayError `too_many_forwards`
 */
function enter(exchange: Exchange, inner: InnerEdge): void {
  const way = (exchange.way ??= new Way())
  if (!way.takeHop()) {
    throw new RelayError('too_many_forwards', { detail: way.words(exchange.edgeId, exchange.inner, inner) })
  }
  const { onResponseHead, policyMemory, results, route, routes, target } = exchange
  way.outer = { inner: exchange.inner, onResponseHead, policyMemory, results, route, routes, target, outer: way.outer }
  exchange.inner = inner
  exchange.internalEdgeId = inner.id
  exchange.onResponseHead = exchange.policyMemory = exchange.results = undefined
}

function exchangeFor(caller: Exchange, call: InternalCall, response: CollectedResponse): Exchange {
  const { clientIp, forwardedFor, scheme } = caller
  const request = callRequest(call)
  return new Exchange({
    request: call.body.length > 0 ? new HeldRequest(request, call.body) : request,
    response,
    connection: borrowedConnection(caller.connection, () => response.destroy()),
    host: call.host,
    clientIp,
    forwardedFor,
    scheme,
    caller,
  })
}

function offline(detail: string): RelayError {
  const error = new RelayError('internal_endpoint_offline', { detail, headers: { 'retry-after': '5' } })
  error.isUnsent = true
  return error
}
