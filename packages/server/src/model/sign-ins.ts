// All sign-ins of edges, including alternatives and sign-ins inside other actions. Pure: no I/O, no clock.

import type { OpenidConnectConfig } from '../policy/openid-connect/openid-connect-schema.ts'
import type { EdgeConfig } from './edge-config.ts'
import { stepsOfEdges } from './steps-of-edges.ts'

export interface NamedSignIn {
  edgeId: string
  config: OpenidConnectConfig
}

/** All sign-ins in the order of the configuration. If a sign-in is written twice, it comes twice. */
export function* signInsOf(edges: readonly EdgeConfig[]): Generator<NamedSignIn> {
  for (const { edgeId, kind, config } of stepsOfEdges(edges)) {
    for (const signIn of kind.signIns?.(config) ?? []) yield { edgeId, config: signIn }
  }
}

/** All issuers, each once, as the configuration writes them. */
export function issuersOf(edges: readonly EdgeConfig[]): string[] {
  return [...new Set(Array.from(signInsOf(edges), ({ config }) => config.issuer_url))]
}
