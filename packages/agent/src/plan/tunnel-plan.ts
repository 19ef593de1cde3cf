// The offer of one `agent tunnel` or `agent http`: the checked form of its flags, and the `bind` message made from it.

import type { Bind, ControlMessageInput, Labels } from '@sallyport/protocol'

import type { UpstreamTls } from '../app/dial-upstream.ts'
import type { EndpointPlan } from './endpoint-plan.ts'
import type { HealthPlan } from '../app/health-checker.ts'
import { revealPolicy } from './http-policy.ts'
import type { Upstream } from '../app/upstream.ts'

export interface TunnelPlan {
  /** None if it has an endpoint of its own. */
  labels: Labels
  endpoint?: EndpointPlan | undefined
  upstream: Upstream
  upstreamTls: UpstreamTls
  upstreamProtocol: Bind['upstream_protocol']
  /** `preserve`, `rewrite` or the value that the app should get. */
  hostHeader: string
  weight: number
  /** How the app is checked; not at all by default. */
  health?: HealthPlan | undefined
  /** For people only: shown in logs and the status view. */
  name?: string | undefined
  metadata?: string | undefined
}

/** The offer of one tunnel. The agent sends the upstream's own name for `rewrite`: the relay need not know the word. */
export function bindMessage(tunnelId: number, plan: TunnelPlan): ControlMessageInput {
  const { labels, endpoint, upstream, hostHeader, metadata } = plan
  return {
    type: 'bind',
    tunnel_id: tunnelId,
    ...(endpoint ? endpointFields(endpoint) : { labels: [...labels] }),
    forwards_to: upstream.url,
    ...(hostHeader === 'rewrite'
      ? { host_header: upstream.authority, rename_answers: true }
      : { host_header: hostHeader }),
    upstream_protocol: plan.upstreamProtocol,
    weight: plan.weight,
    ...(metadata === undefined ? {} : { metadata }),
  }
}

function endpointFields({ url, pooling, policy }: EndpointPlan): { url: string; pooling: boolean; policy?: unknown } {
  return { url, pooling, ...(policy !== undefined && { policy: revealPolicy(policy) }) }
}
