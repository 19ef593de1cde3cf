// A session as the operator sees it.

import type { LiveSession } from './live-session.ts'
import { sessionName } from './session-row.ts'

/** A session as the operator sees it. */
export interface SessionSummary {
  /** `ses_…` */
  id: string
  edge: string
  authId: string
  issuer: string
  subject: string
  name?: string
  email?: string
  device?: string
  address?: string
  createdAt: number
  lastSeenAt: number
  expiresAt: number
  exchanges: number
}

export function summaryOf(session: LiveSession): SessionSummary {
  const { edge, auth_id, issuer, subject, name, email, device } = session.row
  return {
    id: sessionName(session.key),
    edge,
    authId: auth_id,
    issuer,
    subject,
    ...(name !== undefined && { name }),
    ...(email !== undefined && { email }),
    ...(device !== undefined && { device }),
    ...(session.address !== undefined && { address: session.address }),
    createdAt: session.created,
    lastSeenAt: session.lastSeen,
    expiresAt: session.expires,
    exchanges: session.exchanges?.size ?? 0,
  }
}
