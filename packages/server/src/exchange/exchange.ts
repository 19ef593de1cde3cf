// One visitor request and its answer: ordinary requests and upgrades alike. All rooms after the listener work on this
// object. It knows nothing about the configuration of edges, policies or tunnels.

import { RelayError } from '../errors.ts'
import type { Frame } from '../pages/frame.ts'
import { PLAIN_LOOK, type Look } from '../pages/look.ts'
import { PAGE_TEXTS } from '../texts/page-texts.ts'
import type { PageTexts } from '../texts/page-texts.ts'
import { AppAnswer } from './app-answer.ts'
import type { Reply } from './app-answer.ts'
import type { Connection } from './connection.ts'
import { grpcTypeOf } from './grpc.ts'
import { HeaderEdits } from './header-edits.ts'
import type { Identity } from './identity.ts'
import { readHeader } from './read-header.ts'
import { refusalOf } from './refusal-of.ts'
import { nextRequestId } from './request-id.ts'
import { admitTarget } from './target/admit-target.ts'
import type { Routes } from './target/admit-target.ts'
import { pathOf } from './target/origin-form.ts'
import { leadsTo, mayBeOperator, shownAddress } from './visitor/asker.ts'
import type { Upgrade } from './visitor/upgrade.ts'
import type { VisitorRequest } from './visitor/visitor-request.ts'
import type { ResponseHeaders, VisitorResponse } from './visitor/visitor-response.ts'
import type { InnerEdge, PolicyState, Way } from './way.ts'

export interface ExchangeInit {
  request: VisitorRequest
  response: VisitorResponse
  connection: Connection
  /** Normal form, lower case, no port. */
  host: string
  clientIp: string
  /** The app's X-Forwarded-For. */
  forwardedFor: string
  /** The visitor's scheme: decides X-Forwarded-Proto. */
  scheme: 'http' | 'https'
  upgrade?: Upgrade
  /** The exchange for which a policy has made this one: both have one id in the log. */
  caller?: Exchange
}

export type { ResponseHeaders, Upgrade, VisitorRequest, VisitorResponse }

export class Exchange {
  /** The visitor's response; `runResponseRules()` may put a transformation in front of it. */
  response: VisitorResponse
  /** That of the visitor, or of the proxy in between. */
  readonly connection: Connection
  readonly host: string
  readonly clientIp: string
  readonly forwardedFor: string
  readonly scheme: 'http' | 'https'
  /**
   * The request target exactly as the visitor sent it: path and query. It was admitted before the exchange was made. It
   * is for the log, and for everything that leads the visitor back here; decisions use `target`.
   */
  readonly visitorTarget: string
  readonly startedAt = performance.now()

  /** The route whose policy runs or has run last, and its edge; see keepTo(). */
  route: unknown
  routes: Routes | undefined
  /** Set once the edge is known: its id and the origin visitors see, e.g. `https://docs.example.com`. */
  edgeId = ''
  origin = ''
  /** The path as another reader could read it, if that differs from the written path; undefined for most requests. */
  normalPath: string | undefined
  /**
   * The name of this relay in CDN-Loop, for the app and the servers behind it (RFC 8586); empty until the exchange is
   * forwarded.
   */
  relayName = ''
  /**
   * Set by the action that has found a token or password in a header: such a request is never redirected to the
   * sign-in.
   */
  hasCredentials = false
  /** Set by an action that knows who the visitor is. */
  identity: Identity | undefined
  /**
   * The visitor of a refused exchange, if a session or valid credentials tell who it is. It is only for the log: no
   * decision uses it, and no app gets it.
   */
  knownUser: string | undefined
  /** The policies' changes of the request for the app; undefined before the first. */
  requestEdits: HeaderEdits | undefined
  /** The results of actions for later expressions, by the action's name in variables; undefined if there are none. */
  results: Map<string, ReadonlyMap<string, unknown>> | undefined
  /** The memory of the route's rules; undefined before the first expression. Only policy/view-of.ts reads it. */
  policyMemory: object | undefined
  /** The policies' changes of the app's response for the visitor. */
  responseEdits: HeaderEdits | undefined
  /** The rules of the route for the app's response; undefined if it has none. Only `runResponseRules()` calls it. */
  onResponseHead: ((exchange: Exchange, answer: AppAnswer) => void | Promise<void>) | undefined
  /** Whether a rule for responses is asynchronous: then `decideAnswer()` comes first. */
  waitsAtAnswer = false
  /** The appearance of the relay's own pages: that of the edge, once the edge is known. */
  look: Look = PLAIN_LOOK
  /**
   * Why the request cannot be forwarded: a part of its body was read, and the reading failed. It is the error of that
   * reading.
   */
  bodyLoss: RelayError | undefined
  /** The internal endpoint whose policy runs, or answers; undefined on the visitor's own edge. */
  inner: InnerEdge | undefined
  /** The policies that have passed it on; undefined before the first does. Only edge/ changes it. */
  way: Way<Exchange['onResponseHead']> | undefined
  /** How many attempts may have brought something of the request to an app. */
  attemptsUnproven = 0
  /** For the access log: the last internal endpoint that it was forwarded to. */
  internalEdgeId: string | undefined
  tunnelId: string | undefined
  error: RelayError | undefined

