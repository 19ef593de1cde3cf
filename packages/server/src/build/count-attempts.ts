// Counters of what an address tries, which go on over all workers of a relay.

import { Attempts } from '../exchange/attempts.ts'
import type { AttemptSharing } from '../exchange/attempts.ts'

/** Makes a counter. @param of what is counted: the workers agree on it */
export type CountAttempts = (of: string, perMinute: number) => Attempts

/** @param sharing how workers hear of each other; undefined where the relay is one process */
export function countAttemptsOver(sharing: AttemptSharing | undefined): CountAttempts {
  return (of, perMinute) => {
    const attempts = new Attempts(perMinute, sharing && ((address) => sharing.tell(of, address)))
    sharing?.listen(of, (address) => attempts.hear(address, Date.now()))
    return attempts
  }
}
