// Dials the relay: DNS or proxy, TLS, WebSocket upgrade with the authtoken. Every failure becomes one sentence that a
// person can act on, and a code that says whether to try again.

import { lookup as lookupBySystem } from 'node:dns'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import type { LookupFunction } from 'node:net'
import type { Duplex } from 'node:stream'
import { checkServerIdentity, connect as connectTls } from 'node:tls'
import type { ConnectionOptions, TLSSocket } from 'node:tls'

import { ProtocolError, SUBPROTOCOL, printable, toProtocolErrorCode } from '@sallyport/protocol'
import type { ProtocolErrorCode, Secret } from '@sallyport/protocol'
import { HttpsProxyAgent } from 'https-proxy-agent'
import { WebSocket } from 'ws'

import { AGENT_COMMAND } from '../agent-command.ts'
import { connectFirst } from './connect-first.ts'
import { ADDRESS_ATTEMPT_MS, lookupFor } from '../dial-address.ts'
import type { RelayAddress } from '../plan/relay-address.ts'
import { trustedCertificates } from '../system-certificates.ts'

const HANDSHAKE_DEADLINE_MS = 10_000
const MESSAGE_MAX_BYTES = 1024 * 1024
/** An answer other than 101 is read this far: enough for a problem document. */
const ANSWER_MAX_BYTES = 4096
const RETRY_AFTER_MAX_MS = 5 * 60_000 // a wrong header must not keep an agent away for a day

/** The steps of an attempt, in this order; `proxy` replaces `tcp`, and then `name` is the proxy's. */
export type Milestone =
  | { step: 'name'; addresses: readonly string[] }
  | { step: 'tcp'; address: string }
  | { step: 'proxy' }
  | { step: 'tls'; protocol: string; validTo: string }
  /** The answer of the relay, or of another server in its place; `date` as in the header field. */
  | { step: 'answer'; status: number; date: string | undefined }

export interface ConnectOptions {
  relay: RelayAddress
  authtoken: Secret
  /** PEM text of a further authority for the relay's certificate. */
  ca?: string | undefined
  proxy?: URL | undefined
  signal: AbortSignal
  handshakeDeadlineMs?: number | undefined
  /** Called with the progress of the attempt. */
  onMilestone?: ((milestone: Milestone) => void) | undefined
}

export type Connected = { ok: true; socket: WebSocket } | { ok: false; error: ProtocolError; retryAfterMs?: number }

/** Opens the WebSocket to the relay, paused until a carrier takes it. Never rejects: an abort of `signal` is a `connection_lost` too. */
export async function connectRelay(options: ConnectOptions): Promise<Connected> {
  const { relay, authtoken, ca, proxy, onMilestone } = options
  // Closes the attempt in every state, also the socket to a proxy that never answers.
  const attempt = new AbortController()
  const abandon = (): void => attempt.abort()
  const timer = setTimeout(abandon, options.handshakeDeadlineMs ?? HANDSHAKE_DEADLINE_MS)
  options.signal.addEventListener('abort', abandon, { once: true })
  if (options.signal.aborted) abandon()

  let proxyStatus: number | undefined
  const tunnel =
    proxy &&
    new HttpsProxyAgent(proxy, {
      signal: attempt.signal,
      keepAlive: false,
      autoSelectFamilyAttemptTimeout: ADDRESS_ATTEMPT_MS,
      ...(onMilestone && { lookup: tellAddresses(lookupBySystem as LookupFunction, onMilestone) }), // net's default
    })
  tunnel?.on('proxyConnect', ({ statusCode }: { statusCode: number }) => {
    proxyStatus = statusCode
    if (statusCode === 200) onMilestone?.({ step: 'proxy' })
  })
  try {
    return await new Promise<Connected>((resolve) => {
      const socket = new WebSocket(relay.webSocketUrl, SUBPROTOCOL, {
        headers: { Authorization: `Bearer ${authtoken.reveal()}` },
        perMessageDeflate: false,
        maxPayload: MESSAGE_MAX_BYTES,
        followRedirects: false,
        ...(tunnel ? { agent: tunnel } : directly(relay, attempt.signal, onMilestone)),
        ...(relay.tls ? { ca: trustedCertificates(ca), minVersion: 'TLSv1.2' as const } : {}),
        ...certificateCheck(relay.hostname),
        ...(onMilestone && relay.tls ? { finishRequest: tellTls(onMilestone) } : {}),
      })
      const tellAnswer = ({ statusCode = 0, headers }: IncomingMessage): void =>
        onMilestone?.({ step: 'answer', status: statusCode, date: headers.date })
      const onAbort = (): void => {
        const seconds = (options.handshakeDeadlineMs ?? HANDSHAKE_DEADLINE_MS) / 1000
        const via = proxy && proxyStatus === undefined ? `the proxy ${proxy.host}` : relay.url
        fail(new ProtocolError('connection_lost', `${via} did not answer within ${seconds} s`))
      }
      let isOpen = false
      const fail = (error: ProtocolError, retryAfterMs?: number): void => {
        // Once open, the socket belongs to the session, which listens to errors itself.
        if (isOpen) return
        attempt.signal.removeEventListener('abort', onAbort)
        socket.terminate()
        resolve({ ok: false, error, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) })
      }
      attempt.signal.addEventListener('abort', onAbort, { once: true })
      if (attempt.signal.aborted) onAbort()
      socket.on('error', (error: NodeJS.ErrnoException) => fail(explainError(error, options, proxyStatus)))
      socket.on('unexpected-response', (_request: ClientRequest, response: IncomingMessage) => {
        const refusedByProxy = proxyStatus !== undefined && proxyStatus !== 200
        if (!refusedByProxy) tellAnswer(response)
        void readAnswer(response).then((body) => {
          if (refusedByProxy) return fail(explainProxy(proxyStatus ?? 0, proxy))
          fail(explainAnswer(response, body, relay), retryAfterMs(response.headers['retry-after'], Date.now()))
        })
      })
      socket.once('upgrade', tellAnswer)
      socket.once('open', () => {
        isOpen = true
        // The relay's first bytes may come in the same packet as its 101, before a listener exists: the carrier resumes
        // the socket.
        socket.pause()
        attempt.signal.removeEventListener('abort', onAbort)
        resolve({ ok: true, socket })
      })
    })
  } finally {
    clearTimeout(timer)
    options.signal.removeEventListener('abort', abandon)
  }
}

