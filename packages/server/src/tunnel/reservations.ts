// Which authtoken holds which host of an endpoint: in memory, and in the store, so that it outlives the relay. An
// authtoken keeps a host for a day after its last use, so that a returning agent finds it free.

import { z } from 'zod'

import { type Bucket, type Change, type Store, StoreConflict } from '../store/store.ts'

const RENEW_MS = 3_600_000 // while in use; the store is spared, and a day stays a day
const KEPT_MS = 24 * 3_600_000 + 2 * RENEW_MS // a day after the last use, which may be saved an hour late
const TAKE_ATTEMPTS = 5

const reservationSchema = z.object({
  authtoken_id: z.string(),
  /** Milliseconds since 1970, to the hour. */
  used_at: z.number(),
})

export type Reservation = z.output<typeof reservationSchema> & { readonly host: string }

interface Held {
  reservation: Reservation
  revision: number
}

export class Reservations {
  readonly #bucket: Bucket<z.output<typeof reservationSchema>>
  readonly #clock: () => number
  readonly #byHost = new Map<string, Held>()
  readonly #byAuthtoken = new Map<string, Set<string>>()
  readonly #stop = new AbortController()

  /** Resolves when every reservation is known. @throws StoreUnavailable */
  static async open(store: Store, clock: () => number = Date.now): Promise<Reservations> {
    const reservations = new Reservations(store, clock)
    await reservations.#bucket.watch((change) => reservations.#follow(change), {
      signal: reservations.#stop.signal,
    })
    return reservations
  }

  /** Use `Reservations.open`. */
  constructor(store: Store, clock: () => number) {
    this.#bucket = store.bucket('endpoint', (stored) => reservationSchema.parse(stored), {
      known: Object.keys(reservationSchema.shape),
    })
    this.#clock = clock
  }

  /** The authtoken that holds a host; undefined if it is free. */
  of(host: string): Reservation | undefined {
    const held = this.#byHost.get(host)?.reservation
    return held && this.#clock() < held.used_at + KEPT_MS ? held : undefined
  }

  /** The hosts of an authtoken, the longest unused first. */
  hostsOf(authtokenId: string): string[] {
    const hosts = [...(this.#byAuthtoken.get(authtokenId) ?? [])]
    return hosts
      .flatMap((host) => this.of(host) ?? [])
      .toSorted((a, b) => a.used_at - b.used_at)
      .map(({ host }) => host)
  }

  /** Hosts that were in use at the last check of a relay on this store, or not much earlier. */
  recent(): Reservation[] {
    const since = this.#clock() - 2 * RENEW_MS
    return [...this.#byHost.values()].map(({ reservation }) => reservation).filter(({ used_at }) => used_at > since)
  }

  /**
   * Reserves a host for an authtoken, or renews the reservation. Costs nothing if it was renewed within the hour.
   * @param mayTake whether its present holder must give it up
   * @returns false if another authtoken holds it
   * @throws StoreUnavailable if the reservation cannot be saved
   */
  async take(host: string, authtokenId: string, mayTake: (holder: string) => boolean): Promise<boolean> {
    const now = this.#clock()
    const held = this.of(host)
    if (held?.authtoken_id === authtokenId && now - held.used_at < RENEW_MS) return true
    for (let attempt = 1; ; attempt++) {
      const entry = await this.#bucket.get(host)
      const holder = entry?.value.authtoken_id
      if (holder !== undefined && holder !== authtokenId && !mayTake(holder)) return false
      const value = { authtoken_id: authtokenId, used_at: now }
      try {
        const expectedRevision = entry?.revision ?? 0
        const revision = await this.#bucket.put(host, value, { expectedRevision, ttlMs: KEPT_MS })
        this.#follow({ key: host, value, revision })
        return true
      } catch (error) {
        // Another session of this authtoken was faster, or a stranger.
        if (!(error instanceof StoreConflict) || attempt === TAKE_ATTEMPTS) throw error
      }
    }
  }

  /** Gives a host up. @throws StoreUnavailable */
  async release(host: string): Promise<void> {
    const held = this.#byHost.get(host)
    if (!held) return
    this.#forget(held.reservation)
    try {
      await this.#bucket.delete(host, { expectedRevision: held.revision })
    } catch (error) {
      if (!(error instanceof StoreConflict)) throw error // another authtoken has it by now, and the watch reports it
    }
  }

  /** Stops following the store; the store itself stays open. */
  close(): void {
    this.#stop.abort()
  }

  #follow({ key: host, value, unreadable, revision }: Change<z.output<typeof reservationSchema>>): void {
    if (unreadable) return // nobody has given it up
    const known = this.#byHost.get(host)
    if (known && revision < known.revision) return
    if (known) this.#forget(known.reservation)
    if (!value) return
    this.#byHost.set(host, { reservation: { ...value, host }, revision })
    const hosts = this.#byAuthtoken.get(value.authtoken_id)
    if (hosts) hosts.add(host)
    else this.#byAuthtoken.set(value.authtoken_id, new Set([host]))
  }

  #forget({ host, authtoken_id }: Reservation): void {
    this.#byHost.delete(host)
    const hosts = this.#byAuthtoken.get(authtoken_id)
    hosts?.delete(host)
    if (hosts?.size === 0) this.#byAuthtoken.delete(authtoken_id)
  }
}
