// One connection of a visitor, made by the door, once for each socket. No other code asks a socket for its two
// addresses, because a proxy may know better.

import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'

import type { LimitName } from '../config/config.ts'
import { plainAddress } from '../exchange/visitor/client-ip.ts'
import type { Connection } from '../exchange/connection.ts'
import type { ShownCertificate, TlsDemands } from '../exchange/visitor/tls-demands.ts'
import type { Place } from './places.ts'

export class VisitorConnection implements Connection {
  readonly clientIp: string
  readonly isFromProxy: boolean
  readonly startedAt = Date.now()
  /** Its place among all open connections. */
  readonly place: Place
  /** Set by the door after the handshake. */
  tls: TLSSocket | undefined
  /** Set by the door before the handshake. */
  tlsDemands: TlsDemands | undefined
  /** Set by the door after the handshake. */
  shownCertificate: ShownCertificate | undefined
  /** Set by HTTP/2. */
  onRetire: (() => void) | undefined
  readonly #socket: Socket

  constructor(socket: Socket, clientIp: string, isFromProxy: boolean, place: Place) {
    this.#socket = socket
    this.clientIp = clientIp
    this.isFromProxy = isFromProxy
    this.place = place
  }

  end(): void {
    this.#socket.destroy()
  }

  retire(): void {
    this.onRetire?.()
  }

  get serverName(): string | undefined {
    const { servername } = (this.tls ?? {}) as { servername?: string | false } // of a server's socket, which the types leave out
    return servername ? servername.toLowerCase() : undefined
  }

  get clientPort(): number {
    return this.#socket.remotePort ?? 0
  }

  get serverIp(): string {
    return plainAddress(this.#socket.localAddress ?? '')
  }

  get serverPort(): number {
    return this.#socket.localPort ?? 0
  }

  get bytesIn(): number {
    return (this.tls ?? this.#socket).bytesRead
  }

  get bytesOut(): number {
    return (this.tls ?? this.#socket).bytesWritten
  }

  /** The limit because of which it is on trial and gets only one answer; undefined if it has a full place. */
  get limit(): LimitName | undefined {
    return this.place.kind === 'trial' ? this.place.limit : undefined
  }
}
