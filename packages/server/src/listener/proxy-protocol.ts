// HAProxy's PROXY protocol is not supported: all visitors behind a proxy that sends it are refused. Their answer does
// not help the operator, so the log must report it.

import type { Server as NetServer, Socket } from 'node:net'

import type { Logger } from '../log.ts'

// Once a minute is enough.
const QUIET_MS = 60_000
/** How long a connection may take to send the first bytes that are checked; the same as for a handshake. */
const PEEK_MS = 10_000
const V1 = Buffer.from('PROXY ', 'latin1') // 2.1 of its specification
const V2 = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1') // 2.2

export class ProxyProtocol {
  readonly #log: Logger
  /** The time until which it is not reported again. */
  #quietUntil = 0
  #isSuspicious = false
  readonly #peeked = new Set<Socket>()

  constructor(log: Logger) {
    this.#log = log
  }

  /**
   * Whether the next connection should be passed to peek(): the previous one did not begin as TLS, and node:tls does
   * not say how it began. If a proxy sends this protocol, all its connections begin in the same way.
   */
  get isSuspicious(): boolean {
    return this.#isSuspicious
  }

  /** Watches for connections that do not begin as TLS. */
  watch(server: NetServer): void {
    server.on('tlsClientError', ({ code }: NodeJS.ErrnoException) => {
      if (code !== 'ERR_SSL_WRONG_VERSION_NUMBER' || performance.now() < this.#quietUntil) return
      this.#isSuspicious = true
    })
  }

  /** Reports it if the protocol is recognised. @param bytes the unreadable beginning of a connection */
  tell(bytes: Buffer | undefined, clientIp: string): void {
    if (!bytes || !(beginsWith(bytes, V1) || beginsWith(bytes, V2))) return
    const now = performance.now()
    if (now < this.#quietUntil) return
    this.#quietUntil = now + QUIET_MS
    this.#log.warn(
      { clientIp },
      'a connection begins with PROXY, which this relay does not support: switch send-proxy off',
    )
  }

  /** Checks the first bytes of one connection, then passes it on. No byte is lost: they are put back. */
  peek(socket: Socket, clientIp: string, handOn: () => void): void {
    this.#isSuspicious = false
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
      this.tell(bytes, clientIp)
      handOn()
    }
    this.#peeked.add(socket)
    socket.on('data', onData).on('end', give).on('error', give).on('close', stop)
  }

  /** Ends connections that have not sent anything yet. */
  destroy(): void {
    for (const socket of this.#peeked) socket.destroy()
  }
}

function beginsWith(bytes: Buffer, signature: Buffer): boolean {
  return bytes.subarray(0, signature.length).equals(signature)
}
