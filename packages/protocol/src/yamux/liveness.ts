// Finds out whether the peer is alive and how far away it is: a ping at intervals, and a limit on silence. Silence is
// measured on raw bytes, since a large message is silent until it is complete. It does not know about streams.

import { ProtocolError } from '../process/errors.ts'

/** The session, as far as this needs it. */
export interface LivenessHost {
  /** Raw bytes seen from the peer so far. */
  bytesRead(): number
  /** Sends a ping with this number. */
  sendPing(opaque: number): void
  onSilent(): void
}

export interface LivenessOptions {
  pingIntervalMs: number
  silenceLimitMs: number
}

interface Ping {
  readonly opaque: number
  readonly sentAt: number
  waiting: Array<{ resolve: (roundTripMs: number) => void; reject: (error: ProtocolError) => void }> | undefined
}

const FIRST_PINGS = 5 // one after the other, at once
// Looks per silence limit: the peer is declared dead at most a sixth late, because two looks may each be late by one.
const LOOKS_PER_LIMIT = 12
// Pings that may wait for an answer at once; further callers share the last one.
const PINGS_AT_MOST = 16

const NONE: readonly Ping[] = []

export class Liveness {
  readonly #host: LivenessHost
  readonly #pingIntervalMs: number
  readonly #silenceLimitMs: number
  readonly #timer: NodeJS.Timeout
  /** The pings that wait for an answer, the oldest first; nearly always one or none. */
  #pings: readonly Ping[] = NONE
  #nextOpaque = 0
  #lastPingAt: number
  #bytesHeard: number
  #heardAt: number
  #isSecondLook = false
  #isStopped = false
  #answers = 0
  #roundTripMs: number | undefined
  #minRoundTripMs: number | undefined

  constructor(host: LivenessHost, { pingIntervalMs, silenceLimitMs }: LivenessOptions) {
    this.#host = host
    this.#pingIntervalMs = pingIntervalMs
    this.#silenceLimitMs = silenceLimitMs
    const lookEveryMs = Math.max(1, Math.min(pingIntervalMs, silenceLimitMs / LOOKS_PER_LIMIT))
    this.#timer = setInterval(() => this.#look(), lookEveryMs)
    // The carrier's socket keeps the process alive, and only it should.
    this.#timer.unref()
    this.#bytesHeard = host.bytesRead()
    this.#heardAt = performance.now()
    this.#lastPingAt = this.#heardAt
    // The first round trip is needed before any window can grow.
    this.#send()
  }

  get roundTripMs(): number | undefined {
    return this.#roundTripMs
  }

  get minRoundTripMs(): number | undefined {
    return this.#minRoundTripMs
  }

  /** Resolves with the round trip in milliseconds; rejects when the session ends first. */
  ping(): Promise<number> {
    const shared = this.#pings.length >= PINGS_AT_MOST ? this.#pings.at(-1) : undefined
    const ping = shared ?? this.#send()
    return new Promise((resolve, reject) => (ping.waiting ??= []).push({ resolve, reject }))
  }

  /** The peer answered. An unsolicited answer is ignored, as hashicorp does. */
  answered(opaque: number): void {
    const ping = this.#pings.find((each) => each.opaque === opaque)
    if (!ping) return
    this.#pings = this.#pings.length === 1 ? NONE : this.#pings.filter((each) => each !== ping)
    const roundTripMs = performance.now() - ping.sentAt
    this.#roundTripMs = roundTripMs
    this.#minRoundTripMs = Math.min(this.#minRoundTripMs ?? roundTripMs, roundTripMs)
    for (const { resolve } of ping.waiting ?? []) resolve(roundTripMs)
    // The first answers come from a peer that is still starting; windows would take the path for a long one.
    if (++this.#answers < FIRST_PINGS && !this.#isStopped) this.#send()
  }

  stop(error: ProtocolError): void {
    if (this.#isStopped) return
    this.#isStopped = true
    clearInterval(this.#timer)
    for (const { waiting } of this.#pings) for (const { reject } of waiting ?? []) reject(error)
    this.#pings = NONE
  }

  #send(): Ping {
    const opaque = this.#nextOpaque
    this.#nextOpaque = (this.#nextOpaque + 1) >>> 0
    const ping: Ping = { opaque, sentAt: performance.now(), waiting: undefined }
    this.#pings = [...this.#pings, ping]
    this.#lastPingAt = ping.sentAt
    this.#host.sendPing(opaque)
    return ping
  }

  #look(): void {
    const now = performance.now()
    this.#listen(now)
    // One question of ours at a time: a second one would only queue behind the first.
    if (this.#pings.length === 0 && now - this.#lastPingAt >= this.#pingIntervalMs) this.#send()
    if (now - this.#heardAt < this.#silenceLimitMs || this.#isSecondLook) return
    // After a stall of the event loop timers run before sockets are read: the answer may be waiting there.
    this.#isSecondLook = true
    setImmediate(() => setImmediate(() => this.#lookAgain()))
  }

  #lookAgain(): void {
    this.#isSecondLook = false
    if (this.#isStopped) return
    if (!this.#listen(performance.now())) this.#host.onSilent()
  }

  #listen(now: number): boolean {
    const bytesRead = this.#host.bytesRead()
    if (bytesRead === this.#bytesHeard) return false
    this.#bytesHeard = bytesRead
    this.#heardAt = now
    return true
  }
}
