// A WebSocket as the carrier of a yamux session: binary messages, no compression. Both ends use it, on a socket that is
// open already. Authentication and the subprotocol were settled by the upgrade.

import type { Socket } from 'node:net'

import * as ws from 'ws'
import type { WebSocket } from 'ws'

import type { Carrier } from '../yamux/carrier.ts'

// Public in ws (its JSDoc says so) and missing in its types: frames a message, masking it in place if allowed.
const { Sender } = ws as unknown as { Sender: { frame(data: Buffer, options: object): [Buffer, Buffer?] } }
const BINARY_MASKED = { fin: true, rsv1: false, opcode: 2, mask: true, readOnly: false } // RFC 6455 5.2
const EMPTY = Buffer.alloc(0)

const TEXT_REFUSED = 1003 // RFC 6455 7.4.1: "received a type of data it cannot accept"

export class WebSocketCarrier implements Carrier {
  onMessage: (chunk: Buffer) => void = ignore
  onClose: (error?: Error) => void = ignore
  readonly #socket: WebSocket
  readonly #rawSocket: Socket | undefined
  readonly #masks: boolean
  #messageBytes = 0
  #closeCode: number | undefined
  #error: Error | undefined
  #isClosing = false

  /** @param role which end of the WebSocket this is: clients mask what they send (RFC 6455 5.3) */
  constructor(socket: WebSocket, role: 'client' | 'server' = 'server') {
    this.#socket = socket
    this.#masks = role === 'client'
    this.#rawSocket = rawSocketOf(socket)
    socket.binaryType = 'nodebuffer'
    socket.on('message', (message: Buffer, isBinary: boolean) => {
      if (!isBinary) return this.close(TEXT_REFUSED, 'binary messages only')
      this.#messageBytes += message.length
      this.onMessage(message)
    })
    socket.on('error', (error) => (this.#error ??= error))
    socket.on('close', (code, reason) => {
      this.#closeCode = code
      this.onClose(this.#closeError(code, reason.toString()))
    })
    socket.resume() // it was paused until a listener exists
  }

  /** The close code of the ended connection; 1006 if it broke. Undefined while it is open. */
  get closeCode(): number | undefined {
    return this.#closeCode
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount
  }

  get bytesRead(): number {
    return this.#rawSocket?.bytesRead ?? this.#messageBytes
  }

  send(message: Buffer, sent: (error?: Error | null) => void): void {
    const raw = this.#rawSocket
    if (!raw || !this.#masks || this.#socket.readyState !== ws.WebSocket.OPEN) return this.#socket.send(message, sent)
    // `send` would mask a copy, because it cannot know that we allow changes of the message. Nothing else of ws can
    // come between the two writes: without compression each of its frames is written at once, too.
    const [header, payload] = Sender.frame(message, BINARY_MASKED)
    raw.cork()
    raw.write(header)
    raw.write(payload ?? EMPTY, sent)
    raw.uncork()
  }

  close(code: number, reason: string): void {
    this.#isClosing = true
    this.#socket.close(code, shorten(reason))
  }

  destroy(): void {
    this.#isClosing = true
    this.#socket.terminate()
  }

  #closeError(code: number, reason: string): Error | undefined {
    if (this.#error) return this.#error
    if (this.#isClosing || code === 1000 || code === 1001) return undefined
    return new Error(`WebSocket closed with ${code}${reason && `: ${reason}`}`)
  }
}

/**
 * Only the TCP or TLS socket shows a half-received message, but ws keeps the socket private. So we read it if it is
 * there, and work without it otherwise.
 */
function rawSocketOf(socket: WebSocket): Socket | undefined {
  return (socket as unknown as { _socket?: Socket })._socket // not in ws's types, see above
}

/** RFC 6455 5.5: a control frame carries at most 125 bytes, two of them the code. */
function shorten(reason: string): string {
  return Buffer.byteLength(reason) <= 123
    ? reason
    : Buffer.from(reason)
        .toString('utf8', 0, 120)
        .replace(/\uFFFD$/, '')
}

function ignore(): void {
  // Until the session has set its own.
}
