// Service tokens: programs send them to their edge instead of a sign-in.

import { z } from 'zod'

import { ConfigError } from '../../errors.ts'
import type { Store } from '../../store/store.ts'
import { TokenList } from '../../store/token-list.ts'
import { UnderWay } from '../under-way.ts'

/** The prefix of every service token; an authtoken of an agent begins with `sp_`. */
const TOKEN_PREFIX = 'sps_'

const LAST_USED_STEP_MS = 3_600_000 // enough for cleaning up, and few writes for a busy program

const EDGE_ID = /^edg_[A-Za-z0-9_-]{1,64}$/

const serviceTokenSchema = z.object({
  id: z.string(),
  edge: z.string(),
  description: z.string().exactOptional(),
  /** Milliseconds since 1970, like the others. */
  created_at: z.number(),
  /** To the hour. */
  last_used_at: z.number().exactOptional(),
  revoked_at: z.number().exactOptional(),
})

/** The data about a service token, without the token itself. */
export type ServiceToken = z.output<typeof serviceTokenSchema>

export type ServiceTokenVerdict =
  | { ok: true; serviceToken: ServiceToken; underWay: UnderWay }
  | { ok: false; reason: 'missing' | 'unknown' | 'revoked' | 'foreign' }

export class ServiceTokens {
  readonly #list: TokenList<ServiceToken>
  /** By the id of the token. */
  readonly #underWay = new Map<string, UnderWay>()

  /** Resolves when every service token is known. @throws StoreUnavailable */
  static async open(store: Store): Promise<ServiceTokens> {
    const list = await TokenList.open({
      store,
      bucket: 'service-token',
      parse: (stored) => serviceTokenSchema.parse(stored),
      known: Object.keys(serviceTokenSchema.shape),
      tokenPrefix: TOKEN_PREFIX,
      idPrefix: 'svt_',
      noun: 'service token',
      command: 'relay service-token',
      lastUsedStepMs: LAST_USED_STEP_MS,
    })
    return new ServiceTokens(list)
  }

  private constructor(list: TokenList<ServiceToken>) {
    this.#list = list
    list.onRevoked((id) => {
      this.#underWay.get(id)?.cut('the service token was revoked')
      this.#underWay.delete(id)
    })
  }

  /**
   * Makes a service token for one edge.
   * @returns the only copy of the token that will ever exist
   * @throws ConfigError if that is not an id of an edge; StoreUnavailable
   */
  async create(options: {
    edge: string
    description?: string
    now?: number
  }): Promise<ServiceToken & { token: string }> {
    const { edge, description, now = Date.now() } = options
    if (!EDGE_ID.test(edge)) {
      throw new ConfigError([{ path: '--edge', message: `"${edge}" is not the id of an edge, such as edg_docs` }])
    }
    const { row, token } = await this.#list.create((id) => ({
      id,
      edge,
      ...(description !== undefined && { description }),
      created_at: now,
    }))
    return { ...row, token }
  }

  /** Oldest first, revoked ones included. @param edge undefined for all of them */
  list(edge?: string): ServiceToken[] {
    return this.#list.list().filter((row) => edge === undefined || row.edge === edge)
  }

  /**
   * Revokes a service token, and cuts its exchanges. Revoking one twice changes nothing.
   * @param idOrPrefix `svt_…`, or a unique beginning of it
   * @throws ConfigError if none or several match; StoreUnavailable
   */
  revoke(idOrPrefix: string, now = Date.now()): Promise<ServiceToken> {
    return this.#list.revoke(idOrPrefix, now)
  }

  /** Decides from memory, and so works while the store is down. */
  verify(token: string | undefined, edge: string, now: number): ServiceTokenVerdict {
    const verdict = this.#list.verify(token, now)
    if (!verdict.ok) return verdict
    const { row } = verdict
    if (row.edge !== edge) return { ok: false, reason: 'foreign' }
    let underWay = this.#underWay.get(row.id)
    if (!underWay) this.#underWay.set(row.id, (underWay = new UnderWay()))
    return { ok: true, serviceToken: row, underWay }
  }

  /** Stops following the store; the store itself stays open. */
  close(): Promise<void> {
    return this.#list.close()
  }
}
