// An app that speaks HTTP/1.1 by hand: it keeps the bytes of every request's head, accepts every WebSocket, and answers
// all other requests with `ok`. For tests of the exact bytes that reach an app.

import { createHash } from 'node:crypto'
import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'

export class RecordingApp {
  readonly server: Server
  /** Heads of requests, in the order they came. */
  readonly heads: string[] = []
  /** Further header lines of every answer, without their ends. */
  answerLines: readonly string[] = []

  constructor() {
    this.server = createServer((socket) => this.#serve(socket))
  }

  /** The last request's header lines: name and value as received. */
  get lines(): [name: string, value: string][] {
    const [, ...lines] = (this.heads.at(-1) ?? '').split('\r\n')
    return lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()])
  }

  /** All values of a header of the last request; case does not matter. */
  values(name: string): string[] {
    return this.lines.flatMap(([each, value]) => (each.toLowerCase() === name.toLowerCase() ? [value] : []))
  }

  #serve(socket: Socket): void {
    let received = ''
    socket.on('error', () => {}) // the other side left
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1')
      for (let end = received.indexOf('\r\n\r\n'); end !== -1; end = received.indexOf('\r\n\r\n')) {
        const head = received.slice(0, end)
        received = received.slice(end + 4)
        this.heads.push(head)
        socket.write(this.#answer(head))
      }
    })
  }

  #answer(head: string): string {
    const further = this.answerLines.map((line) => `${line}\r\n`).join('')
    const key = /^sec-websocket-key: *(.*)$/im.exec(head)?.[1]
    if (key === undefined) return `HTTP/1.1 200 OK\r\nContent-Length: 2\r\n${further}\r\nok`
    const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
    return `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n${further}\r\n`
  }
}
