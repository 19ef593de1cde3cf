// Asks the store about cookies whose session is not in memory, but so rarely that a flood of them costs nothing.

import { Attempts } from '../exchange/attempts.ts'
import type { Bucket, Change } from '../store/store.ts'
import type { LiveSession } from './live-session.ts'
import type { SessionRow } from './session-row.ts'

const LOOK_UPS_PER_MINUTE = 30 // of one address: a browser has one unknown cookie, a flood has many
const MAX_LOOK_UPS = 16 // under way at once, so that sign-ins do not queue behind a flood
const LOOK_UP_MS = 1000
const MAX_UNKNOWN = 10_000

export interface SessionLookUpsInit {
  bucket: Bucket<SessionRow>
  /** Takes the found session into memory. */
  adopt: (found: Change<SessionRow>) => LiveSession | undefined
  clock: () => number
}

export class SessionLookUps {
  readonly #bucket: Bucket<SessionRow>
  readonly #adopt: (found: Change<SessionRow>) => LiveSession | undefined
  readonly #clock: () => number
  readonly #underWay = new Map<string, Promise<LiveSession | undefined>>()
  readonly #ofAddress = new Attempts(LOOK_UPS_PER_MINUTE)
  /** Keys that name no session, so that each asks the store once. */
  readonly #unknown = new Set<string>()

  constructor({ bucket, adopt, clock }: SessionLookUpsInit) {
    this.#bucket = bucket
    this.#adopt = adopt
    this.#clock = clock
  }

  /** Undefined at once if the store has been asked about it before, or has been asked too often. */
  lookUp(key: string, address: string): Promise<LiveSession | undefined> | undefined {
    if (this.#unknown.has(key)) return undefined
    const underWay = this.#underWay.get(key)
    if (underWay) return underWay
    if (this.#underWay.size >= MAX_LOOK_UPS || !this.#ofAddress.take(address, this.#clock())) return undefined
    const asking = this.#ask(key).finally(() => this.#underWay.delete(key))
    this.#underWay.set(key, asking)
    return asking
  }

  /** The session exists now. */
  noteKnown(key: string): void {
    this.#unknown.delete(key)
  }

  async #ask(key: string): Promise<LiveSession | undefined> {
    const late = Promise.withResolvers<undefined>()
    const timer = setTimeout(() => late.resolve(undefined), LOOK_UP_MS)
    const asked = this.#bucket.get(key).then((entry) => {
      if (entry) return this.#adopt({ key, value: entry.value, revision: entry.revision })
      this.#noteUnknown(key)
      return undefined
    })
    try {
      return await Promise.race([asked.catch(() => undefined), late.promise]) // the store itself reports its problem
    } finally {
      clearTimeout(timer)
    }
  }

  #noteUnknown(key: string): void {
    this.#unknown.add(key)
    if (this.#unknown.size <= MAX_UNKNOWN) return
    const oldest = this.#unknown.values().next()
    if (!oldest.done) this.#unknown.delete(oldest.value)
  }
}
