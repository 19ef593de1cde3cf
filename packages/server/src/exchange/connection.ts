// The connection of a visitor's request, as exchanges see it. The listener makes one for each socket, and all exchanges
// on that socket share it. Types only.

import type { TLSSocket } from 'node:tls'

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
  /** Bytes so far; on TLS, those inside it. */
  readonly bytesIn: number
  readonly bytesOut: number
  /** Ends it at once, with every exchange on it. */
  end(): void
}
