// Where visitors come in: node:http with every limit set, one exchange at a time per connection, and upgrades accepted only
// if they can be a WebSocket, or a protocol that some route allows: which route it is, is known later. Who speaks HTTP/2 goes
// on to Http2Visitors.
// It makes Exchange objects and hands them on; it decides nothing else.

import type { IncomingMessage, Server as HttpServer, ServerOptions } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { Server as NetServer, Socket } from 'node:net'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'

import { AGENT_PATH } from '@sallyport/protocol'
import * as http from '@sallyport/protocol/node-http'
import type { Logger } from 'pino'

import type { LimitName, Limits, ListenAddress, Timeouts } from '../config/config.ts'
import { RelayError } from '../errors.ts'
import type { OnFault } from '../exchange/border.ts'
import { identifyVisitor, plainAddress } from '../exchange/client-ip.ts'
import type { Visitor } from '../exchange/client-ip.ts'
import { Exchange, WEBSOCKET } from '../exchange/exchange.ts'
import type { Upgrade } from '../exchange/exchange.ts'
import type { LimitRefusals } from '../exchange/limit-refusals.ts'
import type { Look } from '../pages/look.ts'
import { admit } from './admission.ts'
import type { Certificates } from './tls/certificates.ts'
import { Door, limitError } from './door.ts'
import { Farewell } from './farewell.ts'
import { Http1Response } from './http1/http1-response.ts'
import { Http2Visitors } from './http2/http2-visitors.ts'
import { LastWords } from './http1/last-words.ts'
import type { Places } from './places.ts'
import { sniffPreface } from './http2/preface.ts'
import { ProxyProtocol } from './proxy-protocol.ts'
import { rawAnswer } from './http1/raw-answer.ts'
import { http1Upgrade, isUpgrade } from './http1/upgrade-request.ts'

// More pipelined requests than any real client sends; further ones end the connection.
const PIPELINED_MAX = 64

export interface VisitorListenerOptions {
  address: ListenAddress
  /** Whether other processes listen at the same address, and the system shares the connections out. */
  reusePort: boolean
  /** With certificates the listener speaks TLS. */
  certificates?: Certificates
  /** What routes allow beside WebSockets, all of them together, in lower case. */
  allowedUpgrades: ReadonlySet<string>
  /** Whether visitors may speak HTTP/2: by ALPN on TLS, with prior knowledge on cleartext. */
  http2: boolean
  limits: Limits
  /** Of all listeners together. */
  places: Places
  refusals: LimitRefusals
  timeouts: Timeouts
  /** Of the answers to what is refused here. */
  look: Look
  log: Logger
  isTrustedProxy: (address: string) => boolean
  /** Runs an exchange to its end; must not reject. */
  onExchange: (exchange: Exchange) => Promise<void>
  /**
   * Takes an upgrade that is meant for the agents' listener.
   * @param isFull whether there is no place for one more agent
   * @returns whether an agent has got in
   */
  onAgent: (request: IncomingMessage, socket: Duplex, head: Buffer, address: string, isFull: boolean) => boolean
  /** Whether agents connect at this host. */
  isAgentHost: (host: string) => boolean
  onFault: OnFault
}

/** What one visitor connection is doing. */
interface Connection {
  busy: boolean
  /** The one that is being answered, or was last. */
  request: IncomingMessage | undefined
  waiting: Asked[]
  /** Why it gets one answer and no more. */
  readonly limit: LimitName | undefined
}

interface Asked {
  request: IncomingMessage
  response: Http1Response
}

export class VisitorListener {
  readonly #options: VisitorListenerOptions
  readonly #server: HttpServer<typeof IncomingMessage, typeof Http1Response>
  readonly #scheme: 'http' | 'https'
  readonly #connections = new WeakMap<Duplex, Connection>()
  readonly #door: Door
  /** Upgraded connections: node:http forgets them. */
  readonly #upgraded = new Set<Duplex>()
  readonly #lastWords = new LastWords()
  readonly #http2: Http2Visitors | undefined
  /** Cleartext connections that have not shown yet which version they speak. */
  readonly #undecided = new Set<Socket>()
  #exchanges = 0
  #onIdle: (() => void) | undefined
  /** How many exchanges have begun so far. */
  #begun = 0
  #isClosing = false
  readonly #farewell: Farewell
  readonly #proxyProtocol: ProxyProtocol

