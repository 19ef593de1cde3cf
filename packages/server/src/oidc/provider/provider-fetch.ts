// One request of ours to an identity provider. It is bounded in time and size, and follows no redirects. It uses plain
// http only on loopback, and no internal address unless the operator (not an agent) named it. It has the signature of
// fetch(), because openid-client and jose use it instead of fetch(). It uses node:http and not undici, because only
// node:http lets us dial 127.0.0.1 for `*.localhost`, which Node does not resolve.

import { lookup, type LookupAddress } from 'node:dns'
import type { IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'

import { request as httpRequest } from '@sallyport/protocol/node-http'

import { isLoopbackHost } from '../../values/host-pattern.ts'
import type { IssuerReach } from '../../config/issuer-reach.ts'
import { DialRule } from './dial-rule.ts'
import type { ProviderAuthority } from './provider-authorities.ts'

/** OpenSSL's errors, by Node's names, for a certificate that no trusted authority has signed. */
export const UNTRUSTED_CODES: ReadonlySet<string> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
])

const MAX_BYTES = 1024 * 1024 // discovery documents and key sets are a few kB
const MAX_AT_ONCE = 100 // to one provider; enough for hundreds of sign-ins a second, and a limit if it answers slowly

export interface ProviderRequest {
  method?: string
  headers?: Headers | Record<string, string>
  body?: unknown
}

export type ProviderFetch = (url: string, request?: ProviderRequest) => Promise<Response>

/** The provider could not be asked, or its answer was not complete. The message is for the log. */
export class ProviderUnreachable extends Error {
  constructor(reason: string, options?: ErrorOptions) {
    super(reason, options)
    this.name = 'ProviderUnreachable'
  }
}

/**
 * @param timeoutMs for the whole exchange, from dialling to the last byte
 * @param home the URL of the issuer; see DialRule
 * @param reach set if an agent, not the operator, has named it
 * @param authority in addition to those that this machine trusts
 */
export function providerFetch(
  timeoutMs: number,
  home: string,
  reach?: IssuerReach,
  authority?: ProviderAuthority,
): ProviderFetch {
  const rule = new DialRule(home, reach)
  let underWay = 0

  const admit = (url: URL, addresses: readonly string[]): void => {
    const refused = rule.refusedOf(url.origin, addresses)
    if (refused === undefined) return
    const why = reach ? 'an agent may not name it' : `the issuer is at ${rule.home}`
    throw new ProviderUnreachable(`${url.origin} is at ${refused}, an internal address, and ${why}`)
  }

  return async (href, { method = 'GET', headers, body } = {}) => {
    const url = new URL(href)
    if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopbackHost(url.hostname))) {
      throw new ProviderUnreachable(`${url.origin} is not https`)
    }
    const literal = url.hostname.replace(/^\[(.*)\]$/, '$1')
    if (isIP(literal)) admit(url, [literal]) // node:net does not resolve such a host
    const payload = body === undefined || body === null ? undefined : asText(body)
    if (underWay >= MAX_AT_ONCE) throw new ProviderUnreachable(`${rule.home} has not answered ${underWay} requests yet`)
    underWay += 1
    const deadline = AbortSignal.timeout(timeoutMs)
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest
    try {
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        const request = send(url, {
          method,
          headers: {
            ...Object.fromEntries(new Headers(headers)),
            'accept-encoding': 'identity',
            ...(payload !== undefined && { 'content-length': String(Buffer.byteLength(payload)) }),
          },
          ...(authority && { secureContext: authority.context }),
          agent: false, // a kept-alive connection may close during a POST, which cannot be sent again
          signal: deadline, // our own deadline, because the caller's would come at about the same time and say less
          lookup: lookupAdmitted((addresses) => admit(url, addresses)),
        })
        // If the answer is 101, neither event comes: node:http hangs up, and no deadline remains.
        request.once('close', () => reject(new Error('the connection ended without an answer')))
        request.once('response', resolve).on('error', reject)
        request.end(payload)
      })
      rule.answered(url.origin, response.socket.remoteAddress ?? '')
      const bytes = await readAll(response)
      const status = response.statusCode ?? 0
      if (status >= 500) throw new ProviderUnreachable(`${describe(method, url)} answered HTTP ${status}`)
      return new Response(status === 204 || status === 304 ? null : bytes, {
        status,
        headers: Object.entries(response.headersDistinct).flatMap(([name, values]) =>
          (values ?? []).map((value): [string, string] => [name, value]),
        ),
      })
    } catch (error) {
      if (error instanceof ProviderUnreachable) throw error
      const reason = deadline.aborted
        ? `no answer within ${timeoutMs / 1000} s`
        : (untrusted(error, reach, authority) ?? messageOf(error))
      throw new ProviderUnreachable(`${describe(method, url)} failed: ${reason}`, { cause: error })
    } finally {
      underWay -= 1
    }
  }
}

async function readAll(response: IncomingMessage): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > MAX_BYTES) {
      response.destroy()
      throw new Error(`the answer is larger than ${MAX_BYTES} bytes`)
    }
    chunks.push(chunk)
  }
  return new Uint8Array(Buffer.concat(chunks))
}

function asText(body: unknown): string {
  if (typeof body === 'string') return body
  if (body instanceof URLSearchParams) return body.toString()
  throw new TypeError('only text and forms are sent to a provider')
}

/** The URL without its query, which may contain secrets. */
function describe(method: string, url: URL): string {
  return `${method} ${url.origin}${url.pathname}`
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  // The error of a connection for which several addresses were tried.
  if (error instanceof AggregateError) return error.errors.map(messageOf).join(', ')
  return error.message
}

/** Node's message refers to options of node, but the operator needs those of the relay. */
function untrusted(error: unknown, reach?: IssuerReach, authority?: ProviderAuthority): string | undefined {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (!UNTRUSTED_CODES.has(code)) return undefined
  const ours = authority ? ` or ${authority.file}` : ''
  const what = `its certificate is not from an authority that this machine${ours} trusts (${code})`
  if (reach) return what
  return authority
    ? `${what}; is it the right provider_ca_file, and does the provider send its intermediate certificates?`
    : `${what}; if it is one of your own, name its certificate in provider_ca_file`
}

function isLocalhost(hostname: string): boolean {
  return hostname === 'localhost' || hostname.endsWith('.localhost')
}

/** The relay dials the address that it has checked, so the name cannot resolve to another address in between. */
function lookupAdmitted(admit: (addresses: readonly string[]) => void): LookupFunction {
  return (hostname, options, callback) => {
    const found = (error: NodeJS.ErrnoException | null, addresses: readonly LookupAddress[]): void => {
      try {
        if (error) throw error
        admit(addresses.map(({ address }) => address))
      } catch (refusal) {
        return callback(refusal as Error, []) // the resolver's, or admit's ProviderUnreachable
      }
      if (options.all) callback(null, [...addresses])
      else callback(null, addresses[0]?.address ?? '', addresses[0]?.family)
    }
    // RFC 6761 6.3: names under localhost mean this machine, without a look-up.
    if (isLocalhost(hostname)) return found(null, [{ address: '127.0.0.1', family: 4 }])
    lookup(hostname, { ...options, all: true }, found)
  }
}
