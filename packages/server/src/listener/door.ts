// The door of a listener: every new connection gets a place before node:http or node:tls see it, or hears why not. With
// TLS a visitor can be told by an answer only once the handshake is done, so that is what a trial place is for; whoever
// gets none of those hears the one word that TLS knows before it.

import type { Server as NetServer, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'

import type { LimitName } from '../config/config.ts'
import { RelayError } from '../errors.ts'
import { plainAddress } from '../exchange/client-ip.ts'
import type { OnFault } from '../exchange/border.ts'
import type { LimitRefusals } from '../exchange/limit-refusals.ts'
import { networkOf } from '../exchange/network-of.ts'
import type { Place, Places } from './places.ts'
import { rawAnswer } from './http1/raw-answer.ts'

/** From the connection to the end of its one request: an agent needs two round trips with TLS. */
const TRIAL_MS = 5000
/** How long one that was turned away may take to read why: closed at once, it would often lose it to a reset. */
const FAREWELL_MS = 500

// RFC 8446 6.2: internal_error is "unrelated to the peer or the correctness of the protocol (such as a memory allocation
// failure)". Before any key is agreed an alert travels in the clear: type 21, TLS 1.2, two bytes, fatal, 80.
const TLS_ALERT = Buffer.from([21, 3, 3, 0, 2, 2, 80])

export interface DoorOptions {
  places: Places
  refusals: LimitRefusals
  isTls: boolean
  isTrustedProxy: (address: string) => boolean
  onFault: OnFault
}

/** What a visitor is told whom a limit keeps out. */
export function limitError(limit: LimitName): RelayError {
  const code = limit === 'visitor_connections_per_address' ? 'too_many_connections' : 'relay_full'
  return new RelayError(code, { limit, headers: { 'retry-after': '5' } })
}

export class Door {
  readonly #options: DoorOptions
  readonly #places = new WeakMap<Duplex, Place>()
  /** With TLS: those whose handshake is not over, by their peer, since node:tls does not say whom a TLSSocket stands on. */
  readonly #handshaking = new Map<string, Place>()
  readonly #words = new Map<LimitName, Buffer>()
  #leaving = 0

  constructor(options: DoorOptions) {
    this.#options = options
  }

  /** Stands in front of everybody who listens for connections at the moment. */
  guard(server: NetServer): void {
    const behind = server.listeners('connection') as ((socket: Socket) => void)[] // node's own, and the version sniffer
    server.removeAllListeners('connection')
    server.on('connection', (socket: Socket) => {
      try {
        if (!this.#enter(socket)) return
        for (const listener of behind) listener.call(server, socket)
      } catch (error) {
        this.#options.onFault(error, 'visitor_connection')
        socket.destroy()
      }
    })
    if (!this.#options.isTls) return
    server.prependListener('secureConnection', (socket: TLSSocket) => {
      const place = this.#handshaking.get(peerOf(socket))
      if (place) this.#places.set(socket, place)
    })
  }

  /** @param socket as it is handed out behind the door: with TLS, the TLSSocket */
  placeOf(socket: Duplex): Place | undefined {
    return this.#places.get(socket)
  }

  #enter(socket: Socket): boolean {
    const { places, isTls, isTrustedProxy, refusals } = this.#options
    const address = plainAddress(socket.remoteAddress ?? '')
    // A proxy brings many visitors on few connections of its own.
    const place = places.enter(isTrustedProxy(address) ? undefined : networkOf(address), performance.now())
    if (typeof place === 'string') {
      refusals.count(place, address)
      this.#turnAway(socket, place)
      return false
    }
    const peer = isTls ? peerOf(socket) : ''
    if (isTls) this.#handshaking.set(peer, place)
    else this.#places.set(socket, place)
    const timer = place.kind === 'trial' ? this.#limitTrial(socket, place, address) : undefined
    // Not once(), which keeps three times as much, and 'close' comes once anyway.
    socket.on('close', () => {
      clearTimeout(timer)
      if (isTls) this.#handshaking.delete(peer)
      places.leave(place, performance.now())
    })
    return true
  }

  #limitTrial(socket: Socket, place: Place, address: string): NodeJS.Timeout {
    return setTimeout(() => {
      if (place.kind !== 'trial') return // an agent
      if (!place.hasBeenTold && place.limit) this.#options.refusals.count(place.limit, address)
      socket.destroy()
    }, TRIAL_MS)
  }

  #turnAway(socket: Socket, limit: LimitName): void {
    socket.on('error', () => {}) // it does not wait to hear why
    if (this.#leaving >= this.#options.places.leavingMax) return void socket.destroy()
    this.#leaving++
    const timer = setTimeout(() => socket.destroy(), FAREWELL_MS)
    socket.on('close', () => {
      clearTimeout(timer)
      this.#leaving--
    })
    socket.end(this.#options.isTls ? TLS_ALERT : this.#wordFor(limit))
    socket.resume() // unread bytes would turn the end into a reset
  }

  #wordFor(limit: LimitName): Buffer {
    let word = this.#words.get(limit)
    if (!word) this.#words.set(limit, (word = Buffer.from(rawAnswer(limitError(limit)))))
    return word
  }
}

function peerOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort} ${socket.localAddress}`
}
