// Reads edges, of relay.yml and of agents in the same way: schema → checks → limits of agents → completion. Tells all problems
// of all edges at once. Pure: no I/O, no clock.

import { redirectUri } from './redirect-uri.ts'
import { UNKNOWN_TLS } from '../policy/kind.ts'
import type { AgentLimits, KindTable, TlsPlace } from '../policy/kind.ts'
import { NO_SUPPLY } from '../policy/engine/tree/demands.ts'
import type { Supply } from '../policy/engine/tree/demands.ts'
import { KINDS } from '../policy/kinds.ts'
import type { ConfigPath, FoundProblem } from '@sallyport/protocol/found-problem'
import { child, withoutKeys } from '../values/written-tree.ts'
import { agentProblems } from './check/check-agents-edge.ts'
import { checkEdges } from './check/check-edges.ts'
import { storedEdgeProblems } from './check/check-stored-edge.ts'
import type { PartlyReadEdge } from './check/check-edges.ts'
import { remarksOnExpressions } from './check/remarks-on-expressions.ts'
import { completeEdge } from './complete-edge.ts'
import type { EdgeConfig } from './edge-config.ts'
import { prepareTexts } from './prepare-texts.ts'
import type { PreparedEdge } from './prepare-texts.ts'
import { edgeInCurrentForm } from './schema/current-form.ts'
import type { CurrentEdge } from './schema/current-form.ts'
import { edgeSchemaOf } from './schema/edge-schema.ts'
import type { EdgeSchema, ReadEdge } from './schema/edge-schema.ts'
import { parseWithSchema, parsed } from './schema/schema-problems.ts'
import { withoutBadSteps } from './schema/without-bad-steps.ts'

export interface EdgesPlace {
  /** Undefined if it could not be read. */
  publicUrl: URL | undefined
  /** The default for `identity_jwt`. */
  identityJwt: boolean
  /** The start of relative paths. */
  folder: string
  /** By default, nothing is known about the relay's TLS. */
  tls?: TlsPlace
  /** The data that their policies may read; by default, nothing that has to be set up. */
  supply?: Supply
  /** Only if an agent has written the edges. */
  agent?: AgentLimits
  /** Whether they are edges of the store. */
  isStored?: true
}

export type ReadEdges = (
  | { readonly edges: readonly EdgeConfig[]; readonly problems?: undefined }
  /** Their paths start with `edges` and the number of the edge. */
  | { readonly problems: readonly FoundProblem[]; readonly edges?: undefined }
) & {
  /** Older forms that were read as the current ones, and parts of expressions that may surprise. Paths as above. */
  readonly remarks: readonly FoundProblem[]
}

export type EdgeReader = (written: readonly unknown[], place: EdgesPlace) => ReadEdges

/** For policies with the actions in docs/configuration.md. */
export const readEdges: EdgeReader = edgeReader(KINDS)

/** @param kinds the actions that policies may have */
export function edgeReader(kinds: KindTable): EdgeReader {
  const schema = edgeSchemaOf(kinds)

  return (written, { publicUrl, identityJwt, folder, tls = UNKNOWN_TLS, supply = NO_SUPPLY, agent, isStored }) => {
    const redirectUriOf = (issuerUrl: string) => publicUrl && redirectUri(publicUrl.origin, issuerUrl)
    const current = written.map((edge) => edgeInCurrentForm(edge, kinds))
    const prepared = current.map(({ edge }) => prepareTexts(edge, kinds, supply))
    const all = prepared.map(({ edge }, index) => readOne(schema, edge, index))
    const problems = all.flatMap(({ found }) => found)
    for (const [index, { problems: found }] of prepared.entries()) {
      problems.push(...found.map((problem) => below(['edges', index], problem)))
    }
    problems.push(...checkEdges({ kinds, publicUrl, tls, supply, redirectUri: redirectUriOf, edges: all }))
    for (const { index, edge, found } of all) {
      if (!edge || found.length > 0) continue
      const asWritten = current[index]?.edge as ReadEdge // the schema has seen its form
      const more = [
        ...(agent ? agentProblems(kinds, asWritten, edge, agent) : []),
        ...(isStored ? storedEdgeProblems(kinds, asWritten, edge) : []),
      ]
      problems.push(...more.map((problem) => below(['edges', index], problem)))
    }
    const asWritten = problems.map((problem) => atItsPlace(withoutSecrets(problem, prepared), current))
    for (const [index, { problems: mixed }] of current.entries()) {
      asWritten.push(...mixed.map((problem) => below(['edges', index], problem)))
    }
    const remarks = current.flatMap(({ older }, index) => older.map((each) => below(['edges', index], each)))
    if (asWritten.length > 0) return { problems: asWritten, remarks }
    for (const { index, edge } of all) {
      if (!edge) continue
      for (const remark of remarksOnExpressions(edge, ['edges', index], kinds)) {
        remarks.push(atItsPlace(remark, current))
      }
    }
    const surroundings = { kinds, identityJwt, folder, tls, ipPolicies: supply.ipPolicies }
    return {
      edges: all.flatMap(({ edge }) => (edge ? [completeEdge(edge, surroundings)] : [])),
      remarks,
    }
  }
}

/** Reads as much of an edge as possible. @returns also the problems that its schema has `found` */
function readOne(schema: EdgeSchema, value: unknown, index: number): PartlyReadEdge & { found: FoundProblem[] } {
  const read = parseWithSchema(schema, value)
  if ('value' in read) {
    const edge = read.value
    return { index, id: edge.id, hosts: edge.hosts, edge, found: [] }
  }
  // A misspelt key must not hide other problems, so the rest is checked as if the key were absent.
  const known = withoutKeys(value, read.unknownKeys)
  return {
    index,
    id: parsed(schema.shape.id, child(known, 'id')),
    hosts: parsed(schema.shape.hosts, child(known, 'hosts')) ?? [],
    edge: parsed(schema, known) ?? parsed(schema, withoutBadSteps(known, read.problems)),
    found: [...read.unknownKeys, ...read.problems].map((problem) => below(['edges', index], problem)),
  }
}

/** Translates a path in the current form to the path as it was written. */
function atItsPlace({ path, message }: FoundProblem, current: readonly CurrentEdge[]): FoundProblem {
  const [edges, index, ...inside] = path
  const edge = typeof index === 'number' ? current[index] : undefined
  return edge ? { path: [edges ?? '', index ?? 0, ...edge.writtenAt(inside)], message } : { path, message }
}

function withoutSecrets({ path, message }: FoundProblem, prepared: readonly PreparedEdge[]): FoundProblem {
  const [, index] = path
  const edge = typeof index === 'number' ? prepared[index] : undefined
  return { path, message: edge?.withoutSecrets(message) ?? message }
}

function below(parent: ConfigPath, { path, message }: FoundProblem): FoundProblem {
  return { path: [...parent, ...path], message }
}
