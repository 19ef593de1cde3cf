// Every sign-in that edges name: each openid-connect of their routes, those inside any-of, and the alternatives of all of
// them. Pure: no I/O, no clock.

import type { EdgeConfig, RequestAction } from './edge-config.ts'
import type { OpenidConnectConfig } from '../policy/openid-connect/openid-connect-schema.ts'

export interface NamedSignIn {
  edgeId: string
  config: OpenidConnectConfig
}

/** In the order of the configuration; the same one comes as often as it stands there. */
export function* signInsOf(edges: readonly EdgeConfig[]): Generator<NamedSignIn> {
  for (const { id: edgeId, routes } of edges) {
    for (const { policy } of routes) {
      for (const { actions } of policy.on_http_request) {
        for (const config of actions.flatMap(signInsIn)) yield { edgeId, config }
      }
    }
  }
}

/** Each once, as it is written. */
export function issuersOf(edges: readonly EdgeConfig[]): string[] {
  return [...new Set(Array.from(signInsOf(edges), ({ config }) => config.issuer_url))]
}

function signInsIn(action: RequestAction): OpenidConnectConfig[] {
  if (action.type === 'any-of') return action.config.actions.flatMap(signInsIn)
  return action.type === 'openid-connect' ? [action.config, ...(action.config.alternatives ?? [])] : []
}
