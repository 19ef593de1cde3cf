// What the metrics read of the rooms. Each may be asked before its room is there.

import type { Readings } from '../admin/metrics.ts'
import type { ConfiguredEdges } from '../edge/configured-edges.ts'
import type { Endpoints } from '../edge/endpoints.ts'
import type { LimitRefusals } from '../exchange/limit-refusals.ts'
import type { AgentListener } from '../listener/agent-listener.ts'
import type { OpenFilesWatch } from '../listener/open-files.ts'
import type { Certificates } from '../listener/tls/certificates.ts'
import type { Neighbours } from '../node/neighbours.ts'
import type { SignIn } from '../oidc/sign-in.ts'
import type { Store } from '../store/store.ts'
import type { Registry } from '../tunnel/registry.ts'
import type { Tunnel } from '../tunnel/tunnel.ts'

/** Those that are there by now. */
export interface ReadRooms {
  readonly agents: AgentListener | undefined
  readonly configured: ConfiguredEdges | undefined
  readonly endpoints: Endpoints | undefined
  readonly signIn: SignIn | undefined
  readonly store: Store | undefined
  readonly openFiles: OpenFilesWatch | undefined
  readonly neighbours: Neighbours | undefined
  readonly certificates: Certificates | undefined
}

interface Always {
  readonly registry: Registry
  readonly refusals: LimitRefusals
  readonly logOutput: { readonly droppedLines: number } | undefined
}

export function readingsOf({ registry, refusals, logOutput }: Always, rooms: () => ReadRooms): Readings {
  const tunnels = (): Tunnel[] => [...registry.tunnels.values()]
  return {
    tunnelSessions: () => rooms().agents?.sessions.size ?? 0,
    tunnels: () => registry.tunnels.size,
    tunnelsAside: () => tunnels().filter(({ health }) => health.isAside).length,
    tunnelsUnhealthy: () => tunnels().filter(({ health }) => !health.isReportedHealthy).length,
    tunnelsFailing: () => {
      const { configured, endpoints } = rooms()
      const now = performance.now()
      return (configured?.failingAt(now) ?? 0) + (endpoints?.failingAt(now) ?? 0)
    },
    retries: () => {
      const { configured, endpoints } = rooms()
      const [ours, theirs] = [configured?.retries, endpoints?.retries]
      return {
        granted: (ours?.granted ?? 0) + (theirs?.granted ?? 0),
        refused: (ours?.refused ?? 0) + (theirs?.refused ?? 0),
      }
    },
    visitorSessions: () => rooms().signIn?.sessionCount ?? 0,
    storeHealthy: () => rooms().store?.healthy ?? false,
    limitRefusals: () => refusals.totals(),
    openFilesShort: () => rooms().openFiles?.isShort ?? false,
    hops: () => rooms().neighbours?.hops ?? 0,
    logLinesDropped: () => logOutput?.droppedLines ?? 0,
    certificates: () => rooms().certificates?.known ?? [],
  }
}
