// Counters of an address's attempts, shared by all workers of a relay.

import { Attempts } from '../exchange/attempts.ts'
import type { AttemptSharing } from '../exchange/attempts.ts'

/** Makes a counter. @param of the kind of attempts, the same at all workers */
export type CountAttempts = (of: string, perMinute: number) => Attempts

/** @param sharing how workers tell each other; undefined if the relay is one process */
export function countAttemptsOver(sharing: AttemptSharing | undefined): CountAttempts {
  return (of, perMinute) => {
    const attempts = new Attempts(perMinute, sharing && ((address) => sharing.tell(of, address)))
    sharing?.listen(of, (address) => attempts.hear(address, Date.now()))
    return attempts
  }
}
