// The door of a listener: the one place that a visitor's socket passes between the system and whoever speaks TLS or HTTP on it.
// Here it becomes a connection, before anybody has read a byte: who is at its other end, and whether there is a place for it.
// With TLS a visitor can be told why not by an answer only once the handshake is done: that is what a place on trial is for.
//
//   accepted ─▶ who is it? ─▶ a place? ─▶ its first bytes, where they are suspicious ─▶ node:tls ─▶ HTTP
//                                └─ none ─▶ turned away

import type { Server as NetServer, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'

import type { Logger } from '../log.ts'
import type { OnFault } from '../exchange/border.ts'
import { plainAddress } from '../exchange/client-ip.ts'
import type { LimitRefusals } from '../exchange/limit-refusals.ts'
import { networkOf } from '../exchange/network-of.ts'
import { VisitorConnection } from './connection.ts'
import type { Places } from './places.ts'
import { ProxyProtocol } from './proxy-protocol.ts'
import { takeOver } from './take-over.ts'
import { TurnAway } from './turn-away.ts'

/** From the connection to the end of its one request: an agent needs two round trips with TLS. */
const TRIAL_MS = 5000

export interface DoorOptions {
  places: Places
  refusals: LimitRefusals
  isTls: boolean
  isTrustedProxy: (address: string) => boolean
  log: Logger
  onFault: OnFault
}

export class Door {
  readonly #options: DoorOptions
  readonly #connections = new WeakMap<Duplex, VisitorConnection>()
  /** With TLS: those whose handshake is not over, by their peer, since node:tls does not say whom a TLSSocket stands on. */
  readonly #handshaking = new Map<string, VisitorConnection>()
  readonly #turnAway: TurnAway
  readonly #proxyProtocol: ProxyProtocol

  constructor(options: DoorOptions) {
    this.#options = options
    this.#turnAway = new TurnAway(options.isTls, options.places.leavingMax)
    this.#proxyProtocol = new ProxyProtocol(options.log)
  }

  /** Stands in front of everybody who listens for connections at the moment. */
  guard(server: NetServer): void {
    takeOver(server, 'connection', (socket, handOn) => {
      try {
        this.#accept(socket, handOn)
      } catch (error) {
        this.#fault(error, socket)
      }
    })
    if (!this.#options.isTls) return
    this.#proxyProtocol.watch(server)
    takeOver(server, 'secureConnection', (socket, handOn) => {
      const connection = this.#handshaking.get(peerOf(socket))
      if (!connection) return void socket.destroy() // it has left meanwhile, and the system does not know it any more
      connection.tls = socket as TLSSocket // what this event gives
      this.#connections.set(socket, connection)
      handOn(socket)
    })
  }

  /**
   * Undefined for one whose handshake is not over.
   * @param socket as it is handed out behind the door: with TLS, the TLSSocket
   */
  connectionOf(socket: Duplex): VisitorConnection | undefined {
    return this.#connections.get(socket)
  }

  /** @param bytes with which a connection has begun, and which could not be read */
  tellUnreadable(bytes: Buffer | undefined, connection: VisitorConnection): void {
    this.#proxyProtocol.tell(bytes, connection.clientIp)
  }

  /** Ends what has not got through yet. */
  destroy(): void {
    this.#proxyProtocol.destroy()
  }

  #accept(socket: Socket, handOn: (socket: Socket) => void): void {
    const { places, isTls, isTrustedProxy, refusals } = this.#options
    const address = plainAddress(socket.remoteAddress ?? '')
    const isFromProxy = isTrustedProxy(address)
    // A proxy brings many visitors on few connections of its own.
    const place = places.enter(isFromProxy ? undefined : networkOf(address), performance.now())
    if (typeof place === 'string') {
      refusals.count(place, address)
      return this.#turnAway.tell(socket, place)
    }
    const connection = new VisitorConnection(socket, address, isFromProxy, place)
    const peer = isTls ? peerOf(socket) : ''
    if (isTls) this.#handshaking.set(peer, connection)
    else this.#connections.set(socket, connection)
    const timer = place.kind === 'trial' ? this.#limitTrial(socket, connection) : undefined
    // Not once(), which keeps three times as much, and 'close' comes once anyway.
    socket.on('close', () => {
      clearTimeout(timer)
      if (isTls) this.#handshaking.delete(peer)
      places.leave(place, performance.now())
    })
    if (!this.#proxyProtocol.isSuspicious) return handOn(socket)
    this.#proxyProtocol.peek(socket, address, () => {
      try {
        handOn(socket)
      } catch (error) {
        this.#fault(error, socket)
      }
    })
  }

  #limitTrial(socket: Socket, { place, clientIp }: VisitorConnection): NodeJS.Timeout {
    return setTimeout(() => {
      if (place.kind !== 'trial') return // an agent
      if (!place.hasBeenTold && place.limit) this.#options.refusals.count(place.limit, clientIp)
      socket.destroy()
    }, TRIAL_MS)
  }

  /** The border of what a connection brings before it is anybody's. */
  #fault(thrown: unknown, socket: Socket): void {
    this.#options.onFault(thrown, 'visitor_connection')
    socket.destroy()
  }
}

function peerOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort} ${socket.localAddress}`
}
