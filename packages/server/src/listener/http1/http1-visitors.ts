// Visitors who speak HTTP/1.1, behind node:http: one exchange at a time per connection. An upgrade is accepted only if it can be
// a WebSocket or another protocol that some route allows; the route itself is known later.
// It makes Exchange objects and passes them on. It makes no other decisions.

import type { IncomingMessage, Server as HttpServer } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

import { AGENT_PATH } from '@sallyport/protocol'

import type { LimitName, Limits } from '../../config/config.ts'
import { RelayError } from '../../errors.ts'
import type { OnFault } from '../../exchange/border.ts'
import { identifyVisitor } from '../../exchange/visitor/client-ip.ts'
import { Exchange, WEBSOCKET } from '../../exchange/exchange.ts'
import type { Upgrade } from '../../exchange/exchange.ts'
import type { LimitRefusals } from '../../exchange/limit-refusals.ts'
import type { Logger } from '../../log.ts'
import type { Look } from '../../pages/look.ts'
import { admit } from '../admission.ts'
import type { VisitorConnection } from '../connection.ts'
import type { Door } from '../door.ts'
import type { ExchangeCount } from '../exchange-count.ts'
import type { Places } from '../places.ts'
import { limitError } from '../turn-away.ts'
import { Http1Response } from './http1-response.ts'
import { LastWords } from './last-words.ts'
import { rawAnswer } from './raw-answer.ts'
import { http1Upgrade } from './upgrade-request.ts'

// More pipelined requests than any real client sends; further ones end the connection.
const PIPELINED_MAX = 64

export interface Http1VisitorsInit {
  scheme: 'http' | 'https'
  door: Door
  exchanges: ExchangeCount
  limits: Limits
  places: Places
  refusals: LimitRefusals
  /** The appearance of answers to requests that are refused here. */
  look: Look
  log: Logger
  isTrustedProxy: (address: string) => boolean
  /** Runs an exchange to its end; must not reject. */
  onExchange: (exchange: Exchange) => Promise<void>
  /** Passes an upgrade to the agents' listener; see VisitorListenerInit. */
  onAgent: (request: IncomingMessage, socket: Duplex, head: Buffer, address: string, isFull: boolean) => boolean
  /** Whether agents connect at this host. */
  isAgentHost: (host: string) => boolean
  /** Called for every request that arrives, refused or not. */
  onAsked: (socket: Socket) => void
  onFault: OnFault
}

/** The requests of one connection, which take turns. */
interface Turns {
  readonly connection: VisitorConnection
  busy: boolean
  /** The current request, or the last one. */
  request: IncomingMessage | undefined
  readonly waiting: Asked[]
}

interface Asked {
  request: IncomingMessage
  response: Http1Response
}

export class Http1Visitors {
  readonly #init: Http1VisitorsInit
  readonly #turns = new WeakMap<Duplex, Turns>()
  /** Upgraded connections: node:http forgets them. */
  readonly #upgraded = new Set<Duplex>()
  readonly #lastWords = new LastWords()
  #begun = 0
  #isLeaving = false

  constructor(init: Http1VisitorsInit) {
    this.#init = init
  }

  /** How many requests have arrived so far. */
  get begun(): number {
    return this.#begun
  }

