// One exchange on its way to an app and back: picking, retrying, giving up, answering and back-pressure are here, once.
// Its kinds (in http1/ and http2/, and upgrade.ts) know the protocols of apps; the forwarder chooses among them. This
// is the hot path: one object and one promise for each exchange, no timers, no copies of bodies.
//
// Rules (RULES.md "Forwarding"): an exchange goes to a further tunnel only while nothing of it can have reached an app,
// or while it changes nothing and is completely kept.

import type { StreamReply } from '@sallyport/protocol'

import { FixedResponse } from '../../backend/fixed-response.ts'
import type { Destination } from '../../backend/backend.ts'
import type { RouteBackend } from '../../backend/route-backend.ts'
import { RelayError } from '../../errors.ts'
import { within } from '../../exchange/border.ts'
import type { Reply } from '../../exchange/app-answer.ts'
import type { Exchange, VisitorResponse } from '../../exchange/exchange.ts'
import type { Lane, Tunnel } from '../../tunnel/tunnel.ts'
import { LASTING_AFTER_MS } from './deadlines.ts'
import type { Watched } from './deadlines.ts'
import { readEarlyHints } from './early-hints.ts'
import type { TransferParts } from './transfer-parts.ts'
import { filterTrailers } from './headers.ts'
import type { VisitorHead } from './headers.ts'
import { noTunnelError, refusedHead } from './refusal.ts'

/** So much is read of an answer that nobody gets, to keep its stream: a new one costs less than more bytes. */
export const DISCARDED_MAX_BYTES = 64 * 1024

/** The source of the app's answer. */
interface Pausable {
  pause(): unknown
  resume(): unknown
}