  constructor(options: VisitorListenerOptions) {
    this.#options = options
    const { limits, timeouts, certificates } = options
    const settings: ServerOptions<typeof IncomingMessage, typeof Http1Response> = {
      ServerResponse: Http1Response,
      maxHeaderSize: limits.header_bytes,
      keepAliveTimeout: timeouts.keep_alive_seconds * 1000,
      headersTimeout: timeouts.request_head_seconds * 1000,
      requestTimeout: 0, // it would end long uploads; forward/ watches for progress instead
      connectionsCheckingInterval: 1000,
      insecureHTTPParser: false,
      joinDuplicateHeaders: false,
      requireHostHeader: false, // admission refuses those without: an answer of node:http's own is one that we do not know of
      noDelay: true,
      optimizeEmptyRequests: true, // nobody reads the body of a request that has none (a twentieth of the relay's CPU)
      shouldUpgradeCallback: (request) => isUpgrade(request, options.allowedUpgrades),
    }
    this.#scheme = certificates ? 'https' : 'http'
    if (certificates) {
      const server = createSecureServer({
        ...settings,
        ...certificates.tlsOptions,
        ALPNProtocols: options.http2 ? ['h2', 'http/1.1'] : ['http/1.1'],
        handshakeTimeout: 10_000,
      })
      certificates.keepFresh(server)
      this.#server = server
    } else this.#server = http.createServer(settings)
    this.#farewell = new Farewell(this.#server, () => this.#begun)
    this.#server.maxHeadersCount = limits.headers_count + 1 // node:http drops further ones without a word
    this.#server.on('request', this.#onRequest)
    this.#server.on('checkContinue', this.#onRequest)
    this.#server.on('checkExpectation', this.#onRequest) // as above; RFC 9110 10.1.1 lets us serve it without
    this.#server.on('upgrade', (request, socket, head) => {
      this.#within(socket, () => this.#onUpgrade(request, socket, head))
    })
    this.#server.on('connect', (request, socket) => this.#within(socket, () => this.#onConnect(request, socket)))
    this.#server.on('clientError', (error, socket) => this.#within(socket, () => this.#onClientError(error, socket)))
    if (options.http2) {
      this.#http2 = new Http2Visitors({
        ...options,
        scheme: this.#scheme,
        onExchange: (each) => this.#serveAlone(each),
        onAsked: (socket) => this.#farewell.hasAsked(socket),
      })
      this.#takeHttp2(this.#http2)
    }
    this.#proxyProtocol = new ProxyProtocol(options)
    if (certificates) this.#proxyProtocol.watch(this.#server)
    this.#door = new Door({ ...options, isTls: certificates !== undefined })
    this.#door.guard(this.#server)
  }

  /** @throws the system's error, e.g. EADDRINUSE */
  async listen(): Promise<AddressInfo> {
    const { address, reusePort } = this.#options
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ ...address, reusePort }, () => {
        this.#server.off('error', reject)
        this.#server.on('error', (error) => this.#options.log.error({ err: error }, 'visitor listener failed'))
        resolve()
      })
    })
    return (this.#server as NetServer).address() as AddressInfo // it listens on a port, not on a path
  }

  /** Tells everybody to leave with their next answer; resolves when nobody new comes, and none is let in any more. */
  farewell(): Promise<void> {
    this.#isClosing = true
    return this.#farewell.say()
  }

  /** Resolves when every exchange is over; connections that rest end at once. */
  async close(): Promise<void> {
    this.#isClosing = true
    this.#server.close()
    this.#server.closeIdleConnections()
    for (const socket of this.#undecided) socket.destroy()
    this.#proxyProtocol.destroy()
    const http2Closed = this.#http2?.close()
    if (this.#exchanges > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve))
    this.#server.closeIdleConnections()
    await this.#lastWords.over()
    await http2Closed
  }

  /** Ends everything that is still open. */
  destroy(): void {
    this.#server.close()
    this.#server.closeAllConnections()
    for (const socket of this.#upgraded) socket.destroy()
    for (const socket of this.#undecided) socket.destroy()
    this.#proxyProtocol.destroy()
    this.#http2?.destroy()
  }

  /**
   * Stands between new connections and node:http, whose own listener is the one that serves HTTP/1.1: with TLS the
   * handshake has settled the version, without it the first bytes do.
   */
  #takeHttp2(http2: Http2Visitors): void {
    const event = this.#options.certificates ? 'secureConnection' : 'connection'
    const serveHttp1 = this.#server.listeners(event) as ((socket: Socket) => void)[] // of node:http itself
    this.#server.removeAllListeners(event)
    const serve = (socket: Socket, isHttp2: boolean): void => {
      this.#within(socket, () => {
        if (isHttp2) http2.accept(socket, this.#limitOf(socket))
        else for (const listener of serveHttp1) listener.call(this.#server, socket)
      })
    }
    this.#server.on(event, (socket: Socket) => {
      if (socket instanceof TLSSocket) return serve(socket, socket.alpnProtocol === 'h2')
      this.#undecided.add(socket)
      const forget = (): void => void this.#undecided.delete(socket)
      socket.once('close', forget)
      sniffPreface(socket, this.#options.timeouts.request_head_seconds * 1000, (isHttp2) => {
        socket.off('close', forget)
        forget()
        serve(socket, isHttp2)
      })
    })
  }

  /** The border of what a visitor's connection brings: where it throws, the connection ends, and nothing else. */
  #within(socket: Duplex, handle: () => void): void {
    try {
      handle()
    } catch (error) {
      this.#options.onFault(error, 'visitor_connection')
      socket.destroy()
    }
  }

  readonly #onRequest = (request: IncomingMessage, response: Http1Response): void => {
    const connection = this.#connectionOf(request.socket)
    if (!connection.busy) {
      connection.busy = true
      void this.#serve(connection, { request, response })
      return
    }
    // Pipelined behind another: RFC 9112 9.3.2 lets us answer in turn, and so only one runs at a time.
    connection.waiting.push({ request, response })
    if (connection.waiting.length > PIPELINED_MAX) request.socket.destroy()
  }

  /** One request, and those that have come behind it meanwhile. */
  async #serve(connection: Connection, first: Asked): Promise<void> {
    const { socket } = first.request
    let current: Asked | undefined = first
    // A visitor who has left waits for none of the answers behind the first, and behind a last answer nothing is read
    // any more (RFC 9112 9.6): what follows a refused request may be its body.
    try {
      while (current && socket.writable) {
        const { request, response }: Asked = current
        connection.request = request
        const exchange = this.#admit(request, response, connection.limit)
        if (exchange) {
          // Not by #serveAlone: every request would pay for one more promise.
          this.#exchanges++
          await this.#options.onExchange(exchange)
          this.#countEnd()
        }
        if (!response.closed) await new Promise<void>((resolve) => response.once('close', resolve)) // a refusal on its way
        current = connection.waiting.shift()
      }
    } catch (error) {
      this.#options.onFault(error, 'visitor_connection')
      socket.destroy()
    }
    connection.busy = false
  }

  /** Nothing waits behind it: an upgrade, a CONNECT, a stream of HTTP/2. */
  async #serveAlone(exchange: Exchange): Promise<void> {
    this.#exchanges++
    await this.#options.onExchange(exchange)
    this.#countEnd()
  }

  #countEnd(): void {
    if (--this.#exchanges === 0) this.#onIdle?.()
  }

  /** A refused request is answered here and gives no exchange. */
  #admit(
    request: IncomingMessage,
    response: Http1Response,
    limit: LimitName | undefined,
    upgrade?: Upgrade,
  ): Exchange | undefined {
    request.on('error', ignore) // the visitor left; the response's 'close' tells the same
    if (this.#isClosing || limit !== undefined) response.shouldKeepAlive = false
    this.#farewell.hasAsked(request.socket)
    this.#begun++
    const visitor = this.#identify(request)
    const init = { request, response, ...visitor, ...(upgrade && { upgrade }) }
    try {
      if (limit !== undefined) throw limitError(limit)
      if (request.rawHeaders.length > 2 * this.#options.limits.headers_count) {
        throw new RelayError('headers_too_large', { limit: 'headers_count' })
      }
      return new Exchange({ ...init, host: admit(request) })
    } catch (error) {
      const refused = new Exchange({ ...init, host: '' })
      refused.look = this.#options.look
      refused.fail(error)
      if (error instanceof RelayError && error.limit) this.#countRefusal(error.limit, visitor.clientIp, request.socket)
      this.#options.log.debug(
        { requestId: refused.requestId, clientIp: visitor.clientIp, err: error },
        'request refused',
      )
      return undefined
    }
  }

  #identify(request: IncomingMessage): Visitor {
    const { socket, rawHeaders } = request
    return identifyVisitor(socket.remoteAddress ?? '', this.#scheme, rawHeaders, this.#options.isTrustedProxy)
  }

  #onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', ignore) // the visitor left; 'close' tells the same
    const path = request.url?.split('?', 1)[0]
    const host = request.headers.host?.toLowerCase().replace(/:\d+$/, '') ?? ''
    if (path === AGENT_PATH && this.#options.isAgentHost(host)) {
      const { onAgent, places } = this.#options
      this.#farewell.hasAsked(request.socket)
      const place = this.#door.placeOf(socket)
      const isFull = place !== undefined && !places.hasPlaceForAgent(place)
      const hasJoined = onAgent(request, socket, head, this.#identify(request).clientIp, isFull)
      if (hasJoined && place) places.becomeAgent(place)
      return // the agents' listener closes its own
    }
    this.#upgraded.add(socket)
    socket.once('close', () => this.#upgraded.delete(socket))
    const response = this.#answerOn(request, socket)
    if (!response) return
    const upgrade = http1Upgrade(request.headers.upgrade ?? WEBSOCKET, socket as Socket, head, response) // as there
    const exchange = this.#admit(request, response, this.#limitOf(socket), upgrade)
    if (exchange) void this.#serveAlone(exchange)
  }

  /** CONNECT never becomes a stream to an agent. */
  #onConnect(request: IncomingMessage, socket: Duplex): void {
    socket.on('error', ignore) // the visitor does not wait for the answer
    const response = this.#answerOn(request, socket)
    const exchange = response && this.#admit(request, response, this.#limitOf(socket))
    if (exchange) void this.#serveAlone(exchange)
  }

  /** The last answer on a connection that node:http has let go. */
  #answerOn(request: IncomingMessage, socket: Duplex): Http1Response | undefined {
    // Pipelined behind a request without an answer: two answers would mix, and no visitor in earnest does it.
    if (this.#connections.get(socket)?.busy) {
      socket.destroy()
      return undefined
    }
    const response = new Http1Response(request)
    response.shouldKeepAlive = false
    response.assignSocket(socket as Socket) // node:http hands out the net.Socket it listens on
    response.once('finish', () => {
      // As node:http does it on connections of its own: the answer is out, whatever becomes of the connection.
      response.detachSocket(socket as Socket)
      response.emit('close')
      this.#lastWords.linger(socket as Socket)
    })
    return response
  }

  /** Why there was no place but one on trial. */
  #limitOf(socket: Duplex): LimitName | undefined {
    const place = this.#door.placeOf(socket)
    return place?.kind === 'trial' ? place.limit : undefined
  }

  #countRefusal(limit: LimitName, address: string, socket: Duplex): void {
    const place = this.#door.placeOf(socket)
    if (place) place.hasBeenTold = true
    this.#options.refusals.count(limit, address)
  }

  /** What node:http could not parse at all. */
  #onClientError(error: NodeJS.ErrnoException & { rawPacket?: Buffer }, socket: Duplex): void {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy()
      return
    }
    // In the middle of an answer there is no place for another.
    if (this.#connections.get(socket)?.busy) {
      Socket.prototype.destroySoon.call(socket) // not #end(): who breaks off in the midst of a request waits for nothing
      return
    }
    this.#proxyProtocol.tell(error.rawPacket, socket as Socket) // as above
    const isOverflow = OVERFLOWS.has(error.code ?? '')
    if (isOverflow) this.#countOverflow(socket as Socket) // as above
    const limit = this.#limitOf(socket)
    const refusal =
      limit === undefined
        ? new RelayError(isOverflow ? 'headers_too_large' : (CLIENT_ERRORS[error.code ?? ''] ?? 'bad_request'))
        : limitError(limit)
    socket.on('error', ignore) // the visitor does not wait for the answer
    socket.write(rawAnswer(refusal))
    this.#lastWords.linger(socket as Socket)
  }

  /** Stands in for the `destroySoon` that node:http ends a connection by, behind its last answer. */
  #end(socket: Socket, { request, waiting }: Connection): void {
    if (request?.complete && waiting.length === 0) Socket.prototype.destroySoon.call(socket)
    else this.#lastWords.linger(socket)
  }

  /** Node.js tells two limits by one code. Who has sent less than a head may have can only have sent too many fields. */
  #countOverflow(socket: Socket): void {
    const limit = socket.bytesRead < this.#options.limits.header_bytes ? 'headers_count' : 'header_bytes'
    this.#countRefusal(limit, plainAddress(socket.remoteAddress ?? ''), socket)
  }

  #connectionOf(socket: Socket): Connection {
    const known = this.#connections.get(socket)
    if (known) return known
    const connection: Connection = { busy: false, request: undefined, waiting: [], limit: this.#limitOf(socket) }
    this.#connections.set(socket, connection)
    socket.destroySoon = () => this.#end(socket, connection)
    return connection
  }
}

const OVERFLOWS: ReadonlySet<string> = new Set(['HPE_HEADER_OVERFLOW', 'HPE_CHUNK_EXTENSIONS_OVERFLOW'])

const CLIENT_ERRORS: Record<string, 'request_timeout'> = { ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout' }

function ignore(): void {
  // Whoever needs to know hears of it by 'close'.
}