  /** Serves the requests that this server parses. */
  attach(server: HttpServer<typeof IncomingMessage, typeof Http1Response>): void {
    server.on('request', this.#onRequest)
    server.on('checkContinue', this.#onRequest)
    server.on('checkExpectation', this.#onRequest) // as above; RFC 9110 10.1.1 lets us serve it without
    server.on('upgrade', (request, socket, head) => {
      this.#within(socket, () => this.#onUpgrade(request, socket, head))
    })
    server.on('connect', (request, socket) => this.#within(socket, () => this.#onConnect(request, socket)))
    server.on('clientError', (error, socket) => this.#within(socket, () => this.#onClientError(error, socket)))
  }

  /** From now on, every answer is the last on its connection. */
  leave(): void {
    this.#isLeaving = true
  }

  /** Resolves when every visitor has read the last answer; connections that take longer than a moment are cut. */
  lastWordsOver(): Promise<void> {
    return this.#lastWords.over()
  }

  /** Ends upgraded connections; node:http ends the others. */
  destroy(): void {
    for (const socket of this.#upgraded) socket.destroy()
  }

  readonly #onRequest = (request: IncomingMessage, response: Http1Response): void => {
    const turns = this.#turnsOf(request.socket)
    if (!turns.busy) {
      turns.busy = true
      void this.#serve(turns, { request, response })
      return
    }
    // Pipelined requests run one at a time, because RFC 9112 9.3.2 lets us answer in turn.
    turns.waiting.push({ request, response })
    if (turns.waiting.length > PIPELINED_MAX) request.socket.destroy()
  }

  /** One request, and those that have come after it meanwhile. */
  async #serve(turns: Turns, first: Asked): Promise<void> {
    const { socket } = first.request
    const { exchanges, onExchange } = this.#init
    let current: Asked | undefined = first
    // A visitor who has left does not wait for further answers, and after a last answer nothing is read any more (RFC
    // 9112 9.6): the bytes after a refused request may be its body.
    try {
      while (current && socket.writable) {
        const { request, response }: Asked = current
        turns.request = request
        const exchange = this.#admit(request, response, turns.connection)
        if (exchange) {
          // It does not use #serveAlone, because every request would then cost one more promise.
          exchanges.begin()
          await onExchange(exchange)
          exchanges.end()
        }
        if (!response.closed) await new Promise<void>((resolve) => response.once('close', resolve)) // a refusal on its way
        current = turns.waiting.shift()
      }
    } catch (error) {
      this.#init.onFault(error, 'visitor_connection')
      socket.destroy()
    }
    turns.busy = false
  }

  /** Serves a request after which no other can wait: an upgrade or a CONNECT. */
  async #serveAlone(exchange: Exchange): Promise<void> {
    const { exchanges, onExchange } = this.#init
    exchanges.begin()
    await onExchange(exchange)
    exchanges.end()
  }

  /** A refused request is answered here and makes no exchange. */
  #admit(
    request: IncomingMessage,
    response: Http1Response,
    connection: VisitorConnection,
    upgrade?: Upgrade,
  ): Exchange | undefined {
    request.on('error', ignore) // the visitor left; the response's 'close' reports the same
    const { limit } = connection
    if (this.#isLeaving || limit !== undefined) response.shouldKeepAlive = false
    this.#init.onAsked(request.socket)
    this.#begun++
    const { scheme, isTrustedProxy } = this.#init
    const visitor = identifyVisitor(connection, scheme, request.rawHeaders, isTrustedProxy)
    const init = { request, response, connection, ...visitor, ...(upgrade && { upgrade }) }
    try {
      if (limit !== undefined) throw limitError(limit)
      if (request.rawHeaders.length > 2 * this.#init.limits.headers_count) {
        throw new RelayError('headers_too_large', { limit: 'headers_count' })
      }
      return new Exchange({ ...init, host: admit(request) })
    } catch (error) {
      const refused = new Exchange({ ...init, host: '' })
      refused.look = this.#init.look
      refused.fail(error)
      if (error instanceof RelayError && error.limit) this.#countRefusal(error.limit, visitor.clientIp, connection)
      this.#init.log.debug({ requestId: refused.requestId, clientIp: visitor.clientIp, err: error }, 'request refused')
      return undefined
    }
  }

  #onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', ignore) // the visitor left; 'close' reports the same
    const connection = this.#connectionOf(socket)
    const path = request.url?.split('?', 1)[0]
    const host = request.headers.host?.toLowerCase().replace(/:\d+$/, '') ?? ''
    if (path === AGENT_PATH && this.#init.isAgentHost(host)) {
      const { onAgent, onAsked, places, scheme, isTrustedProxy } = this.#init
      onAsked(request.socket)
      const { clientIp } = identifyVisitor(connection, scheme, request.rawHeaders, isTrustedProxy)
      const hasJoined = onAgent(request, socket, head, clientIp, !places.hasPlaceForAgent(connection.place))
      if (hasJoined) places.becomeAgent(connection.place)
      return // the agents' listener closes its own
    }
    this.#upgraded.add(socket)
    socket.once('close', () => this.#upgraded.delete(socket))
    const response = this.#answerOn(request, socket)
    if (!response) return
    const upgrade = http1Upgrade(request.headers.upgrade ?? WEBSOCKET, socket as Socket, head, response) // as there
    const exchange = this.#admit(request, response, connection, upgrade)
    if (exchange) void this.#serveAlone(exchange)
  }

  /** CONNECT never becomes a stream to an agent. */
  #onConnect(request: IncomingMessage, socket: Duplex): void {
    socket.on('error', ignore) // the visitor does not wait for the answer
    const response = this.#answerOn(request, socket)
    const exchange = response && this.#admit(request, response, this.#connectionOf(socket))
    if (exchange) void this.#serveAlone(exchange)
  }

  /** The last answer on a connection that node:http no longer manages. */
  #answerOn(request: IncomingMessage, socket: Duplex): Http1Response | undefined {
    // This request was pipelined after one that has no answer yet. The two answers would mix, and no real visitor does
    // this.
    if (this.#turns.get(socket)?.busy) {
      socket.destroy()
      return undefined
    }
    const response = new Http1Response(request)
    response.shouldKeepAlive = false
    response.assignSocket(socket as Socket) // node:http passes the net.Socket that it listens on
    response.once('finish', () => {
      // As on connections of node:http, an error of the connection no longer matters, because the answer was sent.
      response.detachSocket(socket as Socket)
      response.emit('close')
      this.#lastWords.linger(socket as Socket)
    })
    return response
  }

  /** A request that node:http could not parse. */
  #onClientError(error: NodeJS.ErrnoException & { rawPacket?: Buffer }, socket: Duplex): void {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy()
      return
    }
    // In the middle of an answer no other can be sent.
    if (this.#turns.get(socket)?.busy) {
      Socket.prototype.destroySoon.call(socket) // not #end(): this visitor waits for nothing more
      return
    }
    const connection = this.#init.door.connectionOf(socket) // undefined during the handshake
    const isOverflow = OVERFLOWS.has(error.code ?? '')
    if (connection) {
      this.#init.door.tellUnreadable(error.rawPacket, connection)
      if (isOverflow) this.#countOverflow(connection)
    }
    const limit = connection?.limit
    const refusal =
      limit === undefined
        ? new RelayError(isOverflow ? 'headers_too_large' : (CLIENT_ERRORS[error.code ?? ''] ?? 'bad_request'))
        : limitError(limit)
    socket.on('error', ignore) // the visitor does not wait for the answer
    socket.write(rawAnswer(refusal))
    this.#lastWords.linger(socket as Socket)
  }

  /** Replaces the `destroySoon` with which node:http ends a connection after its last answer. */
  #end(socket: Socket, { request, waiting }: Turns): void {
    if (request?.complete && waiting.length === 0) Socket.prototype.destroySoon.call(socket)
    else this.#lastWords.linger(socket)
  }

  /**
   * Node.js reports two limits by one code. If fewer bytes than a head may have were sent, the number of fields was too
   * high.
   */
  #countOverflow(connection: VisitorConnection): void {
    const limit = connection.bytesIn < this.#init.limits.header_bytes ? 'headers_count' : 'header_bytes'
    this.#countRefusal(limit, connection.clientIp, connection)
  }

  #countRefusal(limit: LimitName, address: string, connection: VisitorConnection): void {
    connection.place.hasBeenTold = true
    this.#init.refusals.count(limit, address)
  }

  #turnsOf(socket: Socket): Turns {
    const known = this.#turns.get(socket)
    if (known) return known
    const turns: Turns = { connection: this.#connectionOf(socket), busy: false, request: undefined, waiting: [] }
    this.#turns.set(socket, turns)
    socket.destroySoon = () => this.#end(socket, turns)
    return turns
  }

  #connectionOf(socket: Duplex): VisitorConnection {
    return this.#init.door.connectionOf(socket)! // every socket that sends a request has passed it
  }

  /** The border around a visitor's connection. An exception ends only that connection. */
  #within(socket: Duplex, handle: () => void): void {
    try {
      handle()
    } catch (error) {
      this.#init.onFault(error, 'visitor_connection')
      socket.destroy()
    }
  }
}

const OVERFLOWS: ReadonlySet<string> = new Set(['HPE_HEADER_OVERFLOW', 'HPE_CHUNK_EXTENSIONS_OVERFLOW'])

const CLIENT_ERRORS: Record<string, 'request_timeout'> = { ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout' }

function ignore(): void {
  // 'close' reports the end to all code that needs it.
}
