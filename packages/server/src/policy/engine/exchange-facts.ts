// The facts of an exchange for expressions. Nothing is read, joined or counted before an expression reads it.

import type { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'

import type { Exchange } from '../../exchange/exchange.ts'
import type { HeaderEdits } from '../../exchange/header-edits.ts'
import { headersForRules, trailersForRules } from '../../exchange/visitor/headers-for-rules.ts'
import { internalOrigin } from '../../values/hosts/internal-host.ts'
import type {
  AttemptFacts,
  ConnectionFacts,
  EndpointFacts,
  Facts,
  Lookups,
  RequestFacts,
  ResponseFacts,
  TlsFacts,
} from './facts.ts'

/** Every view of one exchange shares it: the headers before any edit. */
export interface HeaderMemory {
  headers: readonly string[] | undefined
}

/** The facts that are not in the exchange. */
export interface ExchangeFactsInit {
  /** The region of this relay, from its configuration. */
  readonly region?: string | undefined
  readonly lookups: Lookups
  readonly secret: Facts['secret']
  readonly now: () => number
  readonly memory: HeaderMemory
  readonly vars: ReadonlyMap<string, unknown>
  readonly results: Facts['results']
  /** Replaces the path that is forwarded: its normal form, when an expression is evaluated for both (section 14.2 of the reference). */
  readonly path?: string | undefined
  readonly response?: ResponseFacts | undefined
  /** Only for `retry_condition`. */
  readonly attempts?: AttemptFacts | undefined
}

export function factsOfExchange(exchange: Exchange, init: ExchangeFactsInit): Facts {
  const { region, lookups, secret, now, vars, results, response, attempts } = init
  return {
    lookups,
    secret,
    now,
    vars,
    results,
    response,
    attempts,
    connection: new ConnectionOfExchange(exchange, region),
    endpoint: new EndpointOfExchange(exchange),
    request: new RequestOfExchange(exchange, init.path, init.memory),
  }
}

class RequestOfExchange implements RequestFacts {
  readonly #exchange: Exchange
  readonly #path: string | undefined
  readonly #memory: HeaderMemory

  constructor(exchange: Exchange, path: string | undefined, memory: HeaderMemory) {
    this.#exchange = exchange
    this.#path = path
    this.#memory = memory
  }

  get method(): string {
    return this.#exchange.method
  }

  get scheme(): 'http' | 'https' {
    return this.#exchange.scheme
  }

  get host(): string {
    return this.#exchange.host
  }

  get port(): number | undefined {
    const [, port] = /:(\d{1,5})$/.exec(this.#exchange.header('host') ?? '') ?? []
    return port === undefined ? undefined : Number(port)
  }

  get path(): string {
    return this.#path ?? this.#exchange.path
  }

  get rawPath(): string {
    return this.#exchange.path
  }

  get query(): string {
    const { target } = this.#exchange
    const start = target.indexOf('?')
    return start === -1 ? '' : target.slice(start + 1)
  }

  get version(): RequestFacts['version'] {
    const { httpVersion, httpVersionMinor } = this.#exchange.request
    if (httpVersion === '2.0') return 'HTTP/2.0'
    return httpVersionMinor === 0 ? 'HTTP/1.0' : 'HTTP/1.1'
  }

  get rawHeaders(): readonly string[] {
    const { requestEdits } = this.#exchange
    const headers = (this.#memory.headers ??= headersForRules(this.#exchange))
    return requestEdits && !requestEdits.isEmpty ? edited(headers, requestEdits) : headers
  }

  get rawTrailers(): readonly string[] {
    return trailersForRules(this.#exchange.request)
  }

  get headerReceivedAt(): number {
    return performance.timeOrigin + this.#exchange.startedAt
  }

  /** While rules run, an announced body has not arrived yet. */
  get bodyReceivedAt(): number | undefined {
    return this.#exchange.announcesBody ? undefined : this.headerReceivedAt
  }
}

class ConnectionOfExchange implements ConnectionFacts {
  readonly #exchange: Exchange
  readonly region: string | undefined

  constructor(exchange: Exchange, region: string | undefined) {
    this.#exchange = exchange
    this.region = region
  }

  /** The visitor's address, which a trusted proxy may report. All other fields describe the connection itself. */
  get clientIp(): string {
    return this.#exchange.clientIp
  }

  get clientPort(): number {
    return this.#exchange.connection.clientPort
  }

  get serverIp(): string {
    return this.#exchange.connection.serverIp
  }

  get serverPort(): number {
    return this.#exchange.connection.serverPort
  }

  get bytesIn(): number {
    return this.#exchange.connection.bytesIn
  }

  get bytesOut(): number {
    return this.#exchange.connection.bytesOut
  }

  get startedAt(): number {
    return this.#exchange.connection.startedAt
  }

  get tls(): TlsFacts | undefined {
    const { tls } = this.#exchange.connection
    return tls && tlsFactsOf(tls)
  }
}

export function tlsFactsOf(socket: TLSSocket): TlsFacts {
  return new TlsOfSocket(socket)
}

class TlsOfSocket implements TlsFacts {
  readonly #socket: TLSSocket

  constructor(socket: TLSSocket) {
    this.#socket = socket
  }

  /** node:tls writes `TLSv1.3`. */
  get version(): string {
    return this.#socket.getProtocol()?.replace(/^TLSv/, '') ?? ''
  }

  get cipherSuite(): string {
    return this.#socket.getCipher()?.standardName ?? ''
  }

  get sni(): string {
    const { servername } = this.#socket as { servername?: string | false } // of a server's socket, which the types leave out
    return servername || ''
  }

  get alpn(): string {
    return this.#socket.alpnProtocol || ''
  }

  get sessionResumed(): boolean {
    return this.#socket.isSessionReused()
  }

  get client(): X509Certificate | undefined {
    return this.#socket.getPeerX509Certificate()
  }

  get server(): X509Certificate | undefined {
    return this.#socket.getX509Certificate()
  }
}

class EndpointOfExchange implements EndpointFacts {
  readonly #exchange: Exchange

  constructor(exchange: Exchange) {
    this.#exchange = exchange
  }

  get id(): string {
    return this.#exchange.inner?.id ?? this.#exchange.edgeId
  }

  get protocol(): 'http' | 'https' {
    return this.url.startsWith('https:') ? 'https' : 'http'
  }

  get host(): string {
    return this.#exchange.inner?.host ?? this.#exchange.host
  }

  get port(): number {
    const { port } = new URL(this.url)
    if (port !== '') return Number(port)
    return this.protocol === 'https' ? 443 : 80
  }

  get url(): string {
    const { inner, origin } = this.#exchange
    return inner ? internalOrigin(inner.host) : origin
  }
}

/** Applies the edits so far: later expressions see earlier edits (section 2 of the reference). */
export function edited(raw: readonly string[], edits: HeaderEdits): string[] {
  const list: string[] = []
  for (let i = 0; i < raw.length; i += 2) {
    if (!edits.touches(raw[i]!)) list.push(raw[i]!, raw[i + 1]!) // pairs
  }
  for (const { name, value } of edits) list.push(name, value)
  return list
}
