// Reads the policy that an agent sends for its own endpoint, from untrusted JSON to an edge: in the same way as an edge of
// relay.yml, with fewer possibilities. It does not expand `${ENV}`, and the policy may not name a file or an address of the
// relay's machine.

import type { AgentLimits, TlsPlace } from '../policy/kind.ts'
import { NO_SUPPLY } from '../policy/engine/tree/demands.ts'
import type { Supply } from '../policy/engine/tree/demands.ts'
import type { FoundProblem } from '@sallyport/protocol/found-problem'
import type { EdgeConfig } from './edge-config.ts'
import { readEdges } from './read-edges.ts'
import type { EdgeReader } from './read-edges.ts'

export interface EndpointPlace extends AgentLimits {
  /** Of the edge that it will be. */
  id: string
  host: string
  publicUrl: URL
  /** The default for `identity_jwt`. */
  identityJwt: boolean
  /** Whether visitors' TLS ends at the relay. */
  endsTls?: TlsPlace['endsHere']
  /** The data that its expressions may read; by default, nothing that has to be set up. */
  supply?: Supply
}

export type ParsedEndpoint =
  /** The remarks of `read`; paths as below. */
  | { ok: true; edge: EdgeConfig; remarks: readonly FoundProblem[] }
  /** Their paths start inside the policy. */
  | { ok: false; problems: readonly FoundProblem[] }

/** @param read for tests, which add actions */
export function parseEndpoint(
  policy: unknown,
  { id, host, publicUrl, issuers, identityJwt, endsTls, supply = NO_SUPPLY }: EndpointPlace,
  read: EdgeReader = readEdges,
): ParsedEndpoint {
  const {
    edges: [edge] = [],
    problems = [],
    remarks,
  } = read([{ id, hosts: [host], ...(policy !== undefined && { policy }) }], {
    publicUrl,
    identityJwt,
    supply,
    folder: '/', // an agent may name no file
    tls: { endsHere: endsTls, authorities: new Map() }, // those of the operator are not for agents
    agent: { issuers },
  })
  if (!edge) return { ok: false, problems: problems.map(insidePolicy) }
  return { ok: true, edge, remarks: remarks.map(insidePolicy) }
}

/** `edges[0].policy.on_http_request[0]` → `on_http_request[0]`. */
export function insidePolicy({ path, message }: FoundProblem): FoundProblem {
  return { path: path.slice(3), message }
}
