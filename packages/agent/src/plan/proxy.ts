// Which HTTP CONNECT proxy leads to the relay, if any. Pure: the environment comes as an argument.

import { BlockList, isIP } from 'node:net'

import { isLoopback } from '../dial-address.ts'
import type { RelayAddress } from './relay-address.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/**
 * Reads a proxy's address. Its user name and password are secrets: show `host`, never `href`.
 * @returns the URL, or a sentence with the problem (without the address, which may hold a password)
 */
export function parseProxyUrl(text: string): URL | { problem: string } {
  const written = text.includes('://') ? text : `http://${text}`
  const url = URL.canParse(written) ? new URL(written) : undefined
  if (!url || url.hostname === '')
    return { problem: 'This is not a proxy address. Write it like http://proxy.example.com:3128' }
  if (url.protocol === 'http:' || url.protocol === 'https:') return url
  return {
    problem: `The agent speaks to HTTP proxies only, not ${url.protocol}//. Write it like http://proxy.example.com:3128`,
  }
}

/**
 * The proxy that the environment names for `relay`: HTTPS_PROXY or HTTP_PROXY by the relay's scheme, then
 * ALL_PROXY, unless NO_PROXY covers the relay. A relay on this machine is never reached through a proxy.
 */
export function proxyFromEnvironment(
  relay: RelayAddress,
  environment: Environment,
): { name: string; value: string } | undefined {
  if (isLoopback(relay.hostname)) return undefined
  const read = (name: string): { name: string; value: string } | undefined => {
    const value = environment[name.toLowerCase()] || environment[name]
    return value ? { name, value } : undefined
  }
  const proxy = read(relay.tls ? 'HTTPS_PROXY' : 'HTTP_PROXY') ?? read('ALL_PROXY')
  if (!proxy) return undefined
  return coversRelay(read('NO_PROXY')?.value ?? '', relay) ? undefined : proxy
}

/** NO_PROXY: `*`, host names with or without a leading dot (which cover their subdomains), IPs, CIDRs, each with an optional port. */
function coversRelay(noProxy: string, relay: RelayAddress): boolean {
  return noProxy
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => coversHost(entry.toLowerCase(), relay))
}

function coversHost(entry: string, { hostname, port }: RelayAddress): boolean {
  if (entry === '*') return true
  if (isIP(hostname) !== 0) return coversIp(entry.replace(/^\[(.*)\]$/, '$1'), hostname)
  const [, name = '', entryPort] = /^\*?\.?([^:]*)(?::(\d+))?$/.exec(entry) ?? []
  if (name === '' || (entryPort !== undefined && Number(entryPort) !== port)) return false
  return hostname === name || hostname.endsWith(`.${name}`)
}

function coversIp(entry: string, ip: string): boolean {
  const [network = '', prefix] = entry.split('/')
  const family = isIP(network)
  if (family === 0 || family !== isIP(ip)) return false
  const bits = prefix === undefined ? (family === 4 ? 32 : 128) : Number(prefix)
  if (!Number.isInteger(bits) || bits < 0 || bits > (family === 4 ? 32 : 128)) return false
  const list = new BlockList()
  const kind = family === 4 ? 'ipv4' : 'ipv6'
  list.addSubnet(network, bits, kind)
  return list.check(ip, kind)
}
