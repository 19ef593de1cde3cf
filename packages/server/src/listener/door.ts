// The door of a listener: the one place that every socket of a visitor passes before TLS or HTTP reads a byte of it.
// Here it becomes a connection: with its peer's address and its place. With TLS, a visitor can read an answer only
// after the handshake: a place on trial lasts until then.
//
//   accepted ─▶ who is it? ─▶ a place? ─▶ (a look at its first bytes) ─▶ node:tls ─▶ HTTP
//                                └─ none ─▶ turned away
//
// It looks at first bytes if they are suspicious, or while an edge has demands on TLS: the name in them chooses the demands.

import type { Server as NetServer, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'

import type { Logger } from '../log.ts'
import type { OnFault } from '../exchange/border.ts'
import { plainAddress } from '../exchange/visitor/client-ip.ts'
import type { LimitRefusals } from '../exchange/limit-refusals.ts'
import { networkOf } from '../exchange/visitor/network-of.ts'
import type { TlsDemands } from '../exchange/visitor/tls-demands.ts'
import { VisitorConnection } from './connection.ts'
import { FirstBytes } from './first-bytes.ts'
import type { Places } from './places.ts'
import { ProxyProtocol } from './proxy-protocol.ts'
import { takeOver } from './take-over.ts'
import { serverNameIn } from './tls/client-hello.ts'
import { shownCertificate } from './tls/demanding-servers.ts'
import { TurnAway } from './turn-away.ts'

/** From the connection to the end of its one request: an agent needs two round trips with TLS. */
const TRIAL_MS = 5000

/** What edges demand of TLS at the moment. */
export interface KnownDemands {
  /** Whether any edge demands something. */
  readonly isAny: boolean
  /** @param host in lower case, as a visitor asks for it in the handshake */
  of(host: string): TlsDemands | undefined
}

export interface DoorInit {
  places: Places
  refusals: LimitRefusals
  isTls: boolean
  tlsDemands: KnownDemands
  /** Makes the handshake under demands. */
  onDemands: (socket: Socket, name: string, demands: TlsDemands) => void
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
  readonly #firstBytes = new FirstBytes()

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
      if (connection.tlsDemands?.certificate) connection.shownCertificate = shownCertificate(connection.tls)
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
    this.#firstBytes.destroy()
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
    const looksForName = isTls && this.#init.tlsDemands.isAny
    if (!looksForName && !this.#proxyProtocol.isSuspicious) return handOn(socket)
    let name: string | undefined = ''
    const isEnough = (bytes: Buffer): boolean => !looksForName || (name = serverNameIn(bytes)) !== undefined
    this.#firstBytes.read(socket, isEnough, (bytes) => {
      try {
        this.#proxyProtocol.tell(bytes, address)
        this.#chooseTls(socket, connection, name, handOn)
      } catch (error) {
        this.#fault(error, socket)
      }
    })
  }

  #chooseTls(socket: Socket, connection: VisitorConnection, name = '', handOn: (socket: Socket) => void): void {
    const demands = name === '' ? undefined : this.#init.tlsDemands.of(name)
    if (!demands) return handOn(socket)
    connection.tlsDemands = demands
    this.#init.onDemands(socket, name, demands)
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
