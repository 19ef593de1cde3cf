// The configurations of `terminate-tls` of an edge, in their order. Pure: no I/O, no clock.

import type { EdgeConfig } from '../../model/edge-config.ts'
import type { TerminateTlsConfig } from './kind.ts'

export function terminations({ on_tcp_connect: rules = [] }: Pick<EdgeConfig, 'on_tcp_connect'>): TerminateTlsConfig[] {
  return rules.flatMap(({ actions }) =>
    actions.flatMap(({ type, config }) => (type === 'terminate-tls' ? [config] : [])),
  )
}
