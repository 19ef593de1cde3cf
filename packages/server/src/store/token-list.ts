// Credentials that the relay hands out: a token is shown once and never kept, the store has its hash. The whole list is
// in memory through a watch, so that a decision waits for no disk, and changes by the command line arrive by
// themselves.

import { createHash } from 'node:crypto'

import { ConfigError } from '../errors.ts'
import { randomBase62 } from './random-base62.ts'
import { type Bucket, type Change, type Store, StoreConflict, StoreUnavailable } from './store.ts'

const TOKEN_CHARS = 30 // 178 bits
const ID_CHARS = 12 // 71 bits, and short enough to type
const TOKEN_MAX_CHARS = 200 // longer ones are invalid, and not worth hashing
const REVOKE_ATTEMPTS = 10

/** The data of a token; not the token itself. Times are milliseconds since 1970. */
export interface TokenRow {
  id: string
  created_at: number
  /** As near as `lastUsedStepMs`. */
  last_used_at?: number
  revoked_at?: number
}

export interface TokenListInit<T extends TokenRow> {
  store: Store
  bucket: string
  parse: (stored: unknown) => T
  /** The fields that this version knows. */
  known: readonly string[]
  /** The prefix of a token, by which people and scanners recognise it. */
  tokenPrefix: string
  idPrefix: string
  /** For sentences, and the command that lists them: `authtoken`. */
  noun: string
  command: string
  /** The use of a token is saved at most once in this time. */
  lastUsedStepMs: number
}

export type TokenVerdict<T> = { ok: true; row: T } | { ok: false; reason: 'missing' | 'unknown' | 'revoked' }

interface Held<T> {
  row: T
  revision: number
}

export class TokenList<T extends TokenRow> {
  readonly #init: TokenListInit<T>
  readonly #bucket: Bucket<T>
  readonly #byHash = new Map<string, Held<T>>()
  readonly #listeners = new Set<(id: string) => void>()
  readonly #stop = new AbortController()
  readonly #touching = new Map<string, Promise<void>>()

  /** Resolves when every token is known. @throws StoreUnavailable */
  static async open<T extends TokenRow>(init: TokenListInit<T>): Promise<TokenList<T>> {
    const list = new TokenList(init)
    await list.#bucket.watch((change) => list.#follow(change), { signal: list.#stop.signal })
    return list
  }

  private constructor(init: TokenListInit<T>) {
    this.#init = init
    this.#bucket = init.store.bucket(init.bucket, init.parse, { known: init.known })
  }

  /** The number of tokens, revoked ones included. */
  get size(): number {
    return this.#byHash.size
  }

  /**
   * Makes a token.
   * @param rowOf makes the row to store, with the token's id
   * @returns the only copy of the token that will ever exist
   * @throws StoreUnavailable
   */
  async create(rowOf: (id: string) => T): Promise<{ row: T; token: string }> {
    const token = `${this.#init.tokenPrefix}${randomBase62(TOKEN_CHARS)}`
    const row = rowOf(`${this.#init.idPrefix}${randomBase62(ID_CHARS)}`)
    await this.#bucket.put(hashOf(token), row, { expectedRevision: 0 })
    return { row, token }
  }

  /** Oldest first, revoked ones included. */
  list(): T[] {
    return [...this.#byHash.values()].map(({ row }) => row).toSorted((a, b) => a.created_at - b.created_at)
  }

  /**
   * Revokes a token. Revoking one twice changes nothing.
   * @param idOrPrefix the id, or a unique beginning of it
   * @throws ConfigError if none or several match; StoreUnavailable
   */
  async revoke(idOrPrefix: string, now = Date.now()): Promise<T> {
    const path = `${this.#init.command} revoke ${idOrPrefix}` // the typed value, so that nobody looks for it in a file
    const hash = this.#find(idOrPrefix, path)
    for (let attempt = 1; ; attempt++) {
      const entry = await this.#bucket.get(hash)
      if (!entry) {
        throw new ConfigError([{ path, message: `this ${this.#init.noun} has just been deleted` }])
      }
      if (entry.value.revoked_at !== undefined) return entry.value
      const revoked = { ...entry.value, revoked_at: now }
      try {
        await this.#bucket.put(hash, revoked, { expectedRevision: entry.revision })
        return revoked
      } catch (error) {
        // The relay may have saved its use in between.
        if (!(error instanceof StoreConflict) || attempt === REVOKE_ATTEMPTS) throw error
      }
    }
  }

  /** Decides from memory, so also while the store is down. The time it takes depends on the hash, not on the token. */
  verify(token: string | undefined, now: number): TokenVerdict<T> {
    if (!token) return { ok: false, reason: 'missing' }
    if (token.length > TOKEN_MAX_CHARS) return { ok: false, reason: 'unknown' }
    const hash = hashOf(token)
    const held = this.#byHash.get(hash)
    if (!held) return { ok: false, reason: 'unknown' }
    if (held.row.revoked_at !== undefined) return { ok: false, reason: 'revoked' }
    this.#touch(hash, held, now)
    return { ok: true, row: held.row }
  }

  /**
   * Reports the id of every token that is revoked or deleted from now on, by any process. Returns a function that stops
   * this.
   */
  onRevoked(listener: (id: string) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Stops following the store; the store itself stays open. */
  async close(): Promise<void> {
    this.#stop.abort()
    this.#listeners.clear()
    await Promise.all(this.#touching.values())
  }

  /** A row that cannot be read may be that of a revocation, so it counts as one. */
  #follow({ key, value, revision }: Change<T>): void {
    const before = this.#byHash.get(key)?.row
    if (value) this.#byHash.set(key, { row: value, revision })
    else this.#byHash.delete(key)
    const wasValid = before !== undefined && before.revoked_at === undefined
    if (!wasValid || (value && value.revoked_at === undefined)) return
    for (const listener of this.#listeners) listener(before.id)
  }

  #find(idOrPrefix: string, path: string): string {
    const { idPrefix, noun, command } = this.#init
    const all = [...this.#byHash].map(([hash, { row }]) => ({ hash, id: row.id }))
    const found = all.filter(({ id }) => id === idOrPrefix)
    if (found.length === 0 && idOrPrefix.startsWith(idPrefix) && idOrPrefix !== idPrefix) {
      found.push(...all.filter(({ id }) => id.startsWith(idOrPrefix)))
    }
    const [first, second] = found
    if (!first) throw new ConfigError([{ path, message: `there is no such ${noun}; see: ${command} list` }])
    if (second) {
      const ids = found.map(({ id }) => id).join(', ')
      throw new ConfigError([{ path, message: `could be one of ${ids}; write more of it` }])
    }
    return first.hash
  }

  #touch(hash: string, { row, revision }: Held<T>, now: number): void {
    if (now - (row.last_used_at ?? 0) < this.#init.lastUsedStepMs || this.#touching.has(hash)) return
    const write = async (): Promise<void> => {
      try {
        // Only if nothing has changed: a revocation must never be overwritten.
        await this.#bucket.put(hash, { ...row, last_used_at: now }, { expectedRevision: revision })
      } catch (error) {
        // The next use can save it, too.
        if (!(error instanceof StoreConflict || error instanceof StoreUnavailable)) throw error
      } finally {
        this.#touching.delete(hash)
      }
    }
    this.#touching.set(hash, write())
  }
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}
