// Whether an IP address is on the internet or internal: on this machine, on this link, in a private network.
// Pure: no I/O, no clock.

import { BlockList, isIP } from 'node:net'

/**
 * `loopback`: this machine itself. `never`: this link, all metadata addresses of clouds, and addresses that are not a
 * host.
 */
export type AddressPlace = 'public' | 'private' | 'loopback' | 'never'

const LOOPBACK = blockList(['127.0.0.0/8', '::1/128'])

const NEVER = blockList([
  '0.0.0.0/8', // dialled, it is this machine
  '169.254.0.0/16',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '::/96', // the unspecified address, dialled as above, and IPv4 in a form that is not routed (RFC 4291 2.5.5.1)
  'fe80::/10',
  'ff00::/8',
  // Metadata of clouds beside 169.254.169.254: Azure, Alibaba, Oracle, AWS, Google.
  '168.63.129.16/32',
  '100.100.100.200/32',
  '192.0.0.192/32',
  'fd00:ec2::/32',
  'fd20:ce::254/128',
])

// RFC 6890.
const PRIVATE = blockList([
  '10.0.0.0/8',
  '100.64.0.0/10',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '2001::/32', // Teredo
  'fc00::/7',
  'fec0::/10',
])

/**
 * IPv6 addresses that carry an IPv4 address to a gateway, which forwards: its position in them, in groups of 16 bits.
 */
const GATEWAYS = [
  // With DNS64 the whole internet has addresses in here (RFC 6052 2.1), so only the carried address counts.
  { list: blockList(['64:ff9b::/96']), at: 6, isTransparent: true },
  { list: blockList(['64:ff9b:1::/48', '::ffff:0:0:0/96']), at: 6, isTransparent: false },
  { list: blockList(['2002::/16']), at: 1, isTransparent: false }, // RFC 3056 2
]

/** @param address as a socket or a resolver names it; anything else is `never` */
export function placeOfAddress(address: string): AddressPlace {
  const plain = address.replace(/%.*$/, '') // a zone, as in fe80::1%eth0
  const version = isIP(plain)
  if (version === 0) return 'never'
  if (version === 4) return placeOf(plain, 'ipv4')
  const gateway = GATEWAYS.find(({ list }) => list.check(plain, 'ipv6'))
  if (!gateway) return placeOf(plain, 'ipv6')
  const carried = placeOf(ipv4In(plain, gateway.at), 'ipv4')
  // The gateway's own machine and link are not ours, but must not be reached either.
  if (carried === 'loopback' || carried === 'never') return 'never'
  return gateway.isTransparent ? carried : 'private'
}

function placeOf(address: string, family: 'ipv4' | 'ipv6'): AddressPlace {
  // BlockList finds an IPv4-mapped address (::ffff:127.0.0.1) in the ranges of IPv4.
  if (LOOPBACK.check(address, family)) return 'loopback'
  if (NEVER.check(address, family)) return 'never'
  return PRIVATE.check(address, family) ? 'private' : 'public'
}

function ipv4In(ipv6: string, at: number): string {
  const [front = [], back] = ipv6.split('::').map(groupsOf)
  const gap = back === undefined ? [] : Array<number>(8 - front.length - back.length).fill(0)
  const [high = 0, low = 0] = [...front, ...gap, ...(back ?? [])].slice(at)
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.')
}

function groupsOf(part: string): number[] {
  return part.split(':').flatMap((group) => {
    if (group === '') return []
    if (!group.includes('.')) return [Number.parseInt(group, 16)]
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number) // RFC 4291 2.2: the last 32 bits, in decimal
    return [a * 256 + b, c * 256 + d]
  })
}

function blockList(ranges: readonly string[]): BlockList {
  const list = new BlockList()
  for (const range of ranges) {
    const [address = '', bits] = range.split('/')
    list.addSubnet(address, Number(bits), isIP(address) === 4 ? 'ipv4' : 'ipv6')
  }
  return list
}
