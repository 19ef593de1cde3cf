// The handshake of a WebSocket by hand, at both ends (RFC 6455 4): for tests of admission and of the connection's end,
// not of messages.

import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'

/** The bytes by which a visitor asks for one. @param headers further lines, each without its end */
export function webSocketRequest(host: string, headers: readonly string[], path = '/'): string {
  const lines = [
    `GET ${path} HTTP/1.1`,
    `Host: ${host}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${Buffer.alloc(16).toString('base64')}`,
    ...headers,
  ]
  return `${lines.join('\r\n')}\r\n\r\n`
}

/** An app's answer to it; the connection stays open until the visitor leaves. */
export function acceptWebSocket(request: IncomingMessage, socket: Duplex): void {
  const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`
  const accept = createHash('sha1').update(key).digest('base64')
  socket.on('error', () => {}).on('end', () => socket.end()) // the visitor may disconnect without closing
  socket.resume()
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  )
}
