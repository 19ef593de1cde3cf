// The answer to an agent that does not get its endpoint. Pure.

import { ProtocolError } from '@sallyport/protocol'
import type { BindProblem, ProtocolErrorCode } from '@sallyport/protocol'

import type { EndpointRefused } from '../../tunnel/endpoint-binder.ts'

/** @param problems the problems of its policy */
export function refuseEndpoint(
  code: ProtocolErrorCode,
  reason: string,
  problems?: readonly BindProblem[],
): EndpointRefused {
  return { ok: false, error: new ProtocolError(code, reason), ...(problems && { problems }) }
}
