// The credentials of agents, each with its ACL.

import { z } from 'zod'

import { ConfigError } from '../errors.ts'
import type { Store } from '../store/store.ts'
import { TokenList } from '../store/token-list.ts'
import { parseAclRule } from './acl.ts'

const LAST_USED_STEP_MS = 60_000 // thousands of agents reconnect within seconds after a restart: one write for each token

const authtokenSchema = z.object({
  id: z.string(),
  acl: z.array(z.string()),
  description: z.string().exactOptional(),
  /** Milliseconds since 1970, like the others. */
  created_at: z.number(),
  /** When an agent last connected with it, to the minute. */
  last_used_at: z.number().exactOptional(),
  revoked_at: z.number().exactOptional(),
})

/** The data of an authtoken; not the token itself. */
export type Authtoken = z.output<typeof authtokenSchema>

export type AuthtokenVerdict =
  | { ok: true; authtoken: Authtoken }
  | { ok: false; reason: 'missing' | 'unknown' | 'revoked' }

export class Authtokens {
  readonly #list: TokenList<Authtoken>

  /** Resolves when every authtoken is known. @throws StoreUnavailable */
  static async open(store: Store): Promise<Authtokens> {
    const list = await TokenList.open({
      store,
      bucket: 'authtoken',
      parse: (stored) => authtokenSchema.parse(stored),
      known: Object.keys(authtokenSchema.shape),
      tokenPrefix: 'sp_',
      idPrefix: 'atk_',
      noun: 'authtoken',
      command: 'relay authtoken',
      lastUsedStepMs: LAST_USED_STEP_MS,
    })
    return new Authtokens(list)
  }

  private constructor(list: TokenList<Authtoken>) {
    this.#list = list
  }

  /** The number of authtokens, revoked ones included. */
  get size(): number {
    return this.#list.size
  }

  /**
   * Makes an authtoken. Without rules it may bind everything.
   * @returns the only copy of the token that will ever exist
   * @throws ConfigError if a rule cannot be read; StoreUnavailable
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
    const { row, token } = await this.#list.create((id) => ({
      id,
      acl,
      ...(description !== undefined && { description }),
      created_at: now,
    }))
    return { ...row, token }
  }

  /** Oldest first, revoked ones included. */
  list(): Authtoken[] {
    return this.#list.list()
  }

  /**
   * Revokes an authtoken. Revoking one twice changes nothing.
   * @param idOrPrefix `atk_…`, or a unique beginning of it
   * @throws ConfigError if none or several match; StoreUnavailable
   */
  revoke(idOrPrefix: string, now = Date.now()): Promise<Authtoken> {
    return this.#list.revoke(idOrPrefix, now)
  }

  /** Decides from memory, so also while the store is down. */
  verify(token: string | undefined, now: number): AuthtokenVerdict {
    const verdict = this.#list.verify(token, now)
    return verdict.ok ? { ok: true, authtoken: verdict.row } : verdict
  }

  /**
   * Reports the id of every authtoken that is revoked or deleted from now on, by any process. Returns a function that
   * stops this.
   */
  onRevoked(listener: (id: string) => void): () => void {
    return this.#list.onRevoked(listener)
  }

  /** Stops following the store; the store itself stays open. */
  close(): Promise<void> {
    return this.#list.close()
  }
}
