// The door of a listener: the one place that every socket of a visitor passes before TLS or HTTP reads a byte of it.
// Here it becomes a connection: with its peer's address and its place. With TLS, a visitor can read an answer only
// after the handshake: a place on trial lasts until then.
//
//   accepted ─▶ who is it? ─▶ a place? ─▶ (a look at its first bytes, if they are suspicious) ─▶ node:tls ─▶ HTTP
//                                └─ none ─▶ turned away

import type { Server as NetServer, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'

import type { Logger } from '../log.ts'
import type { OnFault } from '../exchange/border.ts'
import { plainAddress } from '../exchange/visitor/client-ip.ts'
import type { LimitRefusals } from '../exchange/limit-refusals.ts'
import { networkOf } from '../exchange/visitor/network-of.ts'
import { VisitorConnection } from './connection.ts'
import type { Places } from './places.ts'
import { ProxyProtocol } from './proxy-protocol.ts'
import { takeOver } from './take-over.ts'
import { TurnAway } from './turn-away.ts'

/** From the connection to the end of its one request: an agent needs two round trips with TLS. */
const TRIAL_MS = 5000

export interface DoorInit {
  places: Places
  refusals: LimitRefusals
  isTls: boolean
  isTrustedProxy: (address: string) => boolean
  log: Logger
  onFault: OnFault
}

export class Door {
  readonly #init: DoorInit
  readonly #connections = new WeakMap<Duplex, VisitorConnection>()
  /** With TLS, connections by their peer: node:tls does not expose the socket below a TLSSocket. */
  readonly #handshaking = new Map<string, VisitorConnection>()
  readonly #turnAway: TurnAway
  readonly #proxyProtocol: ProxyProtocol

  constructor(init: DoorInit) {
    this.#init = init
    this.#turnAway = new TurnAway(init.isTls, init.places.leavingMax)
    this.#proxyProtocol = new ProxyProtocol(init.log)
  }

  /** Puts the door in front of the server's present listeners. */
  guard(server: NetServer): void {
    takeOver(server, 'connection', (socket, handOn) => {
      try {
        this.#accept(socket, handOn)
      } catch (error) {
        this.#fault(error, socket)
      }
    })
    if (!this.#init.isTls) return
    this.#proxyProtocol.watch(server)
    takeOver(server, 'secureConnection', (socket, handOn) => {
      const connection = this.#handshaking.get(peerOf(socket))
      if (!connection) return void socket.destroy() // the peer has left, and the system no longer knows its address
      connection.tls = socket as TLSSocket // this event passes one
      this.#connections.set(socket, connection)
      handOn(socket)
    })
  }

  /**
   * @param socket the socket that the listeners behind the door get: with TLS, the TLSSocket
   * @returns undefined before the end of its handshake
   */
  connectionOf(socket: Duplex): VisitorConnection | undefined {
    return this.#connections.get(socket)
  }

  /** @param bytes the beginning of a connection, which the parser could not read */
  tellUnreadable(bytes: Buffer | undefined, connection: VisitorConnection): void {
    this.#proxyProtocol.tell(bytes, connection.clientIp)
  }

  /** Ends connections that are still at the door. */
  destroy(): void {
    this.#proxyProtocol.destroy()
  }

  #accept(socket: Socket, handOn: (socket: Socket) => void): void {
    const { places, isTls, isTrustedProxy, refusals } = this.#init
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
    // on() is enough, because 'close' comes only once, and once() takes three times as much memory.
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
      if (!place.hasBeenTold && place.limit) this.#init.refusals.count(place.limit, clientIp)
      socket.destroy()
    }, TRIAL_MS)
  }

  /** The border around a connection that is not served yet. */
  #fault(thrown: unknown, socket: Socket): void {
    this.#init.onFault(thrown, 'visitor_connection')
    socket.destroy()
  }
}

function peerOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort} ${socket.localAddress}`
}
