// `relay session list|revoke`: lists signed-in visitors, and ends sessions. Works on the store that the configuration
// names, also while a relay runs on it; the relay then cuts their exchanges.

import { ConfigError } from '../../errors.ts'
import { StoredSessions, type StoredSession } from '../../session/stored-sessions.ts'
import type { Store } from '../../store/store.ts'
import { printTable, shownTime } from './print-table.ts'
import { warnOfUnknownEdge } from './warn-of-unknown-edge.ts'
import { untilSeen, withStore, type StoreOption } from './with-store.ts'

const TABLE_ROWS = 1000 // more than anybody reads; --json has all

interface Which {
  user?: string
  edge?: string
}

export async function listSessions(options: StoreOption & Which & { json?: boolean }): Promise<void> {
  await withStore(options, openSessions, async (sessions) => {
    const found = sessions.find(options)
    if (options.json) {
      console.log(JSON.stringify(found.map(described), undefined, 2))
      return
    }
    if (found.length === 0) {
      console.error('Nobody is signed in.')
      if (options.edge !== undefined) await warnOfUnknownEdge([options.edge], options)
      return
    }
    const table = found
      .slice(0, TABLE_ROWS)
      .map(({ name, row }) =>
        [
          name,
          row.email ?? row.name ?? row.subject,
          row.edge,
          row.device ?? '',
          row.address ?? '',
          shownTime(row.created),
          shownTime(row.last_seen),
          row.issuer,
        ].map(plain),
      )
    const head = ['ID', 'USER', 'EDGE', 'DEVICE', 'ADDRESS', 'FIRST SEEN (UTC)', 'LAST SEEN (UTC)', 'PROVIDER']
    printTable(head, table)
    if (found.length > TABLE_ROWS) console.error(`… and ${found.length - TABLE_ROWS} more: see --json`)
  })
}

export async function revokeSessions(options: StoreOption & Which & { id?: string; all?: boolean }): Promise<void> {
  const { id, user, edge, all } = options
  const asked = [id !== undefined, user !== undefined || edge !== undefined, all === true].filter(Boolean)
  // An empty value comes from an unset variable; it does not mean all sessions.
  if (asked.length !== 1 || [id, user, edge].includes('')) {
    throw new ConfigError([{ path: 'relay session revoke', message: 'say which: --id, --user, --edge or --all' }])
  }
  await withStore(options, openSessions, async (sessions) => {
    const found = sessions.find(options)
    if (id !== undefined) checkOne(id, found)
    await sessions.end(found)
    await untilSeen()
    console.error(`Ended ${found.length === 1 ? 'one session' : `${found.length} sessions`}.`)
    if (found.length === 0 && edge !== undefined) await warnOfUnknownEdge([edge], options)
  })
}

function openSessions(store: Store): Promise<StoredSessions> {
  return StoredSessions.open(store)
}

function checkOne(id: string, found: readonly StoredSession[]): void {
  if (found.length === 1 && id.length > 'ses_'.length) return
  const message =
    found.length === 0
      ? 'there is no such session; see: relay session list'
      : `could be one of ${found.length} sessions; write more of it`
  throw new ConfigError([{ path: `--id ${id}`, message }])
}

function described({ name, row }: StoredSession): object {
  const { edge, auth_id, issuer, client_id, subject, groups, device, address } = row
  return {
    id: name,
    edge,
    auth_id,
    issuer,
    client_id,
    subject,
    name: row.name,
    email: row.email,
    email_verified: row.email_verified,
    groups,
    device,
    address,
    first_seen_at: row.created,
    last_seen_at: row.last_seen,
    expires_at: row.expires,
  }
}

/** A provider's text could otherwise move the cursor, or forge a line. */
function plain(text: string): string {
  // C0, DEL, C1, and the bidirectional controls.
  // oxlint-disable-next-line no-control-regex
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '\u{fffd}')
}
