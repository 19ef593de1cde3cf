// The values that the metrics read from the rooms on request.

import type { Readings } from '../admin/metrics.ts'
import type { EdgeBook } from '../edge/edge-book.ts'
import type { LimitRefusals } from '../exchange/limit-refusals.ts'
import type { AgentListener } from '../listener/agent-listener.ts'
import type { OpenFilesWatch } from '../listener/open-files.ts'
import type { Certificates } from '../listener/tls/certificates.ts'
import type { Neighbours } from '../node/neighbours.ts'
import type { SignIn } from '../oidc/sign-in.ts'
import type { LastReload } from '../operator/reload.ts'
import type { Store } from '../store/store.ts'
import type { Registry } from '../tunnel/registry.ts'
import type { Tunnel } from '../tunnel/tunnel.ts'

export interface ReadRooms {
  readonly registry: Registry
  readonly book: EdgeBook
  readonly refusals: LimitRefusals
  readonly logOutput: { readonly droppedLines: number } | undefined
  readonly agents: AgentListener
  readonly signIn: SignIn
  readonly store: Store
  readonly openFiles: OpenFilesWatch
  /** Undefined if this is the only node. */
  readonly neighbours: Neighbours | undefined
  readonly certificates: Certificates
  readonly lastReload: LastReload | undefined
}

export function readingsOf(rooms: ReadRooms): Readings {
  const { registry, book, refusals, logOutput, agents, signIn, store } = rooms
  const tunnels = (): Tunnel[] => [...registry.tunnels.values()]
  return {
    tunnelSessions: () => agents.sessions.size,
    tunnels: () => registry.tunnels.size,
    tunnelsAside: () => tunnels().filter(({ health }) => health.isAside).length,
    tunnelsUnhealthy: () => tunnels().filter(({ health }) => !health.isReportedHealthy).length,
    tunnelsFailing: () => book.failingAt(performance.now()),
    retries: () => book.retries,
    visitorSessions: () => signIn.sessionCount,
    edges: () => book.states(),
    lastReload: rooms.lastReload,
    storeHealthy: () => store.healthy,
    limitRefusals: () => refusals.totals(),
    openFilesShort: () => rooms.openFiles.isShort,
    hops: () => rooms.neighbours?.hops ?? 0,
    logLinesDropped: () => logOutput?.droppedLines ?? 0,
    certificates: () => rooms.certificates.known,
  }
}
