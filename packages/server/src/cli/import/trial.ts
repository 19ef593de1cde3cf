// Reads parts of the result as `relay check` would, so that the printed edges can be loaded. Pure.

import type { FoundProblem } from '@sallyport/protocol/found-problem'

import { insidePolicy } from '../../model/parse-endpoint.ts'
import { readEdges } from '../../model/read-edges.ts'
import { NO_SUPPLY } from '../../policy/engine/tree/demands.ts'
import type { Account } from './account.ts'

/** Keys whose values are filled in later. */
const FILLED_IN: ReadonlySet<PropertyKey> = new Set(['secret', 'client_secret', 'tenant'])

/** The problems of whole edges. */
export function problemsOfEdges(edges: readonly unknown[], { authorities, ipPolicies }: Account): FoundProblem[] {
  const { problems = [] } = readEdges(edges, {
    publicUrl: new URL('https://relay.example.com'),
    identityJwt: true,
    folder: '/',
    tls: { endsHere: true, authorities: new Map(Array.from(authorities, ([id, pem]) => [id, [pem]])) },
    supply: { ...NO_SUPPLY, ipPolicies },
  })
  return problems.filter(({ path }) => !FILLED_IN.has(path.at(-1) ?? ''))
}

/** The problem of a policy, in one sentence; undefined if there is none. */
export function problemOfPolicy(policy: object, account: Account): string | undefined {
  const edge = { id: 'edg_import', hosts: ['import.example.com'], policy }
  const problems = problemsOfEdges([edge], account).map(insidePolicy)
  if (problems.length === 0) return undefined
  return problems.map(({ path, message }) => withKey(path, message)).join('; ')
}

/** Names only the key inside the action, which says more than the whole path. */
function withKey(path: FoundProblem['path'], message: string): string {
  const start = path.indexOf('config')
  const key = start === -1 ? [] : path.slice(start + 1)
  const name = key.map(String).join('.')
  return key.length === 0 || message.startsWith(String(key.at(-1))) ? message : `${name} ${message}`
}
