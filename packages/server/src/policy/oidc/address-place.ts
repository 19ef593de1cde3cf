// Whether an IP address lies on the internet or inside: on this machine, on this link, in a private network.
// Pure: no I/O, no clock.

import { BlockList, isIP } from 'node:net'

export type AddressPlace = 'public' | 'private' | 'never'

/** `never`: this machine itself, this link (where clouds keep their metadata), and what is no host at all. */
const NEVER = blockList([
  '0.0.0.0/8',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '::/127',
  'fe80::/10',
  'ff00::/8',
])

// RFC 6890, and the ranges that carry an IPv4 address inside an IPv6 one, which may be any.
const PRIVATE = blockList([
  '10.0.0.0/8',
  '100.64.0.0/10',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '64:ff9b::/96',
  '64:ff9b:1::/48',
  '2001::/32',
  '2002::/16',
  'fc00::/7',
  'fec0::/10',
])

/** @param address as a socket or a resolver names it; what is no IP address lies nowhere good */
export function placeOfAddress(address: string): AddressPlace {
  const plain = address.replace(/%.*$/, '') // a zone, as in fe80::1%eth0
  const family = isIP(plain) === 4 ? 'ipv4' : 'ipv6'
  if (isIP(plain) === 0 || NEVER.check(plain, family)) return 'never'
  return PRIVATE.check(plain, family) ? 'private' : 'public'
}

function blockList(ranges: readonly string[]): BlockList {
  const list = new BlockList()
  for (const range of ranges) {
    const [address = '', bits] = range.split('/')
    list.addSubnet(address, Number(bits), isIP(address) === 4 ? 'ipv4' : 'ipv6')
  }
  return list
}
