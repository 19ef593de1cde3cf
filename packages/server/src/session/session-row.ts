// A visitor session in the store, under the SHA-256 of its id. Every relay holds all of them in memory, so it is small:
// tokens are elsewhere (session-tokens.ts). Times are milliseconds since 1970.

import { hash } from 'node:crypto'

import { z } from 'zod'

const TTL_SLACK_MS = 5 * 60_000 // last-seen reaches the store late

const schema = z.object({
  edge: z.string(),
  auth_id: z.string(),
  issuer: z.string(),
  client_id: z.string(),
  /** Set if the session belongs to all edges that share it under a domain; `edge` is then the edge of the sign-in. */
  cookie_domain: z.string().optional(),
  subject: z.string(),
  name: z.string().optional(),
  /** As the provider sends it, verified or not; `countingEmail` in allow.ts decides whether it counts. */
  email: z.string().optional(),
  /** The provider's statement about the address; absent without one. */
  email_verified: z.boolean().optional(),
  /** When the provider last saw the visitor's credentials, in seconds; absent if it does not say. */
  auth_time: z.number().optional(),
  /** The values of each claim that a route looks at, by `claimKey`. */
  groups: z.record(z.string(), z.array(z.string())),
  /** The provider's id of its own session; its sign-outs name it. */
  sid: z.string().optional(),
  /** The device of the sign-in, such as `Firefox 140 on Linux`. */
  device: z.string().optional(),
  /** The visitor's last address. */
  address: z.string().optional(),
  created: z.number(),
  last_seen: z.number(),
  expires: z.number(),
  /** How long it may go unused. */
  idle_ms: z.number(),
  /** When the provider last sent the claims. */
  claims_at: z.number().default(0),
  /** How long they count as current; absent without a refresh token, because the relay then cannot ask. */
  fresh_ms: z.number().optional(),
})

export type SessionRow = z.output<typeof schema>

/** The claims that a session keeps. */
export type VisitorClaims = Pick<
  SessionRow,
  'subject' | 'name' | 'email' | 'email_verified' | 'auth_time' | 'groups' | 'sid'
>

/** The buckets of the store. Both have the same keys. */
export const SESSIONS_BUCKET = 'sessions'
export const TOKENS_BUCKET = 'session_tokens'

/** The fields that this version knows, for the bucket. */
export const SESSION_FIELDS: readonly string[] = Object.keys(schema.shape)

/** Throws if the stored value is not a session. */
export function parseSessionRow(stored: unknown): SessionRow {
  return schema.parse(stored)
}

/**
 * A session belongs to one edge, or to the edges under one domain that share it, and to one sign-in there: this names
 * both.
 */
export function sessionScope(
  of: Pick<SessionRow, 'edge' | 'auth_id' | 'issuer' | 'client_id'> & { cookie_domain?: string | undefined },
): string {
  // No id of an edge begins with a star.
  const where = of.cookie_domain === undefined ? of.edge : `*.${of.cookie_domain}`
  return JSON.stringify([where, of.auth_id, of.issuer, of.client_id])
}

/** The key of a session in the store and in memory: nobody can compute from it the id that the browser holds. */
export function sessionKey(id: string): string {
  return hash('sha256', id, 'base64url')
}

/** The id of a session for people: short, and useless as a cookie. */
export function sessionName(key: string): string {
  return `ses_${Buffer.from(key, 'base64url').toString('hex', 0, 8)}`
}

/** How long the store keeps an unused session. */
export function timeToLive(row: SessionRow, now: number): number {
  return Math.max(1, Math.min(row.expires - now, row.idle_ms + TTL_SLACK_MS))
}
