// The entrance for visitors: a server with every limit set, the door in front of it, HTTP/1.1 and HTTP/2 behind it.
// It chooses the version of HTTP for each connection, and ends the listener.

import type { IncomingMessage, Server as HttpServer, ServerOptions } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { TLSSocket } from 'node:tls'
import type { AddressInfo, Server as NetServer, Socket } from 'node:net'
import type { Duplex } from 'node:stream'

import * as http from '@sallyport/protocol/node-http'

import type { Limits, ListenAddress, Timeouts } from '../config/config.ts'
import type { OnFault } from '../exchange/border.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { LimitRefusals } from '../exchange/limit-refusals.ts'
import type { Logger } from '../log.ts'
import type { Look } from '../pages/look.ts'
import { Door, type KnownDemands } from './door.ts'
import { ExchangeCount } from './exchange-count.ts'
import { Farewell } from './farewell.ts'
import { Http1Response } from './http1/http1-response.ts'
import { Http1Visitors } from './http1/http1-visitors.ts'
import { isUpgrade, type AllowedUpgrades } from './http1/upgrade-request.ts'
import { Http2Visitors } from './http2/http2-visitors.ts'
import { sniffPreface } from './http2/preface.ts'
import type { Places } from './places.ts'
import { takeOver } from './take-over.ts'
import type { Certificates } from './tls/certificates.ts'
import { DemandingServers } from './tls/demanding-servers.ts'

export interface VisitorListenerInit {
  address: ListenAddress
  /** Whether other processes listen at the same address, and the system distributes the connections. */
  reusePort: boolean
  /** With certificates the listener speaks TLS. */
  certificates?: Certificates
  /** What edges demand of TLS. */
  tlsDemands: KnownDemands
  allowedUpgrades: AllowedUpgrades
  /** Whether visitors may speak HTTP/2: by ALPN on TLS, with prior knowledge on cleartext. */
  http2: boolean
  limits: Limits
  /** Shared by all listeners. */
  places: Places
  refusals: LimitRefusals
  timeouts: Timeouts
  /** The appearance of answers to requests that are refused here. */
  look: Look
  log: Logger
  isTrustedProxy: (address: string) => boolean
  /** Runs an exchange to its end; must not reject. */
  onExchange: (exchange: Exchange) => Promise<void>
  /**
   * Takes an upgrade that is meant for the agents' listener.
   * @param isFull whether there is no place for another agent
   * @returns whether an agent was let in
   */
  onAgent: (request: IncomingMessage, socket: Duplex, head: Buffer, address: string, isFull: boolean) => boolean
  /** Whether agents connect at this host. */
  isAgentHost: (host: string) => boolean
  onFault: OnFault
}

const HANDSHAKE_MS = 10_000

type VisitorServer = HttpServer<typeof IncomingMessage, typeof Http1Response>
type Settings = ServerOptions<typeof IncomingMessage, typeof Http1Response>

export class VisitorListener {
  readonly #init: VisitorListenerInit
  readonly #server: VisitorServer
  readonly #door: Door
  readonly #http1: Http1Visitors
  /** Undefined if visitors may not speak it. */
  readonly #http2: Http2Visitors | undefined
  /** Cleartext connections that have not shown yet which version they speak. */
  readonly #undecided = new Set<Socket>()
  readonly #exchanges = new ExchangeCount()
  readonly #farewell: Farewell

