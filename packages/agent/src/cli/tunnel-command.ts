// `agent tunnel`: labels lead visitors to the app.

import type { Environment } from '../plan/proxy.ts'
import { runAgent } from './run-agent.ts'
import type { UpstreamFlags } from './run-agent.ts'
import type { GlobalFlags } from './settings.ts'

export interface TunnelFlags extends GlobalFlags, UpstreamFlags {
  label?: string[]
}

/** As runAgent(). */
export function runTunnel(upstream: string, flags: TunnelFlags, environment: Environment): Promise<number> {
  return runAgent(upstream, { labels: flags.label ?? [] }, flags, environment)
}
