// One visitor's connection: made at the door, once for each socket, and looked at by whoever serves requests on it. What a
// socket itself says of its ends is not asked anywhere else: a proxy may know better.

import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'

import type { LimitName } from '../config/config.ts'
import { plainAddress } from '../exchange/client-ip.ts'
import type { Connection } from '../exchange/connection.ts'
import type { Place } from './places.ts'

export class VisitorConnection implements Connection {
  readonly clientIp: string
  readonly isFromProxy: boolean
  readonly startedAt = Date.now()
  /** What it counts for among all that are open. */
  readonly place: Place
  /** Set by the door when the handshake is over. */
  tls: TLSSocket | undefined
  readonly #socket: Socket

  constructor(socket: Socket, clientIp: string, isFromProxy: boolean, place: Place) {
    this.#socket = socket
    this.clientIp = clientIp
    this.isFromProxy = isFromProxy
    this.place = place
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

  /** Why it gets one answer and no more: there was no place for it but one on trial. */
  get limit(): LimitName | undefined {
    return this.place.kind === 'trial' ? this.place.limit : undefined
  }
}
