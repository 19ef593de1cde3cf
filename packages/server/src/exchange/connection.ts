// The connection on which a visitor's request has come, as exchanges know it. The listener makes one for each socket, and every
// exchange on it holds the same. Types only.

import type { TLSSocket } from 'node:tls'

export interface Connection {
  /** The visitor's end, or that of a proxy: an IP address, IPv4 as such on a socket for both. */
  readonly clientIp: string
  readonly clientPort: number
  /** Our end; empty and 0 once the connection is closed. */
  readonly serverIp: string
  readonly serverPort: number
  /** When it was taken, in milliseconds since 1970. */
  readonly startedAt: number
  /** Whether the other end is a proxy that the operator trusts: what it writes into the heads of requests counts. */
  readonly isFromProxy: boolean
  /** What was agreed on in the handshake; undefined where the relay speaks no TLS. */
  readonly tls: TLSSocket | undefined
  /** Bytes so far, within TLS where there is one. */
  readonly bytesIn: number
  readonly bytesOut: number
}
