// The memory of all rate limits: a room for each tenant, so that no tenant can displace the buckets of another, and a
// bound for all rooms together. Counters of equal names at several workers count together.

import { CounterRoom, type SlidingCounter } from '../../exchange/counting/sliding-counters.ts'
import { SharedCounts } from './shared-counts.ts'
import type { CountSharing } from './shared-counts.ts'

const TENANT_MAX = 100_000 // buckets: some 22 MB, if keys have 40 characters
const ALL_MAX = 500_000
const FORGOTTEN_AT_ONCE = 100 // so that the relay does not look for the largest room at every new bucket

interface Room {
  readonly counters: CounterRoom
  /** The number of limits. */
  users: number
}

export class CounterRooms {
  readonly #clock: () => number
  readonly #byTenant = new Map<string, Room>()
  readonly #tenantMax: number
  readonly #allMax: number
  readonly #shared: SharedCounts | undefined
  #size = 0

  /** @param sharing with the other workers; undefined if the relay is one process */
  constructor(clock: () => number, sharing?: CountSharing, { tenantMax = TENANT_MAX, allMax = ALL_MAX } = {}) {
    this.#clock = clock
    this.#tenantMax = tenantMax
    this.#allMax = allMax
    this.#shared = sharing && new SharedCounts(sharing, clock)
  }

  /**
   * A counter of one limit.
   * @param tenant the tenant whose room it is in
   * @param windowMs the length of its window
   * @param name the same at all workers, and unique at each
   */
  counter(tenant: string, windowMs: number, name: string): Pick<SlidingCounter, 'take' | 'close'> {
    const room = this.#byTenant.get(tenant) ?? this.#newRoom(tenant)
    room.users++
    const counter = room.counters.counter(windowMs)
    const shared = this.#shared?.share(name, counter) ?? counter
    return {
      take: (key, capacity, now) => shared.take(key, capacity, now),
      close: () => {
        shared.close()
        if (--room.users === 0) this.#byTenant.delete(tenant)
      },
    }
  }

  #newRoom(tenant: string): Room {
    const counters = new CounterRoom(this.#tenantMax, (change) => {
      this.#size += change
      if (this.#size > this.#allMax) this.#shrink()
    })
    const room = { counters, users: 0 }
    this.#byTenant.set(tenant, room)
    return room
  }

  #shrink(): void {
    let largest: CounterRoom | undefined
    for (const { counters } of this.#byTenant.values()) if (counters.size > (largest?.size ?? 0)) largest = counters
    const now = this.#clock()
    for (let i = 0; largest && i < FORGOTTEN_AT_ONCE && largest.size > 1; i++) largest.forgetOne(now)
  }
}
