// Holds new connections until enough of their first bytes have come. No byte is lost: they are put back, and the next reader
// begins with them.

import type { Socket } from 'node:net'

/** How long a connection may take to send them; the same as for a handshake. */
const PATIENCE_MS = 10_000

export class FirstBytes {
  readonly #held = new Set<Socket>()

  /**
   * @param isEnough called with all bytes so far, whenever more have come; it must return true at some size
   * @param done gets these bytes; not called if the connection ends first
   */
  read(socket: Socket, isEnough: (bytes: Buffer) => boolean, done: (bytes: Buffer) => void): void {
    let bytes: Buffer = Buffer.alloc(0)
    const give = (): void => void socket.destroy()
    const timer = setTimeout(give, PATIENCE_MS)
    const stop = (): void => {
      clearTimeout(timer)
      this.#held.delete(socket)
      socket.off('data', onData).off('end', give).off('error', give).off('close', stop)
    }
    const onData = (chunk: Buffer): void => {
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk])
      if (!isEnough(bytes)) return
      stop()
      socket.pause()
      socket.unshift(bytes)
      done(bytes)
    }
    this.#held.add(socket)
    socket.on('data', onData).on('end', give).on('error', give).on('close', stop)
  }

  /** Ends connections that have not sent enough yet. */
  destroy(): void {
    for (const socket of this.#held) socket.destroy()
  }
}
