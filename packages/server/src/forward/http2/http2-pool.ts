// HTTP/2 connections by tunnel: exchanges share one while it has room, then a further one is opened. A connection ends
// when it has been idle for long, when its app says so, and with its tunnel.

import { ProtocolError } from '@sallyport/protocol'
import type { StreamReply } from '@sallyport/protocol'

import { within } from '../../exchange/border.ts'
import type { Bordered, OnFault } from '../../exchange/border.ts'
import type { Tunnel } from '../../tunnel/tunnel.ts'
import type { Deadlines } from '../transfer/deadlines.ts'
import { Http2Connection } from './http2-connection.ts'

/** An exchange that waits for a connection. */
export interface Http2Waiter extends Bordered {
  /** The connection has room, in this turn. */
  onConnection(connection: Http2Connection): void
  /** No connection is available; nothing was sent. */
  onNoConnection(failure: StreamReply | Error): void
}

export interface Http2PoolInit {
  headMaxBytes: number
  openDeadlineMs: number
  onFault: OnFault
}

/** The most that wait for one opening connection: as many as one connection usually carries. */
const WAITERS_MAX = 100

interface Place {
  readonly connections: Set<Http2Connection>
  /** The waiters of each opening connection. */
  readonly opening: Map<Http2Connection, Http2Waiter[]>
}

export class Http2Pool {
  readonly #init: Http2PoolInit
  readonly #deadlines: Deadlines
  readonly #places = new Map<Tunnel, Place>()

  constructor(init: Http2PoolInit, deadlines: Deadlines) {
    this.#init = init
    this.#deadlines = deadlines
  }

  /**
   * Finds or opens a connection for an exchange; calls the waiter now or later, once.
   * @param visitor the visitor's address, for the agent's log
   * @throws ProtocolError `session_closed`, `limit_reached`; nothing was sent
   */
  acquire(tunnel: Tunnel, visitor: string, waiter: Http2Waiter): void {
    if (!tunnel.isOnline) throw new ProtocolError('session_closed', 'the tunnel is leaving')
    const place = this.#placeOf(tunnel)
    for (const connection of place.connections) {
      if (connection.hasRoom && connection.lane.isBest) return waiter.onConnection(connection)
    }
    for (const [opening, waiting] of place.opening) {
      if (opening.lane.isBest && waiting.length < WAITERS_MAX) return void waiting.push(waiter)
    }
    const connection = new Http2Connection(tunnel, visitor, {
      ...this.#init,
      onOpened: (opened, failure) => this.#onOpened(place, opened, visitor, failure),
      onGone: (gone) => {
        place.connections.delete(gone)
        this.#deadlines.remove(gone)
      },
    })
    this.#deadlines.add(connection)
    place.opening.set(connection, [waiter])
  }

  #onOpened(
    place: Place,
    connection: Http2Connection,
    visitor: string,
    failure: StreamReply | Error | undefined,
  ): void {
    const waiting = place.opening.get(connection) ?? []
    place.opening.delete(connection)
    if (!failure) place.connections.add(connection)
    const tell = (waiter: Http2Waiter): void => {
      if (failure) waiter.onNoConnection(failure)
      else if (connection.hasRoom) waiter.onConnection(connection)
      else this.#acquireLate(connection.tunnel, visitor, waiter)
    }
    for (const waiter of waiting) within(waiter, tell)(waiter) // an exception of one does not affect the others
  }

  #acquireLate(tunnel: Tunnel, visitor: string, waiter: Http2Waiter): void {
    try {
      this.acquire(tunnel, visitor, waiter)
    } catch (error) {
      waiter.onNoConnection(error as Error) // openStream throws only ProtocolError
    }
  }

  #placeOf(tunnel: Tunnel): Place {
    let place = this.#places.get(tunnel)
    if (!place) {
      place = { connections: new Set(), opening: new Map() }
      this.#places.set(tunnel, place)
      const { connections, opening } = place
      tunnel.onRetire((retired) => {
        if (tunnel.isGone) this.#places.delete(tunnel)
        for (const connection of [...connections, ...opening.keys()]) {
          if (connection.lane === retired) connection.retire()
        }
      })
    }
    return place
  }
}
