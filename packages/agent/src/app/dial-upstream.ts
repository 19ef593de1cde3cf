// Opens one connection to an upstream, or says in a person's words why it could not.
// On the path of every new stream: no resolver for localhost, certificates parsed once per tunnel.

import { createHash } from 'node:crypto'
import { connect as connectTcp, isIP } from 'node:net'
import type { NetConnectOpts, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls, createSecureContext } from 'node:tls'
import type { ConnectionOptions, TLSSocket } from 'node:tls'

import type { RefusalCode, StreamProtocol } from '@sallyport/protocol'

import { ADDRESS_ATTEMPT_MS, lookupFor } from '../dial-address.ts'
import { serveDirectory } from '../files/file-server.ts'
import { readOn } from './read-on.ts'
import { trustedCertificates } from '../system-certificates.ts'
import type { Upstream } from './upstream.ts'

/** Longer than three SYN retransmissions (1 + 2 + 4 s), shorter than any visitor's patience. */
const DIAL_DEADLINE_MS = 10_000

export interface UpstreamTls {
  /** PEM text of further authorities. */
  ca?: string | undefined
  /** Whether the upstream's certificate is checked. */
  verify: boolean
  /** SHA-256 of the public keys (SPKI, base64) that are trusted, signed by anybody; none for ordinary checks. */
  pins: readonly string[]
}

export interface DialFailure {
  code: RefusalCode
  /** e.g. `connection refused at localhost:8000` */
  reason: string
}

export type Dialled = (outcome: { socket: Duplex } | { failure: DialFailure }) => void

/** Dials its upstream; gives up when `stream` closes, and then calls nothing back. */
export type Dial = (stream: Duplex, dialled: Dialled) => void

/**
 * Prepares everything that is the same for each connection to `upstream`.
 * @param protocol the relay's protocol with the upstream; TLS asks for it by ALPN
 * @throws ConfigError if the upstream is a directory that does not exist
 */
export function prepareDial(
  upstream: Upstream,
  tls: UpstreamTls,
  protocol: StreamProtocol = 'http1',
  deadlineMs = DIAL_DEADLINE_MS,
): Dial {
  const { target } = upstream
  if ('directory' in target) {
    const connectFiles = serveDirectory(target.directory)
    return (_, dialled) => dialled({ socket: connectFiles() })
  }
  const open = upstream.tls ? openTls(target, tls, protocol) : openPlain(target)
  const connected = upstream.tls ? 'secureConnect' : 'connect'

  return (stream, dialled) => {
    const socket = open()
    const settle = (failure?: DialFailure): void => {
      clearTimeout(deadline)
      stream.off('close', onStreamGone)
      socket.off(connected, onConnected).off('error', onError)
      // From here on a break ends the splice through 'close'; its reason is not needed twice.
      socket.on('error', () => {})
      if (!failure) {
        readOn(socket)
        return dialled({ socket })
      }
      socket.destroy()
      dialled({ failure })
    }
    const onConnected = (): void => {
      // openTls() makes nothing but TLS sockets
      settle(upstream.tls ? tlsProblem(socket as TLSSocket, upstream, tls, protocol) : undefined)
    }
    const onError = (error: NodeJS.ErrnoException): void => settle(explain(error, upstream))
    const onStreamGone = (): void => {
      clearTimeout(deadline)
      socket.off(connected, onConnected)
      socket.destroy()
    }
    const deadline = setTimeout(() => {
      settle({ code: 'app_timeout', reason: `no connection at ${upstream.place} within ${deadlineMs / 1000} s` })
    }, deadlineMs)
    socket.on(connected, onConnected).on('error', onError)
    stream.on('close', onStreamGone)
  }
}

type Dialable = Exclude<Upstream['target'], { readonly directory: string }>

function openPlain(target: Dialable): () => Socket {
  const options = dialOptions(target)
  return () => connectTcp(options)
}

