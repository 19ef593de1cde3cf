// The lines of the log about tunnels that fail while their siblings do not.

import type { Logger } from 'pino'

import type { OnOutlier } from './tunnel-group.ts'

/** @param edgeId of the route on which the tunnel fails: it may serve another route well */
export function outlierLog(log: Logger, edgeId: string): OnOutlier {
  return (tunnel, change) => {
    const fields = { edgeId, tunnelId: tunnel.id, forwardsTo: tunnel.forwardsTo }
    if (change.type === 'back') return log.info(fields, 'tunnel tried again after its errors')
    const { failures, answers, forMs } = change
    log.warn({ ...fields, failures, answers, seconds: forMs / 1000 }, 'tunnel put aside for its errors')
  }
}
