// An edge that keeps its hosts and sessions, and serves nobody: a stored edge that is disabled or cannot be built. Its
// visitors learn that the site is closed; without it they would be told that there is none, and agents could take its hosts.

import { buildBackend } from '../backend/build-backend.ts'
import { RelayError } from '../errors.ts'
import type { RouteConfig } from '../model/edge-config.ts'
import type { EdgeParts } from './build-edge.ts'
import { Edge } from './edge.ts'
import { originOn } from './origin-on.ts'

export interface ClosedEdge {
  readonly id: string
  readonly hosts: readonly string[]
  readonly because: 'broken' | 'disabled'
}

export function buildClosedEdge(
  { id, hosts, because }: ClosedEdge,
  { publicUrl, stickyKey, retries }: Pick<EdgeParts, 'publicUrl' | 'stickyKey' | 'retries'>,
): Edge {
  const config: RouteConfig = {
    path_prefix: '/',
    policy: { on_http_request: [], on_http_response: [] },
    backend: { fixed_response: { status: 503, headers: {}, body: '' } },
  }
  const select = (): never => {
    throw new TypeError('a closed edge leads to no tunnel')
  }
  return new Edge({
    id,
    hosts,
    closed: because,
    routes: [
      {
        config,
        policy: async () => {
          throw new RelayError(`edge_${because}`)
        },
        backend: buildBackend(config.backend, { select, edgeId: id, stickyKey, onOutlier: () => {}, retries }),
      },
    ],
    originOf: (host) => originOn(publicUrl, host),
  })
}
