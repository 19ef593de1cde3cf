// The id of a request: in the access line, in the app's own log, at the foot of the relay's pages. It is not a secret,
// and no decision depends on it.

import { randomBytes } from 'node:crypto'

const RANDOM_CHARS = 6 // 2 * 10^9 of base 36, so that a restarted relay, or the workers of one, hardly ever share a prefix
const PREFIX = `req_${randomBytes(8).readBigUInt64BE().toString(36).slice(-RANDOM_CHARS).padStart(RANDOM_CHARS, '0')}`
let count = 0

/** Makes the next id of this process, such as `req_x8k2pq1f`. */
export function nextRequestId(): string {
  return PREFIX + (count++).toString(36)
}
