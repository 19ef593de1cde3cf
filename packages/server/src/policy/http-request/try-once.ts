// One try of an `http-request`, with its redirects. Each address is read anew, and only internal endpoints are asked.

import { RelayError } from '../../errors.ts'
import type { InternalAnswer, InternalCall } from '../../exchange/call/internal-call.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { readHeader } from '../../exchange/read-header.ts'
import { isOriginForm } from '../../exchange/target/origin-form.ts'
import { internalOrigin, readInternalUrl } from '../../values/hosts/internal-host.ts'
import { bodyText } from './body-text.ts'
import type { Deadline } from './deadline.ts'
import { callProblem } from './kind.ts'
import type { CallRequest } from './requests-of.ts'

export const ANSWER_MAX_BYTES = 256 * 1024 // as at ngrok, also after decompression

export interface HttpRequestParts {
  /** The internal endpoints that this policy may use. */
  readonly internal: {
    /** @throws RelayError if there is no answer */
    ask(exchange: Exchange, call: InternalCall): Promise<InternalAnswer>
  }
  /** Room for answers, which are kept as long as the visitor's exchange. */
  readonly bodies: { hold(exchange: Exchange, tenant: string, bytes: number): boolean }
  readonly tenant: string
}

/** Exactly one of the two is set. */
export interface Try {
  readonly res?: {
    readonly resolved_ip: string
    readonly header: Readonly<Record<string, readonly string[]>>
    readonly status_code: number
    readonly time_ms: number
    readonly body: string
  }
  readonly error?: { readonly code: string; readonly message: string }
}

export interface TryParts extends HttpRequestParts {
  readonly deadline: Deadline
  /** How many may be followed. */
  readonly redirects: number
}

interface Step extends Pick<CallRequest, 'method' | 'headers' | 'body'> {
  readonly host: string
  readonly target: string
}

/** Never rejects. */
export async function tryOnce(exchange: Exchange, request: CallRequest, parts: TryParts): Promise<Try> {
  const startedAt = performance.now()
  try {
    let step: Step = { ...request, ...placeOf(request.url) }
    for (let left = parts.redirects; ; left--) {
      const answer = await ask(exchange, step, parts)
      const next = left > 0 ? redirected(step, answer) : undefined
      if (!next) return await tryOf(exchange, answer, startedAt, parts)
      step = next
    }
  } catch (error) {
    return { error: parts.deadline.isOver ? TIMEOUT : errorOf(error) }
  }
}

const TIMEOUT = { code: 'ERR_TIMEOUT', message: 'there was no answer in time' }

function errorOf(error: unknown): NonNullable<Try['error']> {
  if (error instanceof NoCall) return { code: 'ERR_ADDRESS_REFUSED', message: error.message }
  if (!(error instanceof RelayError)) throw error
  return { code: error.publicCode, message: error.detail ?? error.code }
}

/** An address to which no call is made. */
class NoCall extends Error {}

function placeOf(url: string): Pick<Step, 'host' | 'target'> {
  const read = readInternalUrl(url)
  if (!read) throw new NoCall(callProblem(url))
  const target = read.rest.replace(/^(?=\?|$)/, '/')
  if (!isOriginForm(target)) throw new NoCall('the url has characters that no path and no query may have')
  return { host: read.host, target }
}

function ask(exchange: Exchange, step: Step, { internal, deadline }: TryParts): Promise<InternalAnswer> {
  return internal.ask(exchange, { ...step, signal: deadline.signal, maxBytes: ANSWER_MAX_BYTES })
}

const REDIRECTS = new Set([301, 302, 303, 307, 308])
const OF_ONE_HOST = new Set(['authorization', 'cookie'])

/** @returns undefined for an answer that is not a redirect */
function redirected(step: Step, { status, rawHeaders }: InternalAnswer): Step | undefined {
  const location = REDIRECTS.has(status) ? readHeader(rawHeaders, 'location') : undefined
  if (location === undefined) return undefined
  const url = URL.parse(location, internalOrigin(step.host) + step.target)
  if (!url || url.username !== '' || url.password !== '') throw new NoCall('the redirect does not lead to an address')
  url.hash = ''
  const place = placeOf(url.href)
  const keepsBody = status === 307 || status === 308 || step.method === 'GET'
  const kept =
    place.host === step.host ? step.headers : step.headers.filter(([name]) => !OF_ONE_HOST.has(name.toLowerCase()))
  if (keepsBody) return { ...step, ...place, headers: kept }
  return { method: 'GET', body: Buffer.alloc(0), headers: kept.filter(([name]) => !/^content-/i.test(name)), ...place }
}

async function tryOf(
  exchange: Exchange,
  { status, rawHeaders, body }: InternalAnswer,
  startedAt: number,
  { bodies, tenant }: TryParts,
): Promise<Try> {
  const header: Record<string, string[]> = Object.create(null) as Record<string, string[]>
  for (let i = 0; i < rawHeaders.length; i += 2) (header[rawHeaders[i]!.toLowerCase()] ??= []).push(rawHeaders[i + 1]!) // pairs
  const text = await bodyText(body, readHeader(rawHeaders, 'content-encoding'), ANSWER_MAX_BYTES)
  if (!bodies.hold(exchange, tenant, text.length)) {
    return { error: { code: 'ERR_RELAY_FULL', message: 'there is no room for further answers' } }
  }
  const time = Math.round(performance.now() - startedAt)
  return { res: { resolved_ip: '', header, status_code: status, time_ms: time, body: text } }
}
