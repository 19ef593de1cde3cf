// Counts events by key over a sliding window of two counters: those of the current window, and those of the window before,
// weighted by how much of it is still inside. Any number of counters share one room, which is bounded. When it is full,
// the least busy of the few buckets that were used longest ago is forgotten. So nobody can make the room forget a busy
// bucket by filling it. Pure: the clock is an argument.

// How many of the oldest buckets are compared when one must be forgotten.
const OLDEST_COMPARED = 8

interface Bucket {
  readonly counter: SlidingCounter
  readonly key: string
  /** When the current window of this key began: at its first event. */
  since: number
  current: number
  previous: number
  /** The list of all buckets in the order of their last use. */
  older: Bucket | undefined
  newer: Bucket | undefined
}

export class CounterRoom {
  readonly #bucketsMax: number
  readonly #onSize: ((change: 1 | -1) => void) | undefined
  #size = 0
  #oldest: Bucket | undefined
  #newest: Bucket | undefined

  /** @param onSize called for every bucket that is added or removed */
  constructor(bucketsMax: number, onSize?: (change: 1 | -1) => void) {
    this.#bucketsMax = bucketsMax
    this.#onSize = onSize
  }

  /** How many buckets there are. */
  get size(): number {
    return this.#size
  }

  /** A counter whose buckets are in this room. @param windowMs the length of its window */
  counter(windowMs: number): SlidingCounter {
    return new SlidingCounter(this, windowMs)
  }

  /** Called by counters. The newest place is that of the last use. */
  touch(bucket: Bucket): void {
    if (bucket === this.#newest) return
    this.#unlink(bucket)
    this.#append(bucket)
  }

  /** Called by counters. */
  add(bucket: Bucket, now: number): void {
    this.#append(bucket)
    this.#size++
    this.#onSize?.(1)
    // Two buckets are checked for each that is added, so that a room empties by itself.
    for (let i = 0; i < 2 && this.#oldest && this.#oldest !== bucket && isOver(this.#oldest, now); i++) {
      this.#oldest.counter.forget(this.#oldest.key)
    }
    if (this.#size > this.#bucketsMax) this.forgetOne(now)
  }

  /** Called by counters. */
  remove(bucket: Bucket): void {
    this.#unlink(bucket)
    this.#size--
    this.#onSize?.(-1)
  }

  /** Forgets the least busy one of the oldest buckets. */
  forgetOne(now: number): void {
    let least = this.#oldest
    let candidate = least?.newer
    for (let i = 1; i < OLDEST_COMPARED && least && candidate && candidate !== this.#newest; i++) {
      if (rateOf(candidate, now) < rateOf(least, now)) least = candidate
      candidate = candidate.newer
    }
    least?.counter.forget(least.key)
  }

  #append(bucket: Bucket): void {
    bucket.older = this.#newest
    bucket.newer = undefined
    if (this.#newest) this.#newest.newer = bucket
    else this.#oldest = bucket
    this.#newest = bucket
  }

  #unlink(bucket: Bucket): void {
    const { older, newer } = bucket
    if (older) older.newer = newer
    else this.#oldest = newer
    if (newer) newer.older = older
    else this.#newest = older
  }
}

export class SlidingCounter {
  readonly windowMs: number
  readonly #room: CounterRoom
  readonly #buckets = new Map<string, Bucket>()

  /** Made by `CounterRoom.counter()`. */
  constructor(room: CounterRoom, windowMs: number) {
    this.#room = room
    this.windowMs = windowMs
  }

  /** The events of a key in the last window. This call does not count as a use of the bucket. */
  rate(key: string, now: number): number {
    const bucket = this.#buckets.get(key)
    return bucket ? rateOf(bucket, now) : 0
  }

  /** Counts events. */
  add(key: string, now: number, events = 1): void {
    const bucket = this.#use(key, now)
    roll(bucket, now)
    bucket.current += events
  }

  /**
   * Counts one event, unless there have been `capacity` events in the last window. A refusal is not counted as an
   * event, but it counts as a use of the bucket.
   * @returns 0 if the event was counted; otherwise the milliseconds until an event would be counted, more than 0
   */
  take(key: string, capacity: number, now: number): number {
    const bucket = this.#use(key, now)
    roll(bucket, now)
    const { current, previous } = bucket
    const elapsed = now - bucket.since
    const { windowMs } = this
    if (current + previous * (1 - elapsed / windowMs) < capacity) {
      bucket.current++
      return 0
    }
    // The weight of the previous window falls until there is room. If the current window is full, it must become the
    // previous one first.
    const wait =
      current < capacity
        ? windowMs * (1 - (capacity - current) / previous) - elapsed
        : windowMs - elapsed + windowMs * (1 - capacity / current)
    return Math.max(wait, 1)
  }

  /** Called by the room. */
  forget(key: string): void {
    const bucket = this.#buckets.get(key)
    if (!bucket) return
    this.#buckets.delete(key)
    this.#room.remove(bucket)
  }

  /** Gives its place back. */
  close(): void {
    for (const key of this.#buckets.keys()) this.forget(key)
  }

  #use(key: string, now: number): Bucket {
    const known = this.#buckets.get(key)
    if (known) {
      this.#room.touch(known)
      return known
    }
    const bucket: Bucket = {
      counter: this,
      key,
      since: now,
      current: 0,
      previous: 0,
      older: undefined,
      newer: undefined,
    }
    this.#buckets.set(key, bucket)
    this.#room.add(bucket, now)
    return bucket
  }
}

function roll(bucket: Bucket, now: number): void {
  const elapsed = now - bucket.since
  const { windowMs } = bucket.counter
  if (elapsed < 0) bucket.since = now // the clock has been set back
  else if (elapsed >= 2 * windowMs) {
    bucket.since = now
    bucket.current = 0
    bucket.previous = 0
  } else if (elapsed >= windowMs) {
    bucket.since += windowMs
    bucket.previous = bucket.current
    bucket.current = 0
  }
}

/** The result that roll() would have, without a change of the bucket. */
function rateOf({ counter, since, current, previous }: Bucket, now: number): number {
  const { windowMs } = counter
  const elapsed = Math.max(0, now - since)
  if (elapsed < windowMs) return current + previous * (1 - elapsed / windowMs)
  return elapsed < 2 * windowMs ? current * (2 - elapsed / windowMs) : 0
}

function isOver({ counter, since }: Bucket, now: number): boolean {
  return now - since >= 2 * counter.windowMs
}
