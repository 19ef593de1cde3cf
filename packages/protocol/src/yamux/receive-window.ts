// How much a peer may send on one stream. Credit is given for bytes that were read, never for bytes that merely
// arrived, and in steps of a quarter of a window, so that a busy stream costs one update per 64 KiB. The window follows
// 2 x delivered rate x minimum round trip: wide on long fat paths, small where a deep queue would only hurt others. Where
// memory is short the window of a reader who lags behind falls below what every stream begins with: credit cannot be
// recalled, but it need not be given again.
// Pure: the clock is passed in.

import { INITIAL_WINDOW_BYTES } from './frame.ts'

// On a short path the round trip of a ping says little: two busy event loops take their turns in between, and a window
// that covers the wire alone leaves them waiting for each other. All of a window may stand in the sockets' buffers,
// though, where nothing overtakes it: with 2 ms a download on loopback kept others waiting for 6 ms and was no faster.
const TURNAROUND_MS = 0.5

// What was read and not yet credited is missing on the path. With half a window missing, a round trip carries half a
// window, twice that is the window again, and it never grows: 3 MB/s over 100 ms, whatever the path could take.
const GRANT_PART = 1 / 4

/** What a slow reader still gets where memory is short: at 64 KiB a second half a second's worth. */
export const SMALLEST_WINDOW_BYTES = 32 * 1024

export class ReceiveWindow {
  #credit = INITIAL_WINDOW_BYTES
  #target = INITIAL_WINDOW_BYTES
  #epochStart: number | undefined
  #epochBytes = 0

  /** What the peer may hold outstanding: credit it has plus bytes nobody has read. */
  get target(): number {
    return this.#target
  }

  /** Takes the credit for an arriving frame; false when the peer did not have it. */
  spend(bytes: number): boolean {
    if (bytes > this.#credit) return false
    this.#credit -= bytes
    return true
  }

  /** Whether enough was read that `grant` would give something. Cheap: it is asked after every read. */
  isGrantDue(unread: number): boolean {
    return this.#target - this.#credit - unread >= this.#target * GRANT_PART
  }

  /**
   * Credit to send to the peer now.
   * @param unread bytes that arrived and wait for the reader
   * @param ceiling the largest window allowed now; below the initial one for those who lag behind, not for the others
   * @param now milliseconds of a monotonic clock
   * @param minRoundTripMs shortest round trip seen; without one the window does not grow
   */
  grant(unread: number, ceiling: number, now: number, minRoundTripMs: number | undefined): number {
    const read = this.#target - this.#credit - unread
    // Who keeps up has read what has come; with more than half of the window lying here it is the reader who is slow.
    const isBehind = unread * 2 > this.#target
    if (isBehind && ceiling < INITIAL_WINDOW_BYTES) this.#target = Math.max(ceiling, Math.floor(this.#target / 2))
    else if (minRoundTripMs !== undefined) this.#tune(read, ceiling, now, minRoundTripMs, isBehind)
    const granted = Math.max(0, this.#target - this.#credit - unread)
    this.#credit += granted
    return granted
  }

  #tune(read: number, ceiling: number, now: number, minRoundTripMs: number, isBehind: boolean): void {
    if (this.#epochStart === undefined) {
      this.#epochStart = now
      return
    }
    this.#epochBytes += read
    const elapsed = now - this.#epochStart
    // A window arrives as a burst; only over a whole round trip is its speed the path's speed.
    if (elapsed < minRoundTripMs || elapsed <= 0) return
    const wanted = (2 * this.#epochBytes * Math.max(minRoundTripMs, TURNAROUND_MS)) / elapsed
    // A pause of the reader halves the window at most, so that one slow moment does not start from nothing.
    const next = Math.max(wanted, this.#target / 2)
    const isShort = this.#target < INITIAL_WINDOW_BYTES
    if (!isShort) this.#target = Math.floor(Math.max(INITIAL_WINDOW_BYTES, Math.min(ceiling, next)))
    // Step by step: where all come back at once, memory would be short again before anybody had seen it.
    else if (!isBehind && ceiling >= INITIAL_WINDOW_BYTES) this.#target *= 2
    this.#epochStart = now
    this.#epochBytes = 0
  }
}