  #request: VisitorRequest
  #onAppAnswer: ((status: number) => void) | undefined
  #requestId: string | undefined
  #upgrade: Upgrade | undefined
  #strictTransport: string | undefined
  #target: string
  #cutReason: Error | undefined
  #decided: AppAnswer | undefined

  constructor(init: ExchangeInit) {
    this.#request = init.request
    this.#target = this.visitorTarget = init.request.url ?? '/'
    this.response = init.response
    this.connection = init.connection
    this.host = init.host
    this.clientIp = init.clientIp
    this.forwardedFor = init.forwardedFor
    this.scheme = init.scheme
    this.#upgrade = init.upgrade
    if (init.caller) this.#requestId = init.caller.requestId
  }

  get request(): VisitorRequest {
    return this.#request
  }

  /** The request from now on: the same request, with the body that was read ahead. */
  replaceRequest(request: VisitorRequest): void {
    this.#request = request
  }

  /**
   * Calls the listener with the status of the app's answer as soon as its head has come. It is not called for fixed
   * responses.
   */
  listenToApp(listener: (status: number) => void): void {
    const earlier = this.#onAppAnswer
    if (!earlier) this.#onAppAnswer = listener
    else {
      this.#onAppAnswer = (status) => {
        earlier(status)
        listener(status)
      }
    }
  }

  /** The head of the app's answer has come. */
  noteAppAnswer(status: number): void {
    this.#onAppAnswer?.(status)
  }

  /**
   * The id by which people find the request in logs. It is made on first use, because many requests need none, for
   * example redirects.
   */
  get requestId(): string {
    return (this.#requestId ??= nextRequestId())
  }

  /** The upgrade that this asks for; undefined for an ordinary request. */
  get upgrade(): Upgrade | undefined {
    return this.#upgrade
  }

  /** Makes this an ordinary request, because its route does not allow that protocol (RFC 9110 7.8). */
  declineUpgrade(): void {
    this.#upgrade = undefined
  }

  get method(): string {
    return this.request.method ?? 'GET'
  }

  /**
   * The request target that the app gets: path and query. Decisions use the same text. It is the visitor's, unless a policy has
   * replaced it.
   */
  get target(): string {
    return this.#target
  }

  /** The raw path that the app gets: the target up to `?`. */
  get path(): string {
    return pathOf(this.#target)
  }

  /** The raw path that the visitor sent. */
  get visitorPath(): string {
    return pathOf(this.visitorTarget)
  }

  /** Notes the route whose policy runs, and its edge. A new target must lead to the same route. */
  keepTo(route: unknown, routes: Routes): void {
    this.route = route
    this.routes = routes
  }

  /**
   * Replaces the target for the app and for later decisions. The only way to change it.
   * @throws RelayError `rewrite_refused` unless it is a target that a visitor could have sent to this route
   */
  replaceTarget(target: string): void {
    this.normalPath = admitTarget(target, this.routes, this.route)
    this.#target = target
  }

  /**
   * One request header, by its lower-case name, directly from the raw list, because building Node's header object for
   * every request costs more than a search. Lines of one name are joined.
   */
  header(name: string): string | undefined {
    return readHeader(this.request.rawHeaders, name)
  }

  /** The texts of the relay's own answers. */
  get texts(): PageTexts {
    return PAGE_TEXTS.en
  }

  /** The frame of every answer of the relay itself to this request. */
  get frame(): Frame {
    const { look, texts, requestId, host } = this
    return {
      look,
      texts,
      requestId,
      host,
      hasStart: this.edgeId !== '' && this.visitorPath !== '/',
      toOperator: mayBeOperator(this),
      address: shownAddress(this),
    }
  }

  /** The status of the answer; 0 if the visitor got none. */
  get status(): number {
    if (this.hasSwitched) return 101
    return this.response.headersSent ? this.response.statusCode : 0
  }

  /** The subject of the visitor, for the log: the one that the app gets, or would have got. */
  get user(): string | undefined {
    return this.identity?.subject ?? this.knownUser
  }

  /** Whether a person's browser is going to a page, rather than a program or a script fetching something. */
  get isNavigation(): boolean {
    return (this.method === 'GET' || this.method === 'HEAD') && leadsTo(this, 'page')
  }

  /** Whether a person's browser sends a form and will show the answer, in a page or in a frame. */
  get isFormSubmission(): boolean {
    return this.method === 'POST' && (leadsTo(this, 'page') || leadsTo(this, 'frame'))
  }

  /** Whether a person's browser fills a frame of a page. */
  get isForFrame(): boolean {
    return leadsTo(this, 'frame')
  }

  /** The content type for answers to a gRPC call; undefined if it is not one. */
  get grpcType(): string | undefined {
    return grpcTypeOf(this.method, this.header('content-type'))
  }

  /** Whether the method changes nothing (RFC 9110 9.2.1): such a request may be repeated. */
  get isSafe(): boolean {
    const { method } = this
    return method === 'GET' || method === 'HEAD' || method === 'OPTIONS'
  }

  /** Whether the connection has been upgraded: bytes flow both ways, and no answer is possible any more. */
  hasSwitched = false

  /** Why the exchange was cut, for the log; undefined if it was not. */
  get cutReason(): Error | undefined {
    return this.#cutReason
  }

  /** Ends the exchange at once, in any state: its session was revoked, or a deadline has passed. */
  cut(reason: Error): void {
    this.#cutReason ??= reason
    this.response.destroy()
    this.upgrade?.socket.destroy()
  }

  /**
   * Makes browsers stay with https on this host (RFC 6797), by the app's answer and by the relay's own. Comes before
   * policies, which may override it for the app's.
   * @param policy the value of Strict-Transport-Security
   */
  holdToHttps(policy: string): void {
    if (this.scheme !== 'https') return // RFC 6797 7.2
    this.#strictTransport = policy
    this.responseEdits ??= new HeaderEdits()
    this.responseEdits.set(STRICT_TRANSPORT, policy)
  }

  /**
   * Remembers the state of the exchange before it is passed on to an endpoint that may be offline.
   * @returns a function that restores it; only for an exchange of which nothing was sent
   */
  checkpoint(): () => void {
    const { inner, onResponseHead, policyMemory, results, requestEdits, responseEdits } = this
    const { internalEdgeId, identity, knownUser, hasCredentials, normalPath, tunnelId } = this
    const [target, routes, route, upgrade] = [this.#target, this.routes, this.route, this.#upgrade]
    const [outer, onAppAnswer] = [this.way?.outer, this.#onAppAnswer]
    this.requestEdits = requestEdits?.copy()
    this.responseEdits = responseEdits?.copy()
    return () => {
      this.#resume({ inner, onResponseHead, policyMemory, results })
      ;[this.requestEdits, this.responseEdits, this.tunnelId] = [requestEdits, responseEdits, tunnelId]
      ;[this.identity, this.knownUser, this.hasCredentials] = [identity, knownUser, hasCredentials]
      ;[this.internalEdgeId, this.normalPath] = [internalEdgeId, normalPath]
      ;[this.#target, this.routes, this.route, this.#upgrade] = [target, routes, route, upgrade]
      this.#onAppAnswer = onAppAnswer
      if (this.way) this.way.outer = outer
    }
  }

  #resume(policy: PolicyState<Exchange['onResponseHead']>): void {
    this.inner = policy.inner
    this.onResponseHead = policy.onResponseHead
    this.policyMemory = policy.policyMemory
    this.results = policy.results
  }

  /** Whether a rule for responses will run. */
  get hasResponseRules(): boolean {
    return this.onResponseHead !== undefined || this.way?.hasRules === true
  }

  /**
   * Runs the rules for the app's response: those of the route, and then those of each edge before it. Their edits of
   * headers are in `responseEdits` afterwards.
   * @param list gives the headers of the answer: name, value, name, value …
   * @returns the answer to send instead, if there is one
   * @throws RelayError if a rule refuses the answer
   */
  runResponseRules(status: number, list: () => readonly string[]): Reply | undefined {
    const answer = this.#decided ?? this.#decideNow(status, list)
    if (!answer || answer.isSwitch) return undefined
    if (answer.instead) return answer.instead
    if (answer.through) this.response = answer.through(this.response)
    return undefined
  }

  /** Runs the rules and waits for them, if one of them is asynchronous. `runResponseRules()` then only gives the outcome. */
  async decideAnswer(status: number, list: () => readonly string[]): Promise<void> {
    const answer = (this.#decided = new AppAnswer(status, list))
    await this.onResponseHead?.(this, answer)
    for (let outer = this.way?.outer; outer && !answer.instead; outer = outer.outer) {
      this.#resume(outer)
      await this.onResponseHead?.(this, answer)
    }
  }

  #decideNow(status: number, list: () => readonly string[]): AppAnswer | undefined {
    if (!this.hasResponseRules) return undefined
    const answer = new AppAnswer(status, list)
    void this.onResponseHead?.(this, answer) // no promise: none of the rules waits
    for (let outer = this.way?.outer; outer && !answer.instead; outer = outer.outer) {
      this.#resume(outer)
      void this.onResponseHead?.(this, answer)
    }
    return answer
  }

  /**
   * Answers from the relay itself. HEAD keeps the length and drops the body.
   * A body needs its content-type among the headers. Safe to call once per exchange.
   */
  respond(status: number, headers: ResponseHeaders, body: string | Buffer = ''): void {
    const { response } = this
    if (response.headersSent || response.destroyed) return
    const bytes = typeof body === 'string' ? Buffer.from(body, 'utf8') : body
    // The rest of the visitor's body would be read as the next request, so the connection closes after the answer (RFC
    // 9112 9.3).
    const unread = !this.request.complete && this.announcesBody
    const strictTransport = this.#strictTransport
    response.writeHead(status, {
      ...headers,
      ...(strictTransport !== undefined &&
        !names(headers, STRICT_TRANSPORT) && { [STRICT_TRANSPORT]: strictTransport }),
      ...(status === 204 || status === 304 ? {} : { 'content-length': bytes.length }),
      ...(unread || this.upgrade ? { connection: 'close' } : {}),
    })
    response.end(this.method === 'HEAD' ? undefined : bytes)
  }

  /** RFC 9112 6.3. Node completes a request without a body only after its handlers have run. */
  get announcesBody(): boolean {
    if (this.header('transfer-encoding') !== undefined) return true
    return Number(this.header('content-length') ?? 0) > 0
  }

  /** Turns an exception into an answer, or cuts the visitor off if an answer has begun. */
  fail(thrown: unknown): void {
    const error = thrown instanceof RelayError ? thrown : new RelayError('internal', { cause: thrown })
    this.error = error
    this.knownUser ??= error.user
    if (this.response.headersSent || this.hasSwitched) {
      // Half an answer must not look like a whole one.
      this.response.destroy()
      this.upgrade?.socket.destroy()
      return
    }
    try {
      this.#refuse(error)
    } catch (refused) {
      // The answer itself failed, by a header that node:http refuses: send one without its headers and body.
      this.error = new RelayError('internal', { cause: refused })
      this.#refuse(this.error)
    }
  }

  #refuse(error: RelayError): void {
    const { status, headers, body } = refusalOf(error, this)
    this.respond(status, headers, body)
  }
}

/** The protocol that every route allows. */
export const WEBSOCKET = 'websocket'

const STRICT_TRANSPORT = 'Strict-Transport-Security'

function names(headers: ResponseHeaders, wanted: string): boolean {
  return Object.keys(headers).some((name) => name.toLowerCase() === wanted.toLowerCase())
}
