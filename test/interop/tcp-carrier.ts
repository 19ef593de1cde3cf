// Plain TCP as the carrier of a yamux session: what hashicorp's yamux speaks. For the interop tests and the benchmark.

import type { Socket } from 'node:net'

import type { Carrier } from '../../packages/protocol/src/yamux/carrier.ts'

export class TcpCarrier implements Carrier {
  onMessage: (chunk: Buffer) => void = ignore
  onClose: (error?: Error) => void = ignore
  readonly #socket: Socket
  #error: Error | undefined

  constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.onMessage(chunk))
    socket.on('error', (error) => (this.#error = error))
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
