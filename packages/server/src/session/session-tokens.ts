// The provider's tokens of a session that the relay needs again: the ID token for the sign-out, the refresh token. They
// are sealed in the store and read when needed; memory does not hold them, and the watch does not carry them.

import { z } from 'zod'

import { StoreConflict, type Bucket, type Store, type Write } from '../store/store.ts'
import type { Boxes } from '../seal/boxes.ts'
import { TOKENS_BUCKET } from './session-row.ts'

const MAX_TOKEN = 16_384

const schema = z.object({
  box: z.string(),
  /** Until then only one process asks the provider with them. */
  taken_until: z.number().optional(),
})

export interface Tokens {
  /** Only if a route passes it on. */
  accessToken?: { value: string; until?: number }
  idToken?: string
  refreshToken?: string
}

export interface KeptTokens {
  tokens: Tokens
  revision: number
  takenUntil: number
}

export interface KeepInit {
  /** The hard limit of the session. */
  expires: number
  /** 0 if none exist yet. */
  expectedRevision: number
  now: number
  takenUntil?: number
}

export class SessionTokens {
  readonly #bucket: Bucket<z.output<typeof schema>>
  readonly #boxes: Boxes

  constructor(store: Store, boxes: Boxes) {
    this.#bucket = store.bucket(TOKENS_BUCKET, (stored) => schema.parse(stored), { known: Object.keys(schema.shape) })
    this.#boxes = boxes
  }

  /**
   * A token of unusual size is left out. Returns the revision. Throws `StoreUnavailable`, `StoreConflict`.
   * @param key of the session
   */
  async keep(
    key: string,
    { accessToken, idToken, refreshToken }: Tokens,
    { expires, expectedRevision, now, takenUntil }: KeepInit,
  ): Promise<number> {
    const content = {
      session: key,
      ...(accessToken && { accessToken }),
      ...(idToken !== undefined && idToken.length <= MAX_TOKEN && { idToken }),
      ...(refreshToken !== undefined && refreshToken.length <= MAX_TOKEN && { refreshToken }),
    }
    const box = this.#boxes.seal('session tokens', content, expires)
    return this.#bucket.put(
      key,
      { box, ...(takenUntil !== undefined && { taken_until: takenUntil }) },
      { expectedRevision, ttlMs: Math.max(1, expires - now) },
    )
  }

  /** Undefined if there are none, or only those of another session. Throws `StoreUnavailable`. */
  async read(key: string, now: number): Promise<KeptTokens | undefined> {
    const entry = await this.#bucket.get(key)
    if (!entry) return undefined
    const opened = this.#boxes.open('session tokens', entry.value.box, now)
    if (!opened.ok || opened.content.session !== key) return undefined
    return { tokens: opened.content, revision: entry.revision, takenUntil: entry.value.taken_until ?? 0 }
  }

  /** Reads and deletes them; undefined also if another process has done so. Throws `StoreUnavailable`. */
  async take(key: string, now: number): Promise<Tokens | undefined> {
    const kept = await this.read(key, now)
    if (!kept) return undefined
    try {
      const isOurs = await this.#bucket.delete(key, { expectedRevision: kept.revision })
      return isOurs ? kept.tokens : undefined
    } catch (error) {
      if (error instanceof StoreConflict) return undefined
      throw error
    }
  }

  /** Their deletion, for a commit. */
  dropping(key: string): Write {
    return this.#bucket.deleting(key)
  }

  /** Throws `StoreUnavailable`. */
  async drop(key: string): Promise<void> {
    await this.#bucket.delete(key)
  }
}
