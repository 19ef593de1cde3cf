// Finds out whether the peer is alive and how far away it is: a ping at intervals, and a limit on silence. Silence is
// measured on raw bytes, since a large message is silent until it is complete. Knows nothing of streams.

import { ProtocolError } from '../errors.ts'

export interface LivenessOptions {
  pingIntervalMs: number
  silenceLimitMs: number
  /** Raw bytes seen from the peer so far. */
  bytesRead: () => number
  /** Sends a ping that bears this number. */
  sendPing: (opaque: number) => void
  onSilent: () => void
}

interface Ping {
  sentAt: number
  waiting: Array<{ resolve: (roundTripMs: number) => void; reject: (error: ProtocolError) => void }>
}

const FIRST_PINGS = 5 // one after the other, at once
// Looks per silence limit: the peer is declared dead at most a sixth late, because two looks may each be late by one.
const LOOKS_PER_LIMIT = 12
// Pings that may wait for an answer at once; callers beyond it share the last one.
const PINGS_AT_MOST = 16

export class Liveness {
  readonly #options: LivenessOptions
  readonly #timer: NodeJS.Timeout
  readonly #pings = new Map<number, Ping>()
  #lastPing: Ping | undefined
  #nextOpaque = 0
  #lastPingAt: number
  #bytesHeard: number
  #heardAt: number
  #isSecondLook = false
  #isStopped = false
  #answers = 0
  #roundTripMs: number | undefined
  #minRoundTripMs: number | undefined

  constructor(options: LivenessOptions) {
    this.#options = options
    const lookEveryMs = Math.max(1, Math.min(options.pingIntervalMs, options.silenceLimitMs / LOOKS_PER_LIMIT))
    this.#timer = setInterval(() => this.#look(), lookEveryMs)
    // The carrier's socket keeps the process alive, and only it should.
    this.#timer.unref()
    this.#bytesHeard = options.bytesRead()
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
    const shared = this.#pings.size >= PINGS_AT_MOST ? this.#lastPing : undefined
    const ping = shared ?? this.#send()
    return new Promise((resolve, reject) => ping.waiting.push({ resolve, reject }))
  }

  /** The peer answered. An answer to a question nobody asked is ignored, as hashicorp does. */
  answered(opaque: number): void {
    const ping = this.#pings.get(opaque)
    if (!ping) return
    this.#pings.delete(opaque)
    const roundTripMs = performance.now() - ping.sentAt
    this.#roundTripMs = roundTripMs
    this.#minRoundTripMs = Math.min(this.#minRoundTripMs ?? roundTripMs, roundTripMs)
    for (const { resolve } of ping.waiting) resolve(roundTripMs)
    // The first answers meet a peer that is still starting, and windows would believe in a long path.
    if (++this.#answers < FIRST_PINGS && !this.#isStopped) this.#send()
  }

  stop(error: ProtocolError): void {
    if (this.#isStopped) return
    this.#isStopped = true
    clearInterval(this.#timer)
    for (const ping of this.#pings.values()) for (const { reject } of ping.waiting) reject(error)
    this.#pings.clear()
  }

  #send(): Ping {
    const opaque = this.#nextOpaque
    this.#nextOpaque = (this.#nextOpaque + 1) >>> 0
    const ping: Ping = { sentAt: performance.now(), waiting: [] }
    this.#pings.set(opaque, ping)
    this.#lastPing = ping
    this.#lastPingAt = ping.sentAt
    this.#options.sendPing(opaque)
    return ping
  }

  #look(): void {
    const now = performance.now()
    this.#listen(now)
    // One question of ours at a time: a second one would only queue behind the first.
    if (this.#pings.size === 0 && now - this.#lastPingAt >= this.#options.pingIntervalMs) this.#send()
    if (now - this.#heardAt < this.#options.silenceLimitMs || this.#isSecondLook) return
    // After a stall of the event loop timers run before sockets are read: the answer may be lying there.
    this.#isSecondLook = true
    setImmediate(() => setImmediate(() => this.#lookAgain()))
  }

  #lookAgain(): void {
    this.#isSecondLook = false
    if (this.#isStopped) return
    if (!this.#listen(performance.now())) this.#options.onSilent()
  }

  #listen(now: number): boolean {
    const bytesRead = this.#options.bytesRead()
    if (bytesRead === this.#bytesHeard) return false
    this.#bytesHeard = bytesRead
    this.#heardAt = now
    return true
  }
}
