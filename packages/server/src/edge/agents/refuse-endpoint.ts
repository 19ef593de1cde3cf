// How an agent is told that it does not get the endpoint that it asks for. Pure.

import { ProtocolError } from '@sallyport/protocol'
import type { BindProblem, ProtocolErrorCode } from '@sallyport/protocol'

import type { EndpointRefused } from '../../tunnel/endpoint-binder.ts'

/** @param problems what is wrong with its policy */
export function refuseEndpoint(
  code: ProtocolErrorCode,
  reason: string,
  problems?: readonly BindProblem[],
): EndpointRefused {
  return { ok: false, error: new ProtocolError(code, reason), ...(problems && { problems }) }
}
