// `forward-internal`: hands the request to an internal endpoint. Nothing is dialled here: the endpoint is an edge of this relay,
// which is looked up by its name.

import { RelayError } from '../../errors.ts'
import type { Action } from '../../exchange/action.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { readInternalUrl } from '../../values/hosts/internal-host.ts'
import type { SourcesParts } from '../sources/sources.ts'
import { textFrom } from '../text.ts'
import { endpointProblem } from './kind.ts'
import type { ForwardInternalConfig } from './kind.ts'

export interface ForwardInternalParts {
  /** The internal endpoints that this policy may use. */
  readonly internal: {
    /** @throws RelayError, at once or later */
    forward(exchange: Exchange, host: string): Promise<void>
  }
}

/** @throws RelayError, from the action: `internal_endpoint_offline`, `too_many_forwards`, and every refusal of the endpoint */
export function forwardInternal(
  { url, on_error: onError }: ForwardInternalConfig,
  parts: ForwardInternalParts & SourcesParts,
): Action {
  const { internal } = parts
  const text = textFrom(url, 'on_http_request', 'the url of forward-internal', parts)
  const forward = async (exchange: Exchange): Promise<void> => internal.forward(exchange, hostIn(text(exchange)))
  if (onError === 'halt') return forward
  return async (exchange, next) => {
    const goBack = exchange.checkpoint()
    try {
      return await forward(exchange)
    } catch (error) {
      if (!(error instanceof RelayError) || !error.isUnsent) throw error
    }
    goBack()
    await next()
  }
}

function hostIn(url: string): string {
  const problem = endpointProblem(url)
  const host = readInternalUrl(url)?.host
  if (problem === undefined && host !== undefined) return host
  throw new RelayError('internal_endpoint_offline', { detail: `the url of forward-internal: ${problem}` })
}