/** How ws connects without a proxy: to the address that answers first. */
function directly(
  { hostname, port, tls }: RelayAddress,
  signal: AbortSignal,
  onMilestone: ConnectOptions['onMilestone'],
): object {
  const ours = lookupFor(hostname)
  const lookup = onMilestone ? tellAddresses(ours ?? (lookupBySystem as LookupFunction), onMilestone) : ours // as above
  return {
    createConnection: (options: ConnectionOptions, connected: (error: Error | null, socket?: Duplex) => void): void => {
      connectFirst({ host: hostname, port, lookup, signal }, (error, socket) => {
        if (socket) onMilestone?.({ step: 'tcp', address: socket.remoteAddress ?? '' })
        if (error || !socket || !tls) return connected(error, socket)
        // RFC 6066 3: literal addresses are not permitted in server_name.
        const servername = isIP(hostname) === 0 ? { servername: hostname } : {}
        return connected(null, connectTls({ ...options, ...servername, socket }))
      })
    },
  } // typed as object, because @types/ws does not have the callback that node:http takes
}

function tellAddresses(lookup: LookupFunction, tell: (milestone: Milestone) => void): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, options, (error, found, family) => {
      const addresses = Array.isArray(found) ? found.map(({ address }) => address) : [found]
      if (!error) tell({ step: 'name', addresses })
      callback(error, found, family)
    })
  }
}

/** The `finishRequest` of ws: gives the request its socket once TCP, or the proxy, has one. */
function tellTls(tell: (milestone: Milestone) => void): (request: ClientRequest) => void {
  return (request) => {
    // After a refusal by the proxy this is no TLS socket, and never emits 'secureConnect'.
    request.once('socket', (socket) => {
      const secured = socket as TLSSocket // tellTls() is for wss:// only
      secured.once('secureConnect', () => {
        const { valid_to: validTo } = secured.getPeerCertificate()
        tell({ step: 'tls', protocol: secured.getProtocol() ?? 'TLS', validTo })
      })
    })
    request.end()
  }
}

/**
 * Checks the certificate against the relay's own name. Behind a proxy Node would use the proxy's name, or "localhost"
 * if the relay is an IP address, because a literal address has no server_name.
 */
function certificateCheck(hostname: string): object {
  const options: ConnectionOptions = {
    checkServerIdentity: (_name, certificate) => checkServerIdentity(hostname, certificate),
  }
  return options // typed as object: @types/ws gives this option of Node's another type
}

/** The first bytes of an answer's body; a break or the attempt's deadline ends the wait with the bytes so far. */
function readAnswer(response: IncomingMessage): Promise<string> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let length = 0
    const done = (): void => resolve(Buffer.concat(chunks).toString('utf8'))
    response.on('data', (chunk: Buffer) => {
      chunks.push(chunk.subarray(0, ANSWER_MAX_BYTES - length))
      length += chunk.length
      if (length >= ANSWER_MAX_BYTES) done()
    })
    response.on('end', done).on('error', done).on('close', done)
  })
}

