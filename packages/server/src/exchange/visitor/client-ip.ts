// The visitor's address: the connection's, unless that is from a proxy that the operator trusts.
// Pure: no I/O, no clock.

import { BlockList, isIP, isIPv4 } from 'node:net'

import { parseCidr } from '../../values/cidr.ts'
import type { Connection } from '../connection.ts'
import { readHeader } from '../read-header.ts'

/** Compiles CIDRs once; the answer is a lookup. IPv4-mapped IPv6 addresses count as IPv4. */
export function compileCidrs(cidrs: readonly string[]): (address: string) => boolean {
  const list = new BlockList()
  for (const written of cidrs) {
    const cidr = parseCidr(written)
    if ('problem' in cidr) throw new TypeError(cidr.problem) // the configuration was checked before
    list.addSubnet(cidr.address, cidr.prefix, cidr.family)
  }
  return (address) => {
    const plain = plainAddress(address)
    return isIP(plain) !== 0 && list.check(plain, isIPv4(plain) ? 'ipv4' : 'ipv6')
  }
}

/** `::ffff:192.0.2.1` → `192.0.2.1`: a dual-stack socket reports IPv4 visitors that way. */
export function plainAddress(address: string): string {
  if (!address.startsWith('::ffff:')) return address
  const mapped = address.slice(7)
  return isIPv4(mapped) ? mapped : address
}

/** Stands for the address of a visitor if a trusted proxy has reported one that is not readable (RFC 7239 6.2). */
export const UNKNOWN_ADDRESS = 'unknown'

export interface Visitor {
  /** An IP address, or `UNKNOWN_ADDRESS`. */
  clientIp: string
  /** The whole chain that trusted proxies vouch for, as the app gets it in X-Forwarded-For. */
  forwardedFor: string
  scheme: 'http' | 'https'
}

/**
 * Determines the visitor's address. Without trusted proxies it ignores everything that a visitor sends. With trusted
 * proxies, it reads X-Forwarded-For from the right: the first address that is not a trusted proxy is the visitor's. A
 * proxy may add a line of its own after the visitor's, so all lines of this name are one list.
 * @param rawHeaders name, value, name, value …, of either version of HTTP
 */
export function identifyVisitor(
  { clientIp: peer, isFromProxy }: Pick<Connection, 'clientIp' | 'isFromProxy'>,
  socketScheme: 'http' | 'https',
  rawHeaders: readonly string[],
  isTrusted: (address: string) => boolean,
): Visitor {
  const direct: Visitor = { clientIp: peer, forwardedFor: peer, scheme: socketScheme }
  if (!isFromProxy) return direct
  const proto = readHeader(rawHeaders, 'x-forwarded-proto')?.split(',').at(-1)?.trim().toLowerCase()
  const scheme = proto === 'https' || proto === 'http' ? proto : socketScheme
  const claimed = readHeader(rawHeaders, 'x-forwarded-for')?.split(',').slice(-32) ?? [] // no real chain is longer
  const chain = [peer]
  for (const entry of claimed.reverse()) {
    const written = entry.trim()
    if (written === '') continue // RFC 9110 5.6.1.2: such elements of a list do not count
    // If the entry is not readable, the visitor's address is unknown. It must not count as the proxy's.
    const address = readAddress(written)
    chain.unshift(address ?? UNKNOWN_ADDRESS)
    if (address === undefined || !isTrusted(address)) break
  }
  return { clientIp: chain[0]!, forwardedFor: chain.join(', '), scheme } // the chain always holds the peer
}

/** An address as proxies write it: bare, IPv6 in brackets, either with a port. Undefined if it is not an address. */
function readAddress(written: string): string | undefined {
  const [, address = written] =
    /^\[([0-9a-f:.]+)\](?::\d{1,5})?$/i.exec(written) ?? /^([\d.]+):\d{1,5}$/.exec(written) ?? []
  if (isIP(address) === 0 || address.includes('%')) return undefined
  return plainAddress(address.toLowerCase())
}

/** Whether a request has passed a proxy, trusted or not, by the headers that proxies add. */
export function isForwarded(rawHeaders: readonly string[]): boolean {
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase() // pairs
    if (name.startsWith('x-forwarded-') || FORWARDED.has(name)) return true
  }
  return false
}

const FORWARDED = new Set([
  'forwarded',
  'via',
  'x-real-ip',
  'x-client-ip',
  'x-cluster-client-ip',
  'x-original-forwarded-for',
  'true-client-ip',
  'cf-connecting-ip',
  'cdn-loop',
  'fly-client-ip',
  'fastly-client-ip',
])

/** Whether an address is of this machine alone. */
export const isLoopback = compileCidrs(['127.0.0.0/8', '::1/128'])

/** Whether an address is of this machine or of a private network. */
export const isNearby = compileCidrs([
  '127.0.0.0/8',
  '::1/128',
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '169.254.0.0/16',
  'fc00::/7',
  'fe80::/10',
])
