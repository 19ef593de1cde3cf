// Address ranges in the configuration. Pure: no I/O, no clock.

import { isIP } from 'node:net'

export interface Cidr {
  family: 'ipv4' | 'ipv6'
  address: string
  /** How many leading bits count. */
  prefix: number
}

/** Reads `10.0.0.0/8`, `2001:db8::/32` or a single address. Returns a sentence if it is neither. */
export function parseCidr(written: string): Cidr | { problem: string } {
  const slash = written.indexOf('/')
  const address = slash < 0 ? written : written.slice(0, slash)
  const version = isIP(address)
  if (version === 0 || address.includes('%')) {
    return { problem: `"${written}" is not an address range; write for example 10.0.0.0/8, 2001:db8::/32 or 192.0.2.7` }
  }
  const bits = version === 4 ? 32 : 128
  const length = slash < 0 ? String(bits) : written.slice(slash + 1)
  if (!/^(?:0|[1-9]\d{0,2})$/.test(length) || Number(length) > bits) {
    return {
      problem: `"${written}": after the slash must be a number from 0 to ${bits}, for example ${address}/${bits}`,
    }
  }
  return { family: version === 4 ? 'ipv4' : 'ipv6', address, prefix: Number(length) }
}