function explainAnswer(response: IncomingMessage, body: string, relay: RelayAddress): ProtocolError {
  const status = response.statusCode ?? 0
  const problem = readProblem(body)
  const detail = problem?.detail ? ` ${asSentence(printable(problem.detail))}` : ''
  switch (status) {
    case 401:
    case 403:
      // Only the relay's own answer ends the agent; a captive portal or a firewall answers 403 too.
      if (problem?.code === undefined) {
        return new ProtocolError(
          'connection_lost',
          `${relay.url} answered ${status}, but not as a relay does. Is there a firewall or another proxy in between?`,
        )
      }
      return new ProtocolError(
        refusalCode(problem.code),
        `The relay refused the authtoken.${detail || ' Make one with "relay authtoken create" on the relay\'s host.'} Save it here with "${AGENT_COMMAND} config add-authtoken -".`,
      )
    case 404:
      return new ProtocolError(
        'connection_lost',
        `${relay.url} answers, but there is no relay behind it (404). Check --server: it is the relay's public_url.`,
      )
    case 429:
      return new ProtocolError('limit_reached', `The relay has seen too many attempts from this address.${detail}`)
    case 503:
      return new ProtocolError('draining', `The relay takes no new agents at the moment.${detail}`)
    default: {
      if (problem?.code && Object.is(toProtocolErrorCode(problem.code), 'version_unsupported')) {
        return new ProtocolError('version_unsupported', `The relay does not speak this agent's protocol.${detail}`)
      }
      const location = status >= 300 && status < 400 ? response.headers.location : undefined
      const hint = location ? ` and points to ${printable(location)}` : ''
      return new ProtocolError(
        'connection_lost',
        `${relay.url} answered ${status}${hint} instead of opening a tunnel session.${detail}`,
      )
    }
  }
}

function asSentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`
}

/** A 401 or 403 with a code this agent does not know is still about the authtoken. */
function refusalCode(code: string): ProtocolErrorCode {
  const known = toProtocolErrorCode(code)
  return known === 'internal' ? 'authtoken_refused' : known
}

/** A problem document (RFC 9457) with our `code` member, as far as the body is one. */
function readProblem(body: string): { code?: string; detail?: string } | undefined {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    return undefined // not a problem document: another server than a relay may have answered
  }
  if (typeof value !== 'object' || value === null) return undefined
  const { code, detail } = value as Record<string, unknown> // an object, as just checked
  return {
    ...(typeof code === 'string' ? { code } : {}),
    ...(typeof detail === 'string' ? { detail } : {}),
  }
}

/** RFC 9110 10.2.3: seconds or a date. */
function retryAfterMs(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now
  return Number.isFinite(ms) && ms > 0 ? Math.min(ms, RETRY_AFTER_MAX_MS) : undefined
}

function explainProxy(status: number, proxy: URL | undefined): ProtocolError {
  return new ProtocolError(
    'connection_lost',
    `The proxy ${proxy?.host} refused the connection to the relay (${status}).${status === 407 ? proxyHint(proxy) : ''}`,
  )
}

function proxyHint(proxy: URL | undefined): string {
  if (proxy?.username || proxy?.password) return ' It does not take this user name and password.'
  return ' It wants a user name and password: --proxy-url http://USER:PASSWORD@host:port.'
}

function explainError(
  error: NodeJS.ErrnoException,
  { relay, proxy }: ConnectOptions,
  proxyStatus: number | undefined,
): ProtocolError {
  const atProxy = proxy !== undefined && proxyStatus === undefined
  const place = atProxy ? `the proxy ${proxy.host}` : relay.url
  const lost = (sentence: string): ProtocolError => new ProtocolError('connection_lost', sentence, { cause: error })
  switch (error.code ?? '') {
    case 'ECONNREFUSED':
      return lost(atProxy ? `nothing listens at ${place}` : `no relay answers at ${place} (connection refused)`)
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return lost(`the name of ${place} does not resolve`)
    case 'ETIMEDOUT':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return lost(`${place} cannot be reached (${error.code})`)
    case 'ECONNRESET':
    case 'EPIPE':
      return lost(`${place} cut the connection`)
    case 'EPROTO':
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'ERR_SSL_PACKET_LENGTH_TOO_LONG':
      return lost(`${place} does not speak TLS; is it http:// rather than https://?`)
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return lost(`the certificate of ${place} is for another name; name the relay as its certificate does`)
    case 'CERT_NOT_YET_VALID':
      return lost(`the certificate of ${place} is not valid yet; is the clock of this machine right?`)
    case 'CERT_HAS_EXPIRED':
      return lost(
        `the certificate of ${place} has expired; renew it on the relay's host, or set the clock of this machine`,
      )
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_GET_ISSUER_CERT':
      return lost(`the certificate of ${place} is not trusted (${error.code}); give its authority with --ca FILE`)
    default:
      return lost(`${place}: ${printable(error.message)}`)
  }
}
