// The policy that an agent sends for an endpoint of its own, from untrusted JSON to the edge that it will be: read as an edge
// of relay.yml is, with fewer possibilities. `${ENV}` means nothing here, and nothing here may name a file or an address of
// the relay's machine.

import type { AgentLimits } from '../policy/kind.ts'
import type { FoundProblem } from '@sallyport/protocol/found-problem'
import type { EdgeConfig } from './edge-config.ts'
import { readEdges } from './read-edges.ts'
import type { EdgeReader } from './read-edges.ts'

export interface EndpointPlace extends AgentLimits {
  /** Of the edge that it will be. */
  id: string
  host: string
  publicUrl: URL
  /** Where the policy says nothing about it. */
  identityJwt: boolean
}

export type ParsedEndpoint =
  | { ok: true; edge: EdgeConfig }
  /** Their paths start inside the policy. */
  | { ok: false; problems: readonly FoundProblem[] }

/** @param read reads edges, made of other actions than those of relay.yml if a test says so */
export function parseEndpoint(
  policy: unknown,
  { id, host, publicUrl, issuers, identityJwt }: EndpointPlace,
  read: EdgeReader = readEdges,
): ParsedEndpoint {
  const { edges: [edge] = [], problems = [] } = read([{ id, hosts: [host], ...(policy !== undefined && { policy }) }], {
    publicUrl,
    identityJwt,
    folder: '/', // no file is left that would be looked for there
    agent: { issuers },
  })
  if (!edge) return { ok: false, problems: problems.map(insidePolicy) }
  return { ok: true, edge }
}

/** `edges[0].policy.on_http_request[0]` → `on_http_request[0]`. */
function insidePolicy({ path, message }: FoundProblem): FoundProblem {
  return { path: path.slice(3), message }
}
