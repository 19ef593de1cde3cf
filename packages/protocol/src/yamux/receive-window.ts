// How much a peer may send on one stream. Credit is given for bytes that were read, never for bytes that merely
// arrived, and in steps of a quarter of a window, so that a busy stream costs one update per 64 KiB. The window follows
// 2 x delivered rate x minimum round trip: wide on long fat paths, small if a deep queue would only hurt others. If
// memory is short, the window of a slow reader falls below the initial window: credit cannot be recalled, but it need
// not be given again. Pure: the clock is passed in.

import { INITIAL_WINDOW_BYTES } from './frame.ts'

// On a short path the round trip of a ping says little: two busy event loops take their turns in between, and with a
// window that covers only the wire they wait for each other. But a whole window may sit in the sockets' buffers, where
// nothing overtakes it: with 2 ms a download on loopback delayed others by 6 ms and was no faster.
const TURNAROUND_MS = 0.5

// Bytes that were read but not yet credited are missing on the path. With half a window missing, a round trip carries
// half a window, twice that is the window again, and it never grows: 3 MB/s over 100 ms on any path.
const GRANT_PART = 1 / 4

/** The window of a slow reader if memory is short: half a second's worth at 64 KiB a second. */
export const SMALLEST_WINDOW_BYTES = 32 * 1024

export class ReceiveWindow {
  #credit = INITIAL_WINDOW_BYTES
  #target = INITIAL_WINDOW_BYTES
  #epochStart: number | undefined
  #epochBytes = 0

  /** The most that the peer may have outstanding: its credit plus unread bytes. */
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
   * @param ceiling the largest window allowed now; below the initial one for slow readers only
   * @param now milliseconds of a monotonic clock
   * @param minRoundTripMs shortest round trip seen; without one the window does not grow
   */
  grant(unread: number, ceiling: number, now: number, minRoundTripMs: number | undefined): number {
    const read = this.#target - this.#credit - unread
    // A reader that keeps up has read everything that came; if more than half of the window is unread, the reader is
    // slow.
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
    // Step by step: if all windows recovered at once, memory would be short again before that was noticed.
    else if (!isBehind && ceiling >= INITIAL_WINDOW_BYTES) this.#target *= 2
    this.#epochStart = now
    this.#epochBytes = 0
  }
}
