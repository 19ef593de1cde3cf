// Opens one connection to an upstream, or says in a person's words why it could not.
// On the path of every new stream: no resolver for localhost, certificates parsed once per tunnel.

import { connect as connectTcp, isIP } from 'node:net'
import type { NetConnectOpts, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls, createSecureContext } from 'node:tls'
import type { ConnectionOptions } from 'node:tls'

import type { RefusalCode } from '@sallyport/protocol'

import { lookupFor } from './dial-address.ts'
import { trustedCertificates } from './system-certificates.ts'
import type { Upstream } from './upstream.ts'

/** Longer than three SYN retransmissions (1 + 2 + 4 s), shorter than any visitor's patience. */
const DIAL_DEADLINE_MS = 10_000

export interface UpstreamTls {
  /** PEM text of further authorities. */
  ca?: string | undefined
  /** Whether the upstream's certificate is checked. */
  verify: boolean
}

export interface DialFailure {
  code: RefusalCode
  /** e.g. `connection refused at localhost:8000` */
  reason: string
}

export type Dialled = (outcome: { socket: Socket } | { failure: DialFailure }) => void

/** Dials the upstream it was made for; gives up when `stream` closes, and then calls nobody. */
export type Dial = (stream: Duplex, dialled: Dialled) => void

/** Prepares everything that is the same for each connection to `upstream`. */
export function prepareDial(upstream: Upstream, tls: UpstreamTls, deadlineMs = DIAL_DEADLINE_MS): Dial {
  const open = upstream.tls ? openTls(upstream, tls) : openPlain(upstream)
  const connected = upstream.tls ? 'secureConnect' : 'connect'

  return (stream, dialled) => {
    const socket = open()
    const settle = (failure?: DialFailure): void => {
      clearTimeout(deadline)
      stream.off('close', onStreamGone)
      socket.off(connected, onConnected).off('error', onError)
      // From here on a break ends the splice through 'close'; nobody needs its reason twice.
      socket.on('error', () => {})
      if (!failure) return dialled({ socket })
      socket.destroy()
      dialled({ failure })
    }
    const onConnected = (): void => settle()
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

function openPlain(upstream: Upstream): () => Socket {
  const options = dialOptions(upstream)
  return () => connectTcp(options)
}

function openTls(upstream: Upstream, { ca, verify }: UpstreamTls): () => Socket {
  const host = 'host' in upstream.target ? upstream.target.host : 'localhost'
  const options: ConnectionOptions = {
    ...dialOptions(upstream),
    secureContext: createSecureContext({ ca: trustedCertificates(ca) }),
    rejectUnauthorized: verify,
    ALPNProtocols: ['http/1.1'],
    // RFC 6066 3: literal addresses are not permitted in server_name.
    ...(isIP(host) === 0 ? { servername: host } : {}),
  }
  return () => connectTls(options)
}

function dialOptions({ target }: Upstream): NetConnectOpts {
  if ('socketPath' in target) return { path: target.socketPath, allowHalfOpen: true }
  const lookup = lookupFor(target.host)
  // noDelay: an app's answer of many small writes must not wait for the ACK of the one before.
  return { ...target, allowHalfOpen: true, noDelay: true, ...(lookup ? { lookup } : {}) }
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
  return `the certificate of ${tlsPlace} is not trusted (${error.code}); add its authority with --upstream-ca`
}
