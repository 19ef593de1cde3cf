// The relay's address as a person writes it after `--server`. Pure: text in, values out.

import { AGENT_PATH } from '@sallyport/protocol'

import { isLoopback } from '../dial-address.ts'

export interface RelayAddress {
  /** For people: `https://relay.example.com`. */
  readonly url: string
  /** The URL of the WebSocket. */
  readonly webSocketUrl: string
  /** Host name or IP literal, without brackets. */
  readonly hostname: string
  readonly port: number
  readonly tls: boolean
  /** Whether the authtoken would cross a network in clear. */
  readonly inClear: boolean
}

const SCHEMES: Record<string, 'http:' | 'https:'> = {
  'http:': 'http:',
  'ws:': 'http:',
  'https:': 'https:',
  'wss:': 'https:',
}

/**
 * Reads `https://`, `wss://`, `http://`, `ws://`, or a bare host, which means https.
 * @returns the address, or a sentence with the problem
 */
export function parseRelayAddress(text: string): RelayAddress | { problem: string } {
  const problem = { problem: `"${text}" is not a relay's address. Write it like https://relay.example.com` }
  const written = text.includes('://') ? text : `https://${text}`
  if (!URL.canParse(written)) return problem
  const given = new URL(written)
  const scheme = SCHEMES[given.protocol]
  if (!scheme || given.hostname === '' || given.port === '0') return problem
  if (given.username !== '' || given.password !== '') {
    return { problem: "The relay's address carries no user name or password; the authtoken goes into --authtoken." }
  }
  if (given.pathname !== '/' || given.search !== '' || given.hash !== '') {
    return { problem: `"${text}" has a path. The relay is named by its host alone, like https://${given.host}` }
  }
  const url = new URL(`${scheme}//${given.host}`)
  const hostname = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname
  const tls = scheme === 'https:'
  return {
    url: url.origin,
    webSocketUrl: `${tls ? 'wss' : 'ws'}://${url.host}${AGENT_PATH}`,
    hostname,
    port: url.port === '' ? (tls ? 443 : 80) : Number(url.port),
    tls,
    inClear: !tls && !isLoopback(hostname),
  }
}
