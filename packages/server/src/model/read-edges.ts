// Reads edges, of relay.yml and of agents in the same way: schema → checks → limits of agents → completion. Tells all problems
// of all edges at once. Pure: no I/O, no clock.

import type { AgentLimits, KindTable } from '../policy/kind.ts'
import { KINDS } from '../policy/kinds.ts'
import type { ConfigPath, FoundProblem } from '@sallyport/protocol/found-problem'
import { child, withoutKeys } from '../values/written-tree.ts'
import { agentProblems } from './check/check-agents-edge.ts'
import { checkEdges } from './check/check-edges.ts'
import type { PartlyReadEdge } from './check/check-edges.ts'
import { completeEdge } from './complete-edge.ts'
import type { EdgeConfig } from './edge-config.ts'
import { edgeSchemaOf } from './schema/edge-schema.ts'
import type { EdgeSchema, ReadEdge } from './schema/edge-schema.ts'
import { parseWithSchema, parsed } from './schema/schema-problems.ts'

export interface EdgesPlace {
  /** Undefined if it could not be read. */
  publicUrl: URL | undefined
  /** The default for `identity_jwt`. */
  identityJwt: boolean
  /** The start of relative paths. */
  folder: string
  /** Only if an agent has written the edges. */
  agent?: AgentLimits
}

export type ReadEdges =
  | { readonly edges: readonly EdgeConfig[]; readonly problems?: undefined }
  /** Their paths start with `edges` and the number of the edge. */
  | { readonly problems: readonly FoundProblem[]; readonly edges?: undefined }

export type EdgeReader = (written: readonly unknown[], place: EdgesPlace) => ReadEdges

/** For policies with the actions in docs/configuration.md. */
export const readEdges: EdgeReader = edgeReader(KINDS)

/** @param kinds the actions that policies may have */
export function edgeReader(kinds: KindTable): EdgeReader {
  const schema = edgeSchemaOf(kinds)

  return (written, { publicUrl, identityJwt, folder, agent }) => {
    const all = written.map((value, index) => readOne(schema, value, index))
    const problems = all.flatMap(({ found }) => found)
    problems.push(...checkEdges({ kinds, publicUrl, edges: all }))
    for (const { index, edge, found } of all) {
      if (!agent || !edge || found.length > 0) continue
      const more = agentProblems(kinds, written[index] as ReadEdge, edge, agent) // the schema has seen its form
      problems.push(...Array.from(more, (problem) => below(['edges', index], problem)))
    }
    if (problems.length > 0) return { problems }
    return { edges: all.flatMap(({ edge }) => (edge ? [completeEdge(edge, { kinds, identityJwt, folder })] : [])) }
  }
}

/** Reads as much of an edge as possible. @returns also the problems that its schema has `found` */
function readOne(schema: EdgeSchema, value: unknown, index: number): PartlyReadEdge & { found: FoundProblem[] } {
  const read = parseWithSchema(schema, value)
  if ('value' in read) {
    const edge = read.value
    return { index, id: edge.id, hosts: edge.hosts, edge, found: [] }
  }
  // A misspelt key must not hide other problems: the rest is looked at as if the key were not there.
  const known = withoutKeys(value, read.unknownKeys)
  return {
    index,
    id: parsed(schema.shape.id, child(known, 'id')),
    hosts: parsed(schema.shape.hosts, child(known, 'hosts')) ?? [],
    edge: parsed(schema, known),
    found: [...read.unknownKeys, ...read.problems].map((problem) => below(['edges', index], problem)),
  }
}

function below(parent: ConfigPath, { path, message }: FoundProblem): FoundProblem {
  return { path: [...parent, ...path], message }
}
