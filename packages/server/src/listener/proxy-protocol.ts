// HAProxy's PROXY protocol is not supported: all visitors behind a proxy that sends it are refused. Their answer does
// not help the operator, so the log must report it.

import type { Server as NetServer } from 'node:net'

import type { Logger } from '../log.ts'

// Once a minute is enough.
const QUIET_MS = 60_000
const V1 = Buffer.from('PROXY ', 'latin1') // 2.1 of its specification
const V2 = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1') // 2.2

export class ProxyProtocol {
  readonly #log: Logger
  /** The time until which it is not reported again. */
  #quietUntil = 0
  #isSuspicious = false

  constructor(log: Logger) {
    this.#log = log
  }

  /**
   * Whether the first bytes of the next connection should be passed to tell(): the previous one did not begin as TLS,
   * and node:tls does not say how it began. If a proxy sends this protocol, all its connections begin in the same way.
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

  /** Reports it if the protocol is recognised. @param bytes the beginning of a connection */
  tell(bytes: Buffer | undefined, clientIp: string): void {
    this.#isSuspicious = false
    if (!bytes || !(beginsWith(bytes, V1) || beginsWith(bytes, V2))) return
    const now = performance.now()
    if (now < this.#quietUntil) return
    this.#quietUntil = now + QUIET_MS
    this.#log.warn(
      { clientIp },
      'a connection begins with PROXY, which this relay does not support: switch send-proxy off',
    )
  }
}

function beginsWith(bytes: Buffer, signature: Buffer): boolean {
  return bytes.subarray(0, signature.length).equals(signature)
}
