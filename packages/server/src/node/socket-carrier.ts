// A plain socket as the carrier of a yamux session: between nodes of one machine, and over TCP towards hashicorp's yamux.

import type { Socket } from 'node:net'

import type { Carrier } from '@sallyport/protocol'

export class SocketCarrier implements Carrier {
  onMessage: (chunk: Buffer) => void = ignore
  onClose: (error?: Error) => void = ignore
  readonly #socket: Socket
  #error: Error | undefined

  /** @param socket open, without a 'data' listener; unshifted bytes come first */
  constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true) // over TCP: messages have been gathered already
    socket.on('data', (chunk: Buffer) => this.onMessage(chunk))
    socket.on('error', (error) => (this.#error ??= error))
    socket.on('end', () => socket.end())
    socket.on('close', () => this.onClose(this.#error))
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength
  }

  get bytesRead(): number {
    return this.#socket.bytesRead
  }

  send(message: Buffer, sent: (error?: Error | null) => void): void {
    this.#socket.write(message, sent)
  }

  close(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }
}

function ignore(): void {
  // Until the session has set its own.
}
