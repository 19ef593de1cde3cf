// Whether a session lets a request pass. Pure: takes the clock, touches nothing, allocates nothing.

export interface CheckedSession {
  /** The edge and the sign-in that it belongs to: `sessionScope()`. */
  scope: string
  created: number
  lastSeen: number
  expires: number
}

export interface SessionRules {
  scope: string
  idleMs: number
  maxMs: number
}

export type SessionVerdict = { ok: true } | { ok: false; reason: 'missing' | 'foreign' | 'expired' | 'idle' }

const VALID: SessionVerdict = Object.freeze({ ok: true })
const MISSING: SessionVerdict = Object.freeze({ ok: false, reason: 'missing' })
const FOREIGN: SessionVerdict = Object.freeze({ ok: false, reason: 'foreign' })
const EXPIRED: SessionVerdict = Object.freeze({ ok: false, reason: 'expired' })
const IDLE: SessionVerdict = Object.freeze({ ok: false, reason: 'idle' })

export function checkSession(session: CheckedSession | undefined, rules: SessionRules, now: number): SessionVerdict {
  if (session === undefined) return MISSING
  if (session.scope !== rules.scope) return FOREIGN
  // Both limits apply: the one at sign-in, and the one of today's configuration.
  if (now >= session.expires || now - session.created >= rules.maxMs) return EXPIRED
  if (now - session.lastSeen >= rules.idleMs) return IDLE
  return VALID
}