  constructor(init: VisitorListenerInit) {
    this.#init = init
    const { certificates } = init
    const scheme = certificates ? 'https' : 'http'
    this.#server = makeServer(init)
    const demanding = certificates && this.#serversFor(certificates)
    this.#door = new Door({
      ...init,
      isTls: certificates !== undefined,
      onDemands: (socket, name, demands) => demanding?.accept(socket, name, demands),
    })
    const onAsked = (socket: Socket): void => this.#farewell.hasAsked(socket)
    this.#http1 = new Http1Visitors({ ...init, scheme, door: this.#door, exchanges: this.#exchanges, onAsked })
    this.#http1.attach(this.#server)
    this.#farewell = new Farewell(this.#server, () => this.#http1.begun)
    if (init.http2) {
      const onExchange = (exchange: Exchange): Promise<void> => this.#serveHttp2(exchange)
      this.#http2 = new Http2Visitors({ ...init, scheme, onExchange, onAsked })
      this.#chooseVersion(this.#http2)
    }
    this.#door.guard(this.#server)
  }

  /** @throws the system's error, e.g. EADDRINUSE */
  async listen(): Promise<AddressInfo> {
    const { address, reusePort } = this.#init
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ ...address, reusePort }, () => {
        this.#server.off('error', reject)
        this.#server.on('error', (error) => this.#init.log.error({ err: error }, 'visitor listener failed'))
        resolve()
      })
    })
    return (this.#server as NetServer).address() as AddressInfo // it listens on a port, not on a path
  }

  /**
   * Makes each visitor's next answer the last one; resolves when no new connections come, and none is accepted any
   * more.
   */
  farewell(): Promise<void> {
    this.#http1.leave()
    return this.#farewell.say()
  }

  /** Resolves when every exchange has ended; idle connections end at once. */
  async close(): Promise<void> {
    this.#http1.leave()
    this.#server.close()
    this.#server.closeIdleConnections()
    this.#endUnknown()
    const http2Closed = this.#http2?.close()
    await this.#exchanges.none()
    this.#server.closeIdleConnections()
    await this.#http1.lastWordsOver()
    await http2Closed
  }

  /** Ends all open connections. */
  destroy(): void {
    this.#server.close()
    this.#server.closeAllConnections()
    this.#http1.destroy()
    this.#endUnknown()
    this.#http2?.destroy()
  }

  /** Ends connections that are not served yet. */
  #endUnknown(): void {
    for (const socket of this.#undecided) socket.destroy()
    this.#door.destroy()
  }

  /**
   * It is called before node:http's own listener, which serves HTTP/1.1. With TLS, the handshake has settled the
   * version; without TLS, the first bytes do.
   */
  #chooseVersion(http2: Http2Visitors): void {
    const serve = (socket: Socket, isHttp2: boolean, handOn: (socket: Socket) => void): void => {
      try {
        if (isHttp2) http2.accept(socket, this.#door.connectionOf(socket)!) // it has come through the door
        else handOn(socket)
      } catch (error) {
        this.#init.onFault(error, 'visitor_connection')
        socket.destroy()
      }
    }
    takeOver(this.#server, this.#init.certificates ? 'secureConnection' : 'connection', (socket, handOn) => {
      if (socket instanceof TLSSocket) return serve(socket, socket.alpnProtocol === 'h2', handOn)
      this.#undecided.add(socket)
      const forget = (): void => void this.#undecided.delete(socket)
      socket.once('close', forget)
      sniffPreface(socket, this.#init.timeouts.request_head_seconds * 1000, (isHttp2) => {
        socket.off('close', forget)
        forget()
        serve(socket, isHttp2, handOn)
      })
    })
  }

  /** They pass their connections on as if this server had made the handshake. */
  #serversFor(certificates: Certificates): DemandingServers {
    const { http2, log } = this.#init
    return new DemandingServers({
      certificates,
      alpnProtocols: protocolsOf(http2),
      handshakeMs: HANDSHAKE_MS,
      log,
      onSecure: (socket) => this.#server.emit('secureConnection', socket),
      onFailure: (error, socket) => this.#server.emit('tlsClientError', error, socket),
    })
  }

  async #serveHttp2(exchange: Exchange): Promise<void> {
    this.#exchanges.begin()
    await this.#init.onExchange(exchange)
    this.#exchanges.end()
  }
}

function makeServer(init: VisitorListenerInit): VisitorServer {
  const { certificates, http2, limits } = init
  const server = certificates ? makeSecureServer(init, certificates, http2) : http.createServer(settingsOf(init))
  server.maxHeadersCount = limits.headers_count + 1 // node:http drops further ones silently
  return server
}

function makeSecureServer(init: VisitorListenerInit, certificates: Certificates, http2: boolean): VisitorServer {
  const server = createSecureServer({
    ...settingsOf(init),
    ...certificates.tlsOptions,
    ALPNProtocols: protocolsOf(http2),
    handshakeTimeout: HANDSHAKE_MS,
  })
  certificates.keepFresh(server)
  return server
}

/** For ALPN. */
function protocolsOf(http2: boolean): string[] {
  return http2 ? ['h2', 'http/1.1'] : ['http/1.1']
}

/** node:http with every limit set. */
function settingsOf({ allowedUpgrades, limits, timeouts }: VisitorListenerInit): Settings {
  return {
    ServerResponse: Http1Response,
    maxHeaderSize: limits.header_bytes,
    keepAliveTimeout: timeouts.keep_alive_seconds * 1000,
    headersTimeout: timeouts.request_head_seconds * 1000,
    requestTimeout: 0, // it would end long uploads; forward/ watches for progress instead
    connectionsCheckingInterval: 1000,
    insecureHTTPParser: false,
    joinDuplicateHeaders: false,
    requireHostHeader: false, // admission refuses a request without Host, so that the relay logs and counts it
    noDelay: true,
    optimizeEmptyRequests: true, // nobody reads the body of a request that has none (a twentieth of the relay's CPU)
    shouldUpgradeCallback: (request) => isUpgrade(request, allowedUpgrades),
  }
}
