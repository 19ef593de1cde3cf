// HAProxy's PROXY protocol is not understood: everybody behind a proxy that begins with it is refused, and what is said to
// them is no use to its operator, who has to hear of it by the log.

import type { Server as NetServer, Socket } from 'node:net'

import type { Logger } from 'pino'

import type { OnFault } from '../exchange/border.ts'
import { plainAddress } from '../exchange/client-ip.ts'

// Once a minute says it all.
const QUIET_MS = 60_000
/** How long one whose first bytes are looked at may take to send them; a handshake has as long. */
const PEEK_MS = 10_000
const V1 = Buffer.from('PROXY ', 'latin1') // 2.1 of its specification
const V2 = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1') // 2.2

export class ProxyProtocol {
  readonly #log: Logger
  readonly #onFault: OnFault
  /** Until when nothing more is said. */
  #quietUntil = 0
  #isSuspicious = false
  readonly #peeked = new Set<Socket>()

  constructor({ log, onFault }: { log: Logger; onFault: OnFault }) {
    this.#log = log
    this.#onFault = onFault
  }

  /** Tells of it where it is that. @param bytes with which the connection has begun, and which could not be read */
  tell(bytes: Buffer | undefined, socket: Socket): void {
    if (!bytes || !(beginsWith(bytes, V1) || beginsWith(bytes, V2))) return
    const now = performance.now()
    if (now < this.#quietUntil) return
    this.#quietUntil = now + QUIET_MS
    const clientIp = plainAddress(socket.remoteAddress ?? '')
    this.#log.warn({ clientIp }, 'a connection begins with PROXY, which is not understood: switch send-proxy off')
  }

  /**
   * Stands between new connections and node:tls, which does not say what it could not read. So where something did not
   * begin as TLS, the first bytes of the next connection are looked at on their way to it: of such a proxy all begin alike.
   */
  watch(server: NetServer): void {
    const behind = server.listeners('connection') as ((socket: Socket) => void)[] // of node:tls
    const serve = (socket: Socket): void => {
      for (const listener of behind) listener.call(server, socket)
    }
    server.removeAllListeners('connection')
    server.on('connection', (socket: Socket) => {
      if (!this.#isSuspicious) return serve(socket)
      this.#isSuspicious = false
      this.#peek(socket, serve)
    })
    server.on('tlsClientError', ({ code }: NodeJS.ErrnoException) => {
      if (code !== 'ERR_SSL_WRONG_VERSION_NUMBER' || performance.now() < this.#quietUntil) return
      this.#isSuspicious = true
    })
  }

  /** Ends what has not said anything yet. */
  destroy(): void {
    for (const socket of this.#peeked) socket.destroy()
  }

  /** No byte is lost: what has been read goes back in front of the rest. */
  #peek(socket: Socket, serve: (socket: Socket) => void): void {
    const give = (): void => void socket.destroy()
    const timer = setTimeout(give, PEEK_MS)
    const stop = (): void => {
      clearTimeout(timer)
      this.#peeked.delete(socket)
      socket.off('data', onData).off('end', give).off('error', give).off('close', stop)
    }
    const onData = (bytes: Buffer): void => {
      stop()
      socket.pause()
      socket.unshift(bytes)
      this.tell(bytes, socket)
      try {
        serve(socket)
      } catch (error) {
        this.#onFault(error, 'visitor_connection')
        socket.destroy()
      }
    }
    this.#peeked.add(socket)
    socket.on('data', onData).on('end', give).on('error', give).on('close', stop)
  }
}

function beginsWith(bytes: Buffer, signature: Buffer): boolean {
  return bytes.subarray(0, signature.length).equals(signature)
}
