// A visitor session as the relay holds it in memory. Types only; sessions.ts keeps them.

import type { Exchange } from '../exchange/exchange.ts'
import type { Listed, Roster } from '../exchange/roster.ts'
import type { SignedIdentity } from '../identity/signed-identity.ts'
import type { SessionRules } from './session-check.ts'
import type { SessionRow } from './session-row.ts'

/** A session in memory. There may be a hundred thousand, so what most of them do not need is made when first needed. */
export interface LiveSession {
  /** The SHA-256 of the visitor's session id. */
  readonly key: string
  readonly scope: string
  /** Another object as soon as anything of it but the times has changed. */
  row: SessionRow
  readonly created: number
  readonly expires: number
  lastSeen: number
  /** Where the visitor was seen last. */
  address: string | undefined
  /** True once it was signed out, revoked or has expired. */
  ended: boolean
  /** When the provider is to be asked again what it says about the visitor; Infinity where it cannot be asked. */
  due: number
  /** Who the visitor is, by how a route reads the claims; made when first needed and shared by all requests. */
  identities: Map<string, SignedIdentity> | undefined
  /** What is under way at the moment, to be cut when the session ends, and the route that lets it go on. */
  exchanges: Roster<SessionUse> | undefined
}

/** An exchange under way in a session. */
export interface SessionUse extends Listed {
  readonly exchange: Exchange
  readonly route: SessionRoute
}

/** What a route asks of a session for as long as an exchange takes. */
export interface SessionRoute {
  readonly rules: SessionRules
  /** Whether the visitor may go on, by what the provider says now. */
  admits(session: LiveSession): boolean
}
