// The parts of an upgrade beside its request. Types only.

import type { Duplex } from 'node:stream'

/** The parts of an upgrade beside the request: of a WebSocket, or of a protocol that a route allows. */
export interface Upgrade {
  /** As the visitor wrote it; compared without case (RFC 9110 7.8). */
  readonly protocol: string
  /** The visitor's side. Only `accept` and `destroy` may write to it. */
  readonly socket: Duplex
  /** The bytes that came after the head. */
  readonly head: Buffer
  /**
   * Tells the visitor that the app has switched. From then on `socket` carries the bytes of that protocol.
   * @param headers of the app's 101, a flat list, already filtered
   * @param rest the bytes that the app sent after its 101
   * @param idleMs how long `socket` may be silent
   */
  accept(headers: readonly string[], rest: Buffer, idleMs: number): void
  /** One side has ended: from now on `socket` may be silent for no longer than this. */
  hasten(idleMs: number): void
}
