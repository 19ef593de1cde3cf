// From the configuration of a route's backend to the object that chooses.

import type { Labels } from '@sallyport/protocol'

import type { BackendConfig, PlainBackendConfig, WeightedBackendConfig } from '../model/edge-config.ts'
import type { Registry } from '../tunnel/registry.ts'
import type { Tunnel } from '../tunnel/tunnel.ts'
import type { Backend } from './backend.ts'
import { Failover } from './failover.ts'
import { FixedResponse } from './fixed-response.ts'
import { RouteBackend } from './route-backend.ts'
import { StickyCookie } from './sticky-cookie.ts'
import { TunnelGroup } from './tunnel-group.ts'
import type { OnOutlier } from './tunnel-group.ts'
import { Weighted } from './weighted.ts'

export interface BackendParts {
  registry: Registry
  edgeId: string
  /** Keys the values of sticky cookies. */
  stickyKey: Uint8Array
  onOutlier: OnOutlier
}

export function buildBackend(
  config: BackendConfig,
  { registry, edgeId, stickyKey, onOutlier }: BackendParts,
): RouteBackend {
  const sticky =
    config.sticky &&
    new StickyCookie({ name: config.sticky.cookie, maxAgeMs: config.sticky.max_age, edgeId, key: stickyKey })
  const selectors: Labels[] = []
  return new RouteBackend(backendOf(config), selectors, { sticky })

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
    return new TunnelGroup({ balance, selection: registry.select(labels), pinFor, onOutlier })
  }
}
