// A request that a policy makes to an internal endpoint, and its answer.

import type { Connection } from '../connection.ts'
import type { VisitorRequest } from '../visitor/visitor-request.ts'

export interface InternalCall {
  readonly method: string
  /** Of the endpoint, in lower case. */
  readonly host: string
  /** Path and query, in origin form. */
  readonly target: string
  /** Without `Host` and framing. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Buffer
  /** Ends the call at once. */
  readonly signal: AbortSignal
  /** The bound of the answer's body. */
  readonly maxBytes: number
}

export interface InternalAnswer {
  readonly status: number
  /** Name, value, name, value … */
  readonly rawHeaders: readonly string[]
  readonly body: Buffer
}

/** The request without its body. */
export function callRequest({ method, host, target, headers, body }: InternalCall): VisitorRequest {
  const framing = body.length > 0 || BODY_METHODS.has(method) ? ['Content-Length', String(body.length)] : []
  return {
    method,
    url: target,
    rawHeaders: ['Host', host, ...headers.flat(), ...framing],
    rawTrailers: [],
    httpVersionMinor: 1,
    httpVersion: '1.1',
    complete: true,
    on() {
      // It has no body, so neither event comes.
    },
    pause() {},
    resume() {},
  }
}

/** RFC 9110 8.6: these methods announce an empty body, too. */
const BODY_METHODS = new Set(['POST', 'PUT', 'PATCH'])

/** The facts of the visitor's connection. Nothing can end it from here. @param end ends the call instead */
export function borrowedConnection(connection: Connection, end: () => void): Connection {
  const { clientIp, clientPort, serverIp, serverPort, startedAt, isFromProxy, tls, bytesIn, bytesOut } = connection
  const { serverName, tlsDemands, shownCertificate } = connection
  const addresses = { clientIp, clientPort, serverIp, serverPort, startedAt, isFromProxy, bytesIn, bytesOut }
  return { ...addresses, tls, serverName, tlsDemands, shownCertificate, end, retire() {} }
}
