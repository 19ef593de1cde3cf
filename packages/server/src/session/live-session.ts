// A visitor session as the relay holds it in memory. Types only; sessions.ts keeps them.

import type { Exchange } from '../exchange/exchange.ts'
import type { Listed, Roster } from '../exchange/roster.ts'
import type { SignedIdentity } from '../identity/signed-identity.ts'
import type { SessionRules } from './session-check.ts'
import type { SessionRow } from './session-row.ts'

/**
 * A session in memory. There may be a hundred thousand, so parts that most of them do not need are made on first use.
 */
export interface LiveSession {
  /** The SHA-256 of the visitor's session id. */
  readonly key: string
  readonly scope: string
  /** Replaced by another object when anything except the times changes. */
  row: SessionRow
  readonly created: number
  readonly expires: number
  lastSeen: number
  /** The visitor's last address. */
  address: string | undefined
  /** True once it was signed out, revoked or has expired. */
  ended: boolean
  /** When to ask the provider for the visitor's claims again; Infinity if it cannot be asked. */
  due: number
  /** The visitor's identity, by the way a route reads the claims; made on first use and shared by all requests. */
  identities: Map<string, SignedIdentity> | undefined
  /** The exchanges under way, to be cut when the session ends, each with the route that allows it. */
  exchanges: Roster<SessionUse> | undefined
}

/** An exchange under way in a session. */
export interface SessionUse extends Listed {
  readonly exchange: Exchange
  /** Another one if the policy has changed meanwhile and still admits the session. */
  route: SessionRoute
}

/** A route's conditions for a session while an exchange lasts. */
export interface SessionRoute {
  readonly rules: SessionRules
  /** Whether the visitor may continue, by the current claims. */
  admits(session: LiveSession): boolean
}

/** A sign-in of a route, for the exchanges that began before the route had its present policy. */
export interface SessionGate extends SessionRoute {
  /** Whether an upgrade from this origin is taken. */
  takesOriginOf(exchange: Exchange): boolean
}
