// The lines of the log about the app behind a tunnel.

import type { Logger } from 'pino'

import type { HealthChange } from './app-health.ts'
import type { Tunnel } from './tunnel.ts'

/** A tunnel may outlive the session that brought it: the entry names none. */
export function logHealth(log: Logger, tunnel: Tunnel, change: HealthChange): void {
  const fields = { tunnelId: tunnel.id, forwardsTo: tunnel.forwardsTo }
  switch (change.type) {
    case 'aside':
      return log.warn({ ...fields, code: change.code, reason: change.reason }, 'tunnel put aside')
    case 'back':
      return log.info(fields, 'tunnel taken back')
    case 'unhealthy':
      return log.warn({ ...fields, reason: change.detail }, 'tunnel unhealthy')
    case 'healthy':
      return log.info(fields, 'tunnel healthy')
  }
}