export abstract class Transfer implements Watched {
  place = -1
  readonly exchange: Exchange
  protected readonly backend: RouteBackend
  protected readonly parts: TransferParts
  protected tried: Set<Tunnel> | undefined
  /** The tunnel that has the exchange now. */
  protected tunnel: Tunnel | undefined
  protected lastFailure: StreamReply | Error | undefined
  protected headSent = false
  /** The visitor's side has the whole answer. */
  protected answerDone = false
  /** Another answer replaces the app's. */
  protected isReplaced = false
  #discarded = 0
  /** Callbacks for the moment when the rules for responses have decided. */
  #held: (() => void)[] | undefined
  /** Monotonic milliseconds. */
  protected lastProgress: number
  protected readonly onVisitorClose = within(this, () => this.#end())
  #waitsForVisitor = false
  #isLasting: boolean
  #isOver = false
  #resolve: () => void = nothing
  #reject: (error: RelayError) => void = nothing

  /**
   * @param tried tunnels that another transfer has tried before
   * @param isLasting whether it counts from the start as long-lived, like WebSockets
   */
  constructor(
    exchange: Exchange,
    backend: RouteBackend,
    parts: TransferParts,
    tried: Set<Tunnel> | undefined,
    isLasting = false,
  ) {
    this.exchange = exchange
    this.backend = backend
    this.parts = parts
    this.tried = tried
    this.lastProgress = exchange.startedAt
    this.#isLasting = isLasting
  }

  /**
   * Forwards; resolves when the visitor's answer has been sent or the visitor is gone.
   *
   * @param first the destination of the first attempt, undefined without one
   * @throws RelayError, later, if no part of an answer has reached the visitor
   */
  run(first: Destination | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
      try {
        this.#start(first)
      } catch (error) {
        this.fault(error)
      }
    })
  }

  #start(first: Destination | undefined): void {
    const end = this.visitorEnd
    end.on('close', this.onVisitorClose)
    if (end.destroyed) return this.#end()
    this.parts.deadlines.add(this)
    this.#go(first, false)
  }

  protected get isOver(): boolean {
    return this.#isOver
  }

  // ── what its kinds say ─────────────────────────────────────────────────────────────────────────

  /** Whether it can carry the exchange to this tunnel's app. */
  protected abstract speaks(tunnel: Tunnel): boolean
  /** Sends the exchange to a tunnel, now or later. */
  protected abstract send(tunnel: Tunnel): void
  /** Whether no part of the request has been read yet, so that another kind of transfer may take it over. */
  protected abstract get isUnread(): boolean
  /** Closes its stream or connection to the app at once, if it has one. */
  protected abstract drop(): void
  /** The source of the answer, while there is one. */
  protected abstract get source(): Pausable | undefined
  /** Called when nothing has moved for this time: finds out for whom the relay waits, and acts. */
  protected abstract wait(seconds: number): void

  /** The object that closes when the visitor has everything, or has left. */
  protected get visitorEnd(): Pick<VisitorResponse, 'destroyed' | 'off'> & {
    on(event: 'close', listener: () => void): unknown
  } {
    return this.exchange.response
  }

  // ── towards the app ────────────────────────────────────────────────────────────────────────────

  /** @param isRetry whether it counts against the retry budget */
  protected attempt(isRetry = false): void {
    this.#go(this.backend.pick(this.exchange, this.tried), isRetry)
  }

  #go(destination: Destination | undefined, isRetry: boolean): void {
    if (!destination) return this.giveUp()
    if (destination instanceof FixedResponse) return this.answerWith(destination)
    if (isRetry && !this.backend.budget.take(performance.now())) return this.giveUp()
    if (this.speaks(destination)) this.send(destination)
    else this.#handOver(destination)
  }

  /** Another kind takes over from here. A request that has been read stays with its kind. */
  #handOver(tunnel: Tunnel): void {
    if (!this.isUnread) {
      this.noteFailure(tunnel, this.lastFailure ?? new Error('the app speaks another version of HTTP'))
      return this.attempt()
    }
    this.#isOver = true
    this.parts.deadlines.remove(this)
    this.parts.forwardTo(tunnel, this.exchange, this.backend, this.tried).then(this.#resolve, this.#reject)
  }

  /** The tunnel has the exchange from now on. */
  protected enter(tunnel: Tunnel): void {
    this.tunnel = tunnel
    if (this.#isLasting) tunnel.lasting++
    else tunnel.inFlight++
    tunnel.lastRequestAt = this.exchange.startedAt
    this.exchange.tunnelId = tunnel.id
    this.exchange.attemptsUnproven++
  }

  /** The tunnel no longer has it. */
  protected leave(): void {
    if (!this.tunnel) return
    if (this.#isLasting) this.tunnel.lasting--
    else this.tunnel.inFlight--
    this.tunnel = undefined
  }

  /** From now on it counts as long-lived, because it is usually silent and does not show how busy the app is. */
  protected last(): void {
    if (this.#isLasting || !this.tunnel) return
    this.#isLasting = true
    this.tunnel.inFlight--
    this.tunnel.lasting++
  }

  /** One connection of the agent is lost or silent; if the agent has another one, the same tunnel may serve. */
  protected leaveLane(lane: Lane, failure: Error): void {
    if (!lane.isOnline && lane.tunnel.isOnline) this.lastFailure = failure
    else this.noteFailure(lane.tunnel, failure)
    if (!this.#isOver) this.attempt(true)
  }

  protected noteFailure(tunnel: Tunnel, failure: StreamReply | Error): void {
    this.tried ??= new Set()
    this.tried.add(tunnel)
    this.lastFailure = failure
  }

  /** The last attempt is proven to have brought nothing of the request to an app. */
  protected proveUnsent(): void {
    this.exchange.attemptsUnproven--
  }

  protected giveUp(): void {
    const error = noTunnelError(this.backend, this.tried?.size ?? 0, this.lastFailure)
    error.isUnsent = this.exchange.attemptsUnproven === 0 && this.isUntouched
    if (error.isUnsent) this.visitorEnd.off('close', this.onVisitorClose) // further transfers may follow
    this.fail(error)
  }

  /** Whether the request is still as the visitor has sent it: another transfer could begin. */
  protected get isUntouched(): boolean {
    return this.isUnread
  }

  // ── towards the visitor ────────────────────────────────────────────────────────────────────────

  protected answerWith(fixed: FixedResponse): void {
    this.answerDone = true
    const decided = fixed.decide(this.exchange)
    if (decided) this.hold(decided, () => fixed.answer(this.exchange))
    else fixed.answer(this.exchange)
  }

  /**
   * Holds the head while asynchronous rules for responses decide. The app is not read meanwhile, and data that came with
   * the head is kept.
   * @param decided rejects with a refusal
   * @param goOn passes the head
   */
  protected hold(decided: Promise<void>, goOn: () => void): void {
    this.#held = [goOn]
    this.source?.pause()
    const release = within(this, () => {
      const held = this.#held ?? []
      this.#held = undefined
      this.lastProgress = performance.now()
      this.source?.resume()
      for (const each of held) if (!this.#isOver) each()
    })
    const refuse = within(this, (error: unknown) => {
      this.#held = undefined
      if (!this.#isOver) this.fault(error)
    })
    decided.then(release, refuse)
  }

  protected get isHolding(): boolean {
    return this.#held !== undefined
  }

  /** Keeps an event of the app until the held head has passed. */
  protected keep(event: () => void): void {
    this.#held?.push(event)
  }

  /** RFC 9110 15.2: a proxy passes on interim responses that it has not requested itself. */
  protected inform(status: number, rawHeaders: readonly string[]): void {
    this.lastProgress = performance.now()
    const { response, request } = this.exchange
    if (status === 100) {
      if (this.exchange.header('expect') !== undefined) response.writeContinue()
    } else if (request.httpVersionMinor === 0 || status === 101) {
      // HTTP/1.0 has none of them; 101 is meaningful only after an upgrade request (RFC 9113 8.6).
    } else if (status === 103) {
      const links = readEarlyHints(rawHeaders)
      if (links.length > 0) response.writeHints(links)
    } else response.writeInterim(status)
  }

  /** An answer has begun: informs the backend, and sets the sticky cookie if the route has one. */
  protected noteAnswer(status: number, headers: string[]): void {
    const tunnel = this.tunnel! // this tunnel answers
    this.lastProgress = performance.now()
    this.backend.note(this.exchange, tunnel, status >= 500, this.lastProgress)
    this.exchange.noteAppAnswer(status)
    const cookie = this.backend.cookieFor(this.exchange, tunnel)
    if (cookie !== undefined) headers.push('Set-Cookie', cookie)
  }

  /** @returns whether the visitor's side has taken it; if not, the exchange has ended */
  protected answerHead(status: number, { headers, isEventStream }: VisitorHead): boolean {
    this.noteAnswer(status, headers)
    if (isEventStream) this.last()
    this.headSent = true
    try {
      this.exchange.response.writeHead(status, headers)
      return true
    } catch (error) {
      this.fail(refusedHead(error))
      return false
    }
  }

  /**
   * A rule for responses answers in the app's place. The rest of the app's answer is read and dropped until the visitor
   * has that answer, so that a stream whose answer is short can be used again.
   * @param status of the app
   */
  protected answerInstead(status: number, { status: own, headers, body }: Reply): void {
    this.noteAnswer(status, [])
    this.headSent = true
    this.answerDone = true
    this.isReplaced = true
    try {
      this.exchange.respond(own, headers, body)
    } catch (error) {
      this.fail(refusedHead(error))
    }
  }

  /** A piece of an answer that nobody gets. */
  protected discard({ length }: Buffer): void {
    this.#discarded += length
    if (this.#discarded > DISCARDED_MAX_BYTES) this.drop()
  }

  protected answerBody(chunk: Buffer): void {
    const { response } = this.exchange
    if (response.write(chunk) || this.#waitsForVisitor) return
    this.#waitsForVisitor = true
    this.source?.pause()
    response.once(
      'drain',
      within(this, () => {
        this.#waitsForVisitor = false
        this.lastProgress = performance.now()
        this.source?.resume()
      }),
    )
  }

  /** @param listed the names in the answer's `Connection` */
  protected answerTrailers(rawTrailers: readonly string[], listed: ReadonlySet<string> | undefined): void {
    const { request, response, responseEdits } = this.exchange
    if (this.#isOver || this.isReplaced || request.httpVersionMinor === 0) return
    response.addTrailers(filterTrailers(rawTrailers, responseEdits, listed))
  }

  // ── ends ───────────────────────────────────────────────────────────────────────────────────────

  /** A listener of ours threw: only this exchange ends. If it has ended already, the fault is only reported. */
  fault(thrown: unknown): void {
    if (this.#isOver) this.parts.onFault(thrown, 'exchange')
    else this.fail(thrown instanceof RelayError ? thrown : new RelayError('internal', { cause: thrown }))
  }

  protected fail(error: RelayError): void {
    if (!this.#isOver) this.#end(error)
  }

  #end(error?: RelayError): void {
    this.drop()
    this.settle(error)
  }

  protected settle(error?: RelayError): void {
    if (this.#isOver) return
    this.#isOver = true
    this.leave()
    this.parts.deadlines.remove(this)
    if (error) this.#reject(error)
    else this.#resolve()
  }

  tick(now: number): void {
    const seconds = (now - this.lastProgress) / 1000
    if (!this.#waitsForVisitor && !this.answerDone) this.wait(seconds)
    else if (seconds > this.parts.timeouts.visitor_stall_seconds) {
      this.exchange.cut(new Error('the visitor takes no bytes'))
    }
  }

  /** The app has the request, and has not begun to answer. @param waitsForBody whether the visitor is still sending it */
  protected waitForAnswer(seconds: number, waitsForBody: boolean): void {
    const { timeouts } = this.parts
    if (waitsForBody && seconds > timeouts.request_stall_seconds) this.fail(new RelayError('request_timeout'))
    else if (seconds > timeouts.app_answer_seconds) this.fail(new RelayError('app_timeout', { detail: 'no answer' }))
  }

  /** The answer has begun. */
  protected waitForMore(seconds: number): void {
    if (seconds > this.parts.timeouts.app_stall_seconds) {
      this.fail(new RelayError('app_timeout', { detail: 'the response has stalled' }))
    } else if (seconds * 1000 > LASTING_AFTER_MS) this.last()
  }
}

function nothing(): void {
  // Until it runs.
}
