// The connection of a visitor's request, as exchanges see it. The listener makes one for each socket, and all exchanges
// on that socket share it. Types only.

import type { TLSSocket } from 'node:tls'

import type { ShownCertificate, TlsDemands } from './visitor/tls-demands.ts'

export interface Connection {
  /** The other end, a visitor or a proxy: an IP address. An IPv4 address is written as one, also on a dual-stack socket. */
  readonly clientIp: string
  readonly clientPort: number
  /** Our end. Empty and 0 after the connection has closed. */
  readonly serverIp: string
  readonly serverPort: number
  /** When it was accepted, in milliseconds since 1970. */
  readonly startedAt: number
  /** Whether the other end is a proxy that the operator trusts: its forwarding headers count. */
  readonly isFromProxy: boolean
  /** The result of the handshake; undefined on cleartext. */
  readonly tls: TLSSocket | undefined
  /** The host that the visitor asked for in the handshake, in lower case; undefined if node:tls does not know it. */
  readonly serverName: string | undefined
  /** The demands under which the handshake was made; undefined without any. */
  readonly tlsDemands: TlsDemands | undefined
  /** The visitor's certificate; undefined without one, and if none was asked for. */
  readonly shownCertificate: ShownCertificate | undefined
  /** Bytes so far; on TLS, those inside it. */
  readonly bytesIn: number
  readonly bytesOut: number
  /** Ends it at once, with every exchange on it. */
  end(): void
  /** Asks the visitor to make a new connection for further requests, if HTTP/2 needs that; others are told by `Connection: close`. */
  retire(): void
}
