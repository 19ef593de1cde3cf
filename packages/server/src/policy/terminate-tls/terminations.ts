// The configurations of `terminate-tls` of an edge, in their order. Pure: no I/O, no clock.

import type { EdgeConfig } from '../../model/edge-config.ts'
import type { TerminateTlsConfig } from './kind.ts'

/** The part of an edge that has them. */
export type Terminating = Pick<EdgeConfig, 'on_tcp_connect'>

export function terminations({ on_tcp_connect: rules = [] }: Terminating): TerminateTlsConfig[] {
  return rules.flatMap(({ actions }) =>
    actions.flatMap(({ type, config }) => (type === 'terminate-tls' ? [config] : [])),
  )
}
