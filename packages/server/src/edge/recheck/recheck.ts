// Decides again about exchanges under way when edges have changed, so that a tightened policy also holds for WebSockets and
// downloads that began before. Ordinary requests finish. All exchanges are looked at together, a moment after a change: requests
// pay nothing for it, and many changes in a row cost one look.
//
//   edges change ──LOOK_MS──▶ look ──▶ stays │ cut │ cut when its time is up ──▶ look
//
// An exchange is compared with the edge to which its host leads now:
//   - the same edge, or a policy that is as strict as before: it stays, whatever else has changed
//   - no edge, a closed one, or one with another id: cut after GRACE_MS
//   - other sign-ins: those are asked about its session, and cut it at once if they would refuse it
//   - other rules, or no session: an upgrade is cut at once, and a request that has run for GRACE_MS

import type { OnFault } from '../../exchange/border.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { Forwarder } from '../../forward/forwarder.ts'
import type { Logger } from '../../log.ts'
import type { LiveSession, SessionGate, SessionUse } from '../../session/live-session.ts'
import { checkSession } from '../../session/session-check.ts'
import type { EdgeBook } from '../edge-book.ts'
import type { Edge } from '../edge.ts'
import type { Route } from '../route.ts'
import { changeBetween } from './policy-change.ts'
import type { PolicyChange } from './policy-change.ts'
import { stopsOf } from './stops.ts'
import type { Stop } from './stops.ts'

const LOOK_MS = 200 // an agent that comes back, or a script, changes many edges one after the other
const GRACE_MS = 10_000 // so long an ordinary request may take

export interface RecheckInit {
  readonly book: Pick<EdgeBook, 'at' | 'whenChanged'>
  readonly forwarder: Pick<Forwarder, 'underWay' | 'noteChange' | 'whenLate'>
  readonly sessionUses: () => Iterable<[session: LiveSession, use: SessionUse]>
  readonly log: Logger
  readonly onFault: OnFault
  /** Shorter in tests. */
  readonly graceMs?: number | undefined
}

/** A stop whose sign-ins have changed, with its present edge and route. */
interface Doubt {
  readonly stop: Stop
  readonly edge: Edge
  readonly route: Route
  /** The uses of sessions there, each with the sign-in that admits it now. */
  readonly admitted: [SessionUse, SessionGate][]
}

/** `lost`: its edge does not serve it any more. Doubts: only sessions can tell. */
type Finding = 'stays' | 'lost' | 'rules' | readonly Doubt[]

export class Recheck {
  readonly #init: RecheckInit
  readonly #graceMs: number
  /** Since when an exchange has no edge. */
  readonly #lostAt = new WeakMap<Exchange, number>()
  #timer: NodeJS.Timeout | undefined
  /** The time of the next look. */
  #lookAt = Infinity
  #isClosed = false

