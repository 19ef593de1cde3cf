// The host of an endpoint: named by its agent, or chosen by the relay. Pure.

import { createHmac } from 'node:crypto'

import { hostPatternProblem } from '../../values/host-pattern.ts'
import { isInternalHost } from '../../values/hosts/internal-host.ts'
import type { Claimant, EndpointRefused } from '../../tunnel/endpoint-binder.ts'
import type { EndpointOffer } from '../../tunnel/offer.ts'
import { refuseEndpoint } from './refuse-endpoint.ts'
import { quotedStart } from '../../values/hosts/quoted-start.ts'

const RANDOM_CHARS = 16 // 80 bits

/** The inputs for the addresses of endpoints. */
export interface EndpointAddresses {
  publicUrl: URL
  originOf: (host: string) => string
  /** Random hosts are below it. */
  domain: string
  /** Keys the names of random hosts. */
  hostKey: Uint8Array
}

/** The host in a URL, if visitors could use the URL exactly as it is written, or if it is an internal endpoint. */
export function hostOfUrl(
  written: string,
  { publicUrl, originOf, domain }: EndpointAddresses,
): string | EndpointRefused {
  const example = originOf(`name.${domain}`)
  let host = written.toLowerCase()
  if (host.includes('/')) {
    const url = URL.parse(host)
    if (!url || url.pathname !== '/' || url.search || url.hash || url.username || url.password || !url.hostname) {
      return refuseEndpoint(
        'bind_invalid',
        `${quotedStart(written)} is not the address of an endpoint; write for example ${example}`,
      )
    }
    host = url.hostname
    if (url.origin !== originOf(host) && !isInternal(url)) {
      const port = publicUrl.port ? ` on port ${publicUrl.port}` : ''
      const scheme = publicUrl.protocol.slice(0, -1)
      return refuseEndpoint('bind_invalid', `this relay serves ${scheme}${port}; write ${quotedStart(originOf(host))}`)
    }
  }
  if (host.includes('*')) return refuseEndpoint('bind_invalid', 'an endpoint has one host, without a *')
  const problem = hostPatternProblem(host)
  if (problem) return refuseEndpoint('bind_invalid', problem)
  // Admission lets no other host through.
  return /^[a-z0-9]/.test(host) ? host : refuseEndpoint('bind_invalid', `${host} does not begin with a letter or digit`)
}

/** Its scheme and port mean nothing: no listener has them. */
function isInternal({ protocol, hostname }: URL): boolean {
  return isInternalHost(hostname) && /^https?:$/.test(protocol)
}

/** A host that nobody can guess, and that stays the same when the agent reconnects. */
export function randomHost(
  { number }: EndpointOffer,
  { authtoken, instanceId }: Claimant,
  { domain, hostKey }: EndpointAddresses,
): string {
  const name = JSON.stringify([authtoken.id, instanceId, number])
  const bytes = createHmac('sha256', hostKey).update(name).digest()
  return `${base32(bytes, RANDOM_CHARS)}.${domain}`
}

/** RFC 4648 6, in lowercase. */
function base32(bytes: Uint8Array, chars: number): string {
  let bits = 0n
  for (const byte of bytes) bits = (bits << 8n) | BigInt(byte)
  let text = ''
  for (let index = 0; index < chars; index++) {
    text += 'abcdefghijklmnopqrstuvwxyz234567'[Number(bits & 31n)]
    bits >>= 5n
  }
  return text
}
