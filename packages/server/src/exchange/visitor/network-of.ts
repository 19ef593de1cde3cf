// The network of an address, for all counts by address, because one subscriber commonly has a whole /64 of IPv6. Pure.

import { isIPv6 } from 'node:net'

/** IPv4 unchanged; of IPv6 the first 64 bits, written out, so that one network has one name. */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address
  const [front = '', back] = address.split('::')
  const head = front.split(':').filter(Boolean)
  const tail = back === undefined ? [] : back.split(':').filter(Boolean)
  const gap = back === undefined ? [] : Array<string>(Math.max(0, 8 - head.length - tail.length)).fill('0')
  return [...head, ...gap, ...tail].slice(0, 4).join(':')
}