  constructor(init: RecheckInit) {
    const { book, forwarder, graceMs = GRACE_MS } = init
    this.#init = init
    this.#graceMs = graceMs
    forwarder.whenLate(() => this.#lookIn(LOOK_MS))
    book.whenChanged(() => {
      forwarder.noteChange()
      this.#lookIn(LOOK_MS)
    })
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  #lookIn(ms: number): void {
    const at = performance.now() + ms
    if (this.#isClosed || at >= this.#lookAt) return
    clearTimeout(this.#timer)
    this.#lookAt = at
    this.#timer = setTimeout(() => this.#look(), ms).unref()
  }

  #look(): void {
    this.#lookAt = Infinity
    const look = new Look(this.#init, this.#graceMs, this.#lostAt)
    try {
      look.atAll()
    } catch (error) {
      this.#init.onFault(error, 'exchange')
    }
    if (look.cuts > 0) {
      this.#init.log.info({ count: look.cuts }, 'exchanges under way were cut, because their edges have changed')
    }
    if (look.next < Infinity) this.#lookIn(Math.max(1, Math.ceil(look.next - look.now)))
  }
}

/** One look at all exchanges under way. */
class Look {
  readonly now = performance.now()
  /** When the time of the next one is up. */
  next = Infinity
  cuts = 0
  readonly #init: RecheckInit
  readonly #graceMs: number
  readonly #lostAt: WeakMap<Exchange, number>
  readonly #compared = new Map<Route, Map<Route, PolicyChange>>()

  constructor(init: RecheckInit, graceMs: number, lostAt: WeakMap<Exchange, number>) {
    this.#init = init
    this.#graceMs = graceMs
    this.#lostAt = lostAt
  }

  atAll(): void {
    const doubtful = new Map<Exchange, readonly Doubt[]>()
    for (const exchange of this.#init.forwarder.underWay()) {
      if (exchange.cutReason) continue
      try {
        const doubts = this.#at(exchange)
        if (doubts) doubtful.set(exchange, doubts)
      } catch (error) {
        this.#init.onFault(error, 'exchange') // the others still get their turn
        this.#cut(exchange, 'the relay failed to look at it')
      }
    }
    if (doubtful.size > 0) this.#askSessions(doubtful)
  }

  /** @returns doubts that only its sessions can settle */
  #at(exchange: Exchange): readonly Doubt[] | undefined {
    const finding = this.#find(exchange)
    if (finding !== 'lost') this.#lostAt.delete(exchange)
    if (finding === 'stays') return undefined
    if (finding === 'lost') this.#lose(exchange)
    else if (finding === 'rules') this.#end(exchange)
    else return finding
    return undefined
  }

  #find(exchange: Exchange): Finding {
    const doubts: Doubt[] = []
    for (const stop of stopsOf(exchange)) {
      const edge = this.#init.book.at(stop.host)
      if (edge === stop.edge) continue
      const route = edge && !edge.closed && edge.id === stop.edge.id ? routeAt(edge, stop.path) : undefined
      if (!edge || !route) return 'lost'
      const change = this.#changeAt(stop, edge, route)
      if (change === 'rules') return 'rules'
      if (change === 'sign-ins') doubts.push({ stop, edge, route, admitted: [] })
    }
    return doubts.length > 0 ? doubts : 'stays'
  }

  #changeAt({ edge: before, route: earlier }: Stop, edge: Edge, route: Route): PolicyChange {
    const compared = this.#compared.get(earlier) ?? new Map<Route, PolicyChange>()
    this.#compared.set(earlier, compared)
    const change =
      compared.get(route) ??
      changeBetween(
        { onConnect: before.onConnect, policy: earlier.config.policy },
        { onConnect: edge.onConnect, policy: route.config.policy },
      )
    compared.set(route, change)
    return change
  }

  #askSessions(doubtful: Map<Exchange, readonly Doubt[]>): void {
    const now = Date.now()
    for (const [session, use] of this.#init.sessionUses()) {
      const { exchange } = use
      const doubt = doubtful.get(exchange)?.find(({ stop }) => placeOf(use, stop.route) !== -1)
      if (!doubt) continue
      const gates = doubt.route.gates?.[placeOf(use, doubt.stop.route)] ?? []
      const gate = gates.find((each) => admits(each, session, exchange, now))
      if (gate) doubt.admitted.push([use, gate])
      else if (doubtful.delete(exchange)) this.#cut(exchange, 'the policy has changed, and does not admit this session')
    }
    for (const [exchange, doubts] of doubtful) {
      if (doubts.every(({ admitted }) => admitted.length > 0)) doubts.forEach(settle)
      else this.#end(exchange) // it has passed a sign-in without a session
    }
  }

  /** It has no edge any more. */
  #lose(exchange: Exchange): void {
    const since = this.#lostAt.get(exchange) ?? this.now
    this.#lostAt.set(exchange, since)
    this.#cutAt(since + this.#graceMs, exchange, 'its edge does not serve it any more')
  }

  /** The policy has changed, and cannot be asked. */
  #end(exchange: Exchange): void {
    const at = exchange.upgrade ? this.now : exchange.startedAt + this.#graceMs
    this.#cutAt(at, exchange, 'the policy has changed')
  }

  #cutAt(at: number, exchange: Exchange, reason: string): void {
    if (at <= this.now) this.#cut(exchange, reason)
    else this.next = Math.min(this.next, at)
  }

  #cut(exchange: Exchange, reason: string): void {
    this.cuts++
    exchange.cut(new Error(reason))
  }
}

/** Undefined if the path leads nowhere, or is refused because two readers could disagree. */
function routeAt(edge: Edge, path: string): Route | undefined {
  try {
    return edge.routeFor(path)
  } catch {
    return undefined // a visitor would be refused as well
  }
}

/** The place of a use among the actions of a route that have sign-ins; -1 if it is of another route. */
function placeOf(use: SessionUse, { gates = [] }: Route): number {
  return gates.findIndex((ways) => ways.some((gate) => gate === use.route))
}

function admits(gate: SessionGate, session: LiveSession, exchange: Exchange, now: number): boolean {
  return checkSession(session, gate.rules, now).ok && gate.admits(session) && gate.takesOriginOf(exchange)
}

/** From now on the exchange is subject to the present sign-ins: the provider may send other claims while it lasts. */
function settle({ stop, edge, route, admitted }: Doubt): void {
  for (const [use, gate] of admitted) use.route = gate
  stop.move(edge, route)
}
