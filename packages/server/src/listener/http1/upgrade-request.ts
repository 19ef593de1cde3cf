// A request of HTTP/1.1 for another protocol: which protocols are admitted, and the answer when the app has switched.

import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'

import { WEBSOCKET } from '../../exchange/exchange.ts'
import type { Upgrade } from '../../exchange/exchange.ts'
import type { Http1Response } from './http1-response.ts'

/** The protocols beside WebSockets that some route allows at the moment, in lower case. */
export interface AllowedUpgrades {
  has(protocol: string): boolean
}

/**
 * A bodiless HTTP/1.1 GET for a WebSocket (RFC 6455 4.2.1), or a bodiless GET or POST for one of the others. Everything else
 * is served as an ordinary request without the Upgrade.
 */
export function isUpgrade({ method, httpVersion, headers }: IncomingMessage, others: AllowedUpgrades): boolean {
  const protocol = headers.upgrade?.toLowerCase()
  if (protocol === undefined || httpVersion !== '1.1') return false
  if (headers['transfer-encoding'] !== undefined) return false
  if (headers['content-length'] !== undefined && headers['content-length'] !== '0') return false
  if (protocol === WEBSOCKET) return method === 'GET'
  return (method === 'GET' || method === 'POST') && others.has(protocol)
}

/** RFC 9110 7.8, RFC 6455 4.2.2. @param protocol admitted by isUpgrade() */
export function http1Upgrade(protocol: string, socket: Socket, head: Buffer, response: Http1Response): Upgrade {
  return {
    protocol,
    socket,
    head,
    accept(headers, rest, idleMs) {
      let lines = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n`
      for (let i = 0; i < headers.length; i += 2) lines += `${headers[i]}: ${headers[i + 1]}\r\n`
      response.detachSocket(socket)
      socket.write(Buffer.concat([Buffer.from(`${lines}\r\n`, 'latin1'), rest]))
      socket.setTimeout(idleMs, () => socket.destroy())
      socket.setNoDelay(true)
    },
    hasten: (idleMs) => shorten(socket, idleMs),
  }
}

/** Listeners of 'timeout' stay. */
function shorten(socket: Socket, idleMs: number): void {
  if (!socket.destroyed && (socket.timeout === undefined || socket.timeout > idleMs)) socket.setTimeout(idleMs)
}
