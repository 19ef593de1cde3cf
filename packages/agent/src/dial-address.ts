// How a host name becomes addresses, for the relay and for upstreams alike. Node does not resolve
// `*.localhost` (RFC 6761 6.3 says it is loopback), and asking the resolver for `localhost` on every
// connection would cost a thread each time. Every other name is left to the system.

import { isIP } from 'node:net'
import type { LookupFunction } from 'node:net'

/**
 * If Node itself tries the addresses of a name (an upstream's, a proxy's), it gives up each after this time and never
 * comes back to it. Its default of 250 ms is less than a round trip around the world.
 */
export const ADDRESS_ATTEMPT_MS = 1000

const LOOPBACK = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
]

/** Whether a host name or IP literal (without brackets) means this machine. */
export function isLoopback(hostname: string): boolean {
  const name = hostname.toLowerCase()
  if (name === 'localhost' || name.endsWith('.localhost') || name === '::1') return true
  return isIP(name) === 4 && name.startsWith('127.')
}

/**
 * The `lookup` option for `net.connect`, or undefined to ask the system's resolver.
 * `localhost` is tried at 127.0.0.1 and then at ::1; a name below it is 127.0.0.1.
 */
export function lookupFor(hostname: string): LookupFunction | undefined {
  const name = hostname.toLowerCase()
  if (name === 'localhost') return answerWith(LOOPBACK)
  if (name.endsWith('.localhost')) return answerWith(LOOPBACK.slice(0, 1))
  return undefined
}

function answerWith(addresses: typeof LOOPBACK): LookupFunction {
  return (_hostname, options, callback) => {
    if (options.all) callback(null, addresses)
    else callback(null, addresses[0]!.address, addresses[0]!.family) // LOOPBACK is never empty
  }
}
