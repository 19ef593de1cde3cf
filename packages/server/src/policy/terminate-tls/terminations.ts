// The configurations of `terminate-tls` in a policy, in their order. Pure: no I/O, no clock.

import type { PolicyConfig } from '../../model/edge-config.ts'
import type { TerminateTlsConfig } from './kind.ts'

export function terminations({ on_tcp_connect: rules }: PolicyConfig): TerminateTlsConfig[] {
  return rules.flatMap(({ actions }) =>
    actions.flatMap(({ type, config }) => (type === 'terminate-tls' ? [config] : [])),
  )
}
