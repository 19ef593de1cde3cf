// The credentials of agents. The token itself is shown once and never kept: the store has its hash. Every relay holds
// the whole list in memory through a watch, so that an agent that dials in waits for no disk, and a revocation made by
// the command line arrives by itself.

import { createHash, randomInt } from 'node:crypto'

import { z } from 'zod'

import { ConfigError } from '../errors.ts'
import { type Bucket, type Change, type Store, StoreConflict, StoreUnavailable } from '../store/store.ts'
import { parseAclRule } from './acl.ts'

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const TOKEN_CHARS = 30 // 178 bits
const ID_CHARS = 12 // 71 bits, and short enough to type
const TOKEN_MAX_CHARS = 200 // longer ones are nobody's, and not worth hashing
const LAST_USED_STEP_MS = 3_600_000 // "last used" is for cleaning up; an hour is near enough and spares the disk
const REVOKE_ATTEMPTS = 10

const authtokenSchema = z.object({
  id: z.string(),
  acl: z.array(z.string()),
  description: z.string().exactOptional(),
  /** Milliseconds since 1970, like the others. */
  created_at: z.number(),
  /** To the hour. */
  last_used_at: z.number().exactOptional(),
  revoked_at: z.number().exactOptional(),
})

/** What is known of an authtoken; not the token itself. */
export type Authtoken = z.output<typeof authtokenSchema>

export type AuthtokenVerdict =
  | { ok: true; authtoken: Authtoken }
  | { ok: false; reason: 'missing' | 'unknown' | 'revoked' }

interface Held {
  authtoken: Authtoken
  revision: number
}

export class Authtokens {
  readonly #bucket: Bucket<Authtoken>
  readonly #byHash = new Map<string, Held>()
  readonly #listeners = new Set<(id: string) => void>()
  readonly #stop = new AbortController()
  readonly #touching = new Map<string, Promise<void>>()

  /** Resolves when every authtoken is known. @throws StoreUnavailable */
  static async open(store: Store): Promise<Authtokens> {
    const authtokens = new Authtokens(store)
    await authtokens.#bucket.watch((change) => authtokens.#follow(change), { signal: authtokens.#stop.signal })
    return authtokens
  }

  /** Use `Authtokens.open`. */
  constructor(store: Store) {
    this.#bucket = store.bucket('authtoken', (stored) => authtokenSchema.parse(stored))
  }

  /** How many there are, revoked ones included. */
  get size(): number {
    return this.#byHash.size
  }

  /**
   * Makes an authtoken. Without rules it may bind everything.
   * @returns the only copy of the token that will ever exist
   * @throws ConfigError where a rule cannot be read; StoreUnavailable
   */
  async create(options: {
    acl: readonly string[]
    description?: string
    now?: number
  }): Promise<Authtoken & { token: string }> {
    const { description, now = Date.now() } = options
    const acl = options.acl.length > 0 ? [...options.acl] : ['bind:*']
    const problems = acl.map(parseAclRule).flatMap((rule) => ('problem' in rule ? [rule.problem] : []))
    if (problems.length > 0) throw new ConfigError(problems.map((message) => ({ path: '--acl', message })))

    const token = `sp_${randomBase62(TOKEN_CHARS)}`
    const id = `atk_${randomBase62(ID_CHARS)}`
    const authtoken: Authtoken = { id, acl, ...(description !== undefined && { description }), created_at: now }
    await this.#bucket.put(hashOf(token), authtoken, { expectedRevision: 0 })
    return { ...authtoken, token }
  }

  /** Oldest first, revoked ones included. */
  list(): Authtoken[] {
    return [...this.#byHash.values()].map(({ authtoken }) => authtoken).toSorted((a, b) => a.created_at - b.created_at)
  }

  /**
   * Ends an authtoken for good. Revoking one twice changes nothing.
   * @param idOrPrefix `atk_…`, or as much of it as no other has
   * @throws ConfigError where none or several are meant; StoreUnavailable
   */
  async revoke(idOrPrefix: string, now = Date.now()): Promise<Authtoken> {
    const hash = this.#find(idOrPrefix)
    for (let attempt = 1; ; attempt++) {
      const entry = await this.#bucket.get(hash)
      if (!entry) throw new ConfigError([{ path: idOrPrefix, message: 'this authtoken has just been deleted' }])
      if (entry.value.revoked_at !== undefined) return entry.value
      const revoked = { ...entry.value, revoked_at: now }
      try {
        await this.#bucket.put(hash, revoked, { expectedRevision: entry.revision })
        return revoked
      } catch (error) {
        // The relay may have noted its use in between.
        if (!(error instanceof StoreConflict) || attempt === REVOKE_ATTEMPTS) throw error
      }
    }
  }

  /** Decides from memory, so also while the store is down. The time it takes depends on the hash, not on the token. */
  verify(token: string | undefined, now: number): AuthtokenVerdict {
    if (!token) return { ok: false, reason: 'missing' }
    if (token.length > TOKEN_MAX_CHARS) return { ok: false, reason: 'unknown' }
    const hash = hashOf(token)
    const held = this.#byHash.get(hash)
    if (!held) return { ok: false, reason: 'unknown' }
    if (held.authtoken.revoked_at !== undefined) return { ok: false, reason: 'revoked' }
    this.#touch(hash, held, now)
    return { ok: true, authtoken: held.authtoken }
  }

  /** Tells the id of every authtoken that is revoked or deleted from now on, whoever does it. Answers with how to stop. */
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

  #follow({ key, value, revision }: Change<Authtoken>): void {
    const before = this.#byHash.get(key)?.authtoken
    if (value) this.#byHash.set(key, { authtoken: value, revision })
    else this.#byHash.delete(key)
    const wasValid = before !== undefined && before.revoked_at === undefined
    if (!wasValid || (value && value.revoked_at === undefined)) return
    for (const listener of this.#listeners) listener(before.id)
  }

  #find(idOrPrefix: string): string {
    const all = [...this.#byHash].map(([hash, { authtoken }]) => ({ hash, id: authtoken.id }))
    const found = all.filter(({ id }) => id === idOrPrefix)
    if (found.length === 0 && idOrPrefix.startsWith('atk_') && idOrPrefix !== 'atk_') {
      found.push(...all.filter(({ id }) => id.startsWith(idOrPrefix)))
    }
    const [first, second] = found
    if (!first) {
      throw new ConfigError([{ path: idOrPrefix, message: 'there is no such authtoken; see: relay authtoken list' }])
    }
    if (second) {
      const ids = found.map(({ id }) => id).join(', ')
      throw new ConfigError([{ path: idOrPrefix, message: `could be one of ${ids}; write more of it` }])
    }
    return first.hash
  }

  #touch(hash: string, { authtoken, revision }: Held, now: number): void {
    if (now - (authtoken.last_used_at ?? 0) < LAST_USED_STEP_MS || this.#touching.has(hash)) return
    const write = async (): Promise<void> => {
      try {
        // Only where nothing has changed: a revocation must never be written over.
        await this.#bucket.put(hash, { ...authtoken, last_used_at: now }, { expectedRevision: revision })
      } catch (error) {
        // A note that can be made the next time, too.
        if (!(error instanceof StoreConflict || error instanceof StoreUnavailable)) throw error
      } finally {
        this.#touching.delete(hash)
      }
    }
    this.#touching.set(hash, write())
  }
}

function randomBase62(chars: number): string {
  return Array.from({ length: chars }, () => BASE62[randomInt(BASE62.length)]).join('')
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}