function openTls(target: Dialable, { ca, verify, pins }: UpstreamTls, protocol: StreamProtocol): () => Socket {
  const host = 'host' in target ? target.host : 'localhost'
  const options: ConnectionOptions = {
    ...dialOptions(target),
    secureContext: createSecureContext({ ca: trustedCertificates(ca) }),
    // The pinned key is checked instead, once the app has proved it.
    rejectUnauthorized: verify && pins.length === 0,
    ALPNProtocols: [protocol === 'http2' ? 'h2' : 'http/1.1'],
    // RFC 6066 3: literal addresses are not permitted in server_name.
    ...(isIP(host) === 0 ? { servername: host } : {}),
  }
  return () => connectTls(options)
}

/** The checks that TLS itself does not make. */
function tlsProblem(
  socket: TLSSocket,
  { place }: Upstream,
  { pins }: UpstreamTls,
  protocol: StreamProtocol,
): DialFailure | undefined {
  if (pins.length > 0) {
    const key = socket.getPeerX509Certificate()?.publicKey.export({ type: 'spki', format: 'der' })
    const pin = key && createHash('sha256').update(key).digest('base64')
    if (pin === undefined || !pins.includes(pin)) {
      const seen = pin === undefined ? 'it has none' : `it is sha256/${pin}`
      return { code: 'app_unreachable', reason: `the key of ${place} is not the pinned one: ${seen}` }
    }
  }
  if (protocol === 'http2' && socket.alpnProtocol !== 'h2') {
    return { code: 'app_unreachable', reason: `${place} does not speak HTTP/2; remove --upstream-protocol` }
  }
  return undefined
}

function dialOptions(target: Dialable): NetConnectOpts {
  if ('socketPath' in target) return { path: target.socketPath, allowHalfOpen: true }
  const lookup = lookupFor(target.host)
  // noDelay: an app's answer of many small writes must not wait for the ACK of the one before.
  const autoSelectFamilyAttemptTimeout = ADDRESS_ATTEMPT_MS
  return {
    ...target,
    allowHalfOpen: true,
    noDelay: true,
    autoSelectFamilyAttemptTimeout,
    ...(lookup ? { lookup } : {}),
  }
}

function explain(error: NodeJS.ErrnoException, { place, target, tls }: Upstream): DialFailure {
  switch (error.code ?? '') {
    case 'ECONNREFUSED':
      return { code: 'app_refused', reason: `connection refused at ${place}` }
    case 'ECONNRESET':
      return { code: 'app_refused', reason: `connection reset at ${place}` }
    case 'ENOENT':
      return { code: 'app_refused', reason: `there is no socket at ${place}` }
    case 'EACCES':
    case 'EPERM':
      return { code: 'app_unreachable', reason: `the agent may not connect to ${place}` }
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return { code: 'app_unreachable', reason: `the name of ${place} does not resolve` }
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EADDRNOTAVAIL':
      return { code: 'app_unreachable', reason: `no route to ${place}` }
    case 'ETIMEDOUT':
      return { code: 'app_timeout', reason: `no connection at ${place}` }
    case 'EMFILE':
    case 'ENFILE':
      return { code: 'busy', reason: 'the agent has no file descriptors left' }
    case 'EPROTO':
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'ERR_SSL_PACKET_LENGTH_TOO_LONG':
      return { code: 'app_unreachable', reason: `${place} does not speak TLS; is it http:// rather than https://?` }
    default:
      return {
        code: 'app_unreachable',
        reason: explainOther(error, tls && 'host' in target ? place : undefined, place),
      }
  }
}

function explainOther(error: NodeJS.ErrnoException, tlsPlace: string | undefined, place: string): string {
  if (tlsPlace === undefined || error.code === undefined) return `${place}: ${error.message || error.code}`
  const certificate = `the certificate of ${tlsPlace}`
  if (error.code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return `${certificate} is for another name; write that in the address, or trust its key with --upstream-pin`
  return `${certificate} is not trusted (${error.code}); add its authority with --upstream-ca`
}
