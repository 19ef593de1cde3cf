// Builds the edge of a host from the policy that its agent has sent. Also builds the edge of a host whose agent is not
// back yet; that edge serves nobody. All differences from edges of the operator are here.

import { createHash } from 'node:crypto'

import type { Labels } from '@sallyport/protocol'

import { RelayError } from '../../errors.ts'
import { HeaderEdits } from '../../exchange/header-edits.ts'
import type { EdgeConfig } from '../../model/edge-config.ts'
import { buildPolicy } from '../../policy/build-policy.ts'
import type { Policy } from '../../policy/compose.ts'
import { NO_SECRETS } from '../../policy/sources/policy-sources.ts'
import type { Bringer, Brought } from '../build-edge.ts'
import type { Edge } from '../edge.ts'

/** The tunnels of a host have this label. No agent and no edge can write a label with `=` in its key. */
const ENDPOINT_LABEL = '=endpoint'

export type BuildBrought = (config: EdgeConfig, brought: Brought) => Edge

/** @param config of the policy that the agent has sent */
export function buildAgentEdge(
  build: BuildBrought,
  config: EdgeConfig,
  host: string,
  { authtokenId, secrets }: Bringer,
): Edge {
  const labels = labelsOfHost(host)
  const routes = config.routes.map((route) => ({ ...route, backend: { labels } }))
  return build(
    { ...config, routes },
    {
      authtokenId,
      secrets,
      policyOf: (policy, parts) => keepingSiteData(buildPolicy(policy, parts)),
      advice: (texts) => texts.instead.agentAway,
    },
  )
}

/** The relay knows only the host of such an edge, until its agent is back. */
export function buildExpectedEdge(build: BuildBrought, host: string, authtokenId: string): Edge {
  const policy = { on_http_request: [], on_http_response: [] }
  const route = { path_prefix: '/', backend: { labels: labelsOfHost(host) }, policy }
  return build(
    { id: agentEdgeId(authtokenId, host), hosts: [host], routes: [route] },
    {
      authtokenId,
      secrets: NO_SECRETS,
      policyOf: () => refuseMeanwhile,
      advice: (texts) => texts.instead.agentNotBack,
    },
  )
}

/** The id of the edge. It is always the same for one authtoken and host, because sessions of visitors belong to it. */
export function agentEdgeId(authtokenId: string, host: string): string {
  const name = JSON.stringify([authtokenId, host])
  return `edg_${createHash('sha256').update(name).digest('hex').slice(0, 24)}`
}

export function labelsOfHost(host: string): Labels {
  return new Map([[ENDPOINT_LABEL, host]])
}

/** @returns an empty text if the labels are not those of a host */
export function hostOfLabels(labels: Labels): string {
  return labels.get(ENDPOINT_LABEL) ?? ''
}

/** The policy is not known yet, so nobody may pass. */
const refuseMeanwhile: Policy = async () => {
  throw new RelayError('no_tunnel_online', {
    operator: { advice: (texts) => texts.instead.agentNotBack },
    headers: { 'retry-after': '5' },
  })
}

/**
 * No endpoint may send `Clear-Site-Data: "cookies"`, because it clears the cookies of the whole registrable domain, and
 * with them sessions at other people's hosts (https://w3c.github.io/webappsec-clear-site-data/#clear-cookies). The
 * header is closed, so that no action of the policy, and no later rule for responses, can add it again.
 */
function keepingSiteData(policy: Policy): Policy {
  return (exchange, next) =>
    policy(exchange, () => {
      if (exchange.hasResponseRules) exchange.responseEdits ??= new HeaderEdits() // the rules will write into it
      if (exchange.responseEdits) exchange.responseEdits.close(CLEAR_SITE_DATA)
      else exchange.responseEdits = NO_SITE_DATA
      return next()
    })
}

const CLEAR_SITE_DATA = 'Clear-Site-Data'
const NO_SITE_DATA = new HeaderEdits() // nobody changes it, because only a route without rules for responses gets it
NO_SITE_DATA.close(CLEAR_SITE_DATA)
