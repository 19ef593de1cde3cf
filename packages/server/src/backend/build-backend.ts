// Builds the object that chooses from the configuration of a route's backend.

import type { Labels } from '@sallyport/protocol'

import type { BackendConfig, PlainBackendConfig, WeightedBackendConfig } from '../model/edge-config.ts'
import type { Saying } from '../texts/page-texts.ts'
import type { Selection } from '../tunnel/registry.ts'
import type { Tunnel } from '../tunnel/tunnel.ts'
import type { Backend } from './backend.ts'
import { Failover } from './failover.ts'
import { FixedResponse } from './fixed-response.ts'
import type { RetryCounts } from './retry-budget.ts'
import { RouteBackend } from './route-backend.ts'
import { StickyCookie } from './sticky-cookie.ts'
import { TunnelGroup } from './tunnel-group.ts'
import type { OnOutlier } from './tunnel-group.ts'
import { Weighted } from './weighted.ts'

export interface BackendParts {
  /** Takes the live list of the tunnels with these labels; the owner of the edge gives it back. */
  select: (labels: Labels) => Selection
  edgeId: string
  /** Keys the values of sticky cookies. */
  stickyKey: Uint8Array
  onOutlier: OnOutlier
  retries: RetryCounts
  /** The advice for the operator while no tunnel is online, if it does not follow from the labels. */
  advice?: Saying | undefined
}

export function buildBackend(
  config: BackendConfig,
  { select, edgeId, stickyKey, onOutlier, retries, advice }: BackendParts,
): RouteBackend {
  const sticky =
    config.sticky &&
    new StickyCookie({ name: config.sticky.cookie, maxAgeMs: config.sticky.max_age, edgeId, key: stickyKey })
  const selectors: Labels[] = []
  return new RouteBackend(backendOf(config), { selectors, advice, sticky, retries })

  function backendOf(each: BackendConfig): Backend {
    return 'failover' in each ? new Failover(each.failover.map(stepOf)) : stepOf(each)
  }

  function stepOf(each: PlainBackendConfig | WeightedBackendConfig): Backend {
    if (!('weighted' in each)) return plainOf(each)
    return new Weighted(each.weighted.map(({ backend, weight }) => ({ backend: plainOf(backend), weight })))
  }

  function plainOf(each: PlainBackendConfig): Backend {
    if ('fixed_response' in each) return new FixedResponse(each.fixed_response)
    const { labels, balance } = each
    selectors.push(labels)
    const pinFor = sticky && ((tunnel: Tunnel) => sticky.pinFor(tunnel))
    return new TunnelGroup({ balance, selection: select(labels), pinFor, onOutlier })
  }
}
