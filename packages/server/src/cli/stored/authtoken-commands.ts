// `relay authtoken create|list|revoke`: works on the store that the configuration names, also while a relay runs on it.
// Standard output has only the token or the list, so that scripts can read it.

import type { Store } from '../../store/store.ts'
import { parseAclRule } from '../../tunnel/acl.ts'
import { Authtokens } from '../../tunnel/authtokens.ts'
import { printTable, shownTime } from './print-table.ts'
import { warnOfUnknownEdge } from './warn-of-unknown-edge.ts'
import { untilSeen, withStore, type StoreOption } from './with-store.ts'

export async function createAuthtoken(options: StoreOption & { acl?: string[]; description?: string }): Promise<void> {
  const { acl = [], description } = options
  await withStore(options, openAuthtokens, async (authtokens) => {
    const created = await authtokens.create({ acl, ...(description !== undefined && { description }) })
    await untilSeen()
    console.error(`Authtoken ${created.id} may: ${created.acl.join(', ')}. Keep it safe; it is shown only now.`)
    console.log(created.token)
    await warnOfUnknownEdge(created.acl.flatMap(edgesIn), options, 'The authtoken is made all the same.')
  })
}

export async function listAuthtokens(options: StoreOption & { json?: boolean }): Promise<void> {
  await withStore(options, openAuthtokens, async (authtokens) => {
    const rows = authtokens.list()
    if (options.json) {
      console.log(JSON.stringify(rows, undefined, 2))
      return
    }
    if (rows.length === 0) {
      console.error('There are no authtokens. Make one with: relay authtoken create')
      return
    }
    const table = rows.map((row) => [
      row.id,
      shownTime(row.created_at),
      row.last_used_at === undefined ? 'never' : shownTime(row.last_used_at),
      row.revoked_at === undefined ? 'valid' : 'revoked',
      row.acl.join(', '),
      row.description ?? '',
    ])
    printTable(['ID', 'CREATED (UTC)', 'USED (UTC)', 'STATE', 'MAY', 'DESCRIPTION'], table)
  })
}

export async function revokeAuthtoken(id: string, options: StoreOption): Promise<void> {
  await withStore(options, openAuthtokens, async (authtokens) => {
    const revoked = await authtokens.revoke(id)
    await untilSeen()
    console.error(`Revoked ${revoked.id}. Its tunnel sessions end at once.`)
  })
}

/** The edge that a rule of an ACL names, as the label by which tunnels come to it. */
function edgesIn(written: string): string[] {
  const rule = parseAclRule(written)
  return 'type' in rule && rule.type === 'label' && rule.key === 'edge' && rule.value !== undefined ? [rule.value] : []
}

function openAuthtokens(store: Store): Promise<Authtokens> {
  return Authtokens.open(store)
}
