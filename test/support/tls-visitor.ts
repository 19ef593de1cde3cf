// A visitor over TLS who chooses the host in the handshake and in each request: one connection may have several hosts.

import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import type { ClientHttp2Session } from 'node:http2'
import { connect } from 'node:tls'
import type { ConnectionOptions, TLSSocket } from 'node:tls'

import { webSocketRequest } from './raw-web-socket.ts'
import { within } from './until.ts'

export const TLS_WAYS = ['HTTP/1.1', 'HTTP/2', 'an upgrade'] as const

export interface TlsVisit extends ConnectionOptions {
  way?: (typeof TLS_WAYS)[number]
  /** The host in the handshake; none if empty. */
  name: string
}

export interface TlsAnswer {
  status: number
  /** The relay's own; empty for an answer of the app. */
  code: string
  headers: string
}

export class TlsVisitor {
  readonly socket: TLSSocket
  /** Tickets in order of arrival. */
  readonly tickets: Buffer[] = []
  readonly #way: (typeof TLS_WAYS)[number]
  #session: ClientHttp2Session | undefined
  #received = ''

  private constructor(socket: TLSSocket, way: (typeof TLS_WAYS)[number]) {
    this.socket = socket
    this.#way = way
    socket.on('error', () => {}) // a waiting test fails when the connection ends
    socket.on('session', (ticket: Buffer) => this.tickets.push(ticket))
  }

  /** @throws the error of the handshake */
  static async connect(port: number, { way = 'HTTP/1.1', name, ...options }: TlsVisit): Promise<TlsVisitor> {
    const socket = connect({
      port,
      host: '127.0.0.1',
      servername: name,
      rejectUnauthorized: false,
      ALPNProtocols: [way === 'HTTP/2' ? 'h2' : 'http/1.1'],
      ...options,
    })
    const visitor = new TlsVisitor(socket, way)
    await once(socket, 'secureConnect')
    return visitor
  }

  /** One request on this connection. @throws if it ends without an answer */
  async ask(host: string, path = '/'): Promise<TlsAnswer> {
    return this.#way === 'HTTP/2' ? this.#askHttp2(host, path) : this.#askHttp1(host, path)
  }

  /** Resolves when the relay has ended the connection, or has announced that it takes no further requests. */
  async untilRetired(): Promise<void> {
    const { socket } = this
    const session = this.#session
    if (socket.closed || session?.closed) return
    const retired = new Promise<void>((resolve) => {
      socket.once('close', () => resolve())
      session?.once('goaway', () => resolve())
    })
    await within('the end of the connection', retired)
  }

  close(): void {
    this.#session?.destroy()
    this.socket.destroy()
  }

  async #askHttp1(host: string, path: string): Promise<TlsAnswer> {
    const { socket } = this
    const plain = `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`
    socket.write(this.#way === 'an upgrade' ? webSocketRequest(host, [], path) : plain)
    const answer = (): RegExpExecArray | null => /^HTTP\/1\.1 (\d+) .*\r\n([^]*?)\r\n\r\n/.exec(this.#received)
    const onData = (chunk: Buffer): void => void (this.#received += chunk.toString('latin1'))
    socket.on('data', onData)
    while (!isWhole(this.#received)) {
      const event = Promise.race(['data', 'close'].map((name) => once(socket, name)))
      if (socket.closed) throw new Error(`the connection ended; received: ${this.#received}`)
      await within('an answer', event)
    }
    socket.off('data', onData)
    const [, status = '', headers = ''] = answer() ?? []
    this.#received = ''
    const [, code = ''] = /^sallyport-error-code: *(.*)$/im.exec(headers) ?? []
    return { status: Number(status), code, headers: headers.toLowerCase() }
  }

  async #askHttp2(host: string, path: string): Promise<TlsAnswer> {
    const { socket } = this
    this.#session ??= connectHttp2(`https://${host}`, { createConnection: () => socket }).on('error', () => {})
    const stream = this.#session.request({ ':authority': host, ':path': path })
    // Of a connection that the relay ends in order, a stream tells neither an answer nor an error.
    const ended = once(stream, 'close').then(() => Promise.reject(new Error('the connection ended')))
    const answer = Promise.race([once(stream, 'response'), ended])
    const [headers] = (await within('an answer', answer)) as [Record<string, string>]
    await once(stream.resume(), 'close')
    const { ':status': status, 'sallyport-error-code': code = '' } = headers
    return { status: Number(status), code, headers: JSON.stringify(headers) }
  }
}

function isWhole(received: string): boolean {
  const end = received.indexOf('\r\n\r\n')
  if (end === -1) return false
  const [, length = '0'] = /^content-length: *(\d+)/im.exec(received.slice(0, end)) ?? []
  return received.length >= end + 4 + Number(length)
}
