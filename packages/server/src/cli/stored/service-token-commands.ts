// `relay service-token create|list|revoke`: works on the store that the configuration names, also while a relay runs on
// it. Standard output has only the token or the list, so that scripts can read it.

import { ServiceTokens } from '../../policy/service-token/service-tokens.ts'
import type { Store } from '../../store/store.ts'
import { printTable, shownTime } from './print-table.ts'
import { warnOfUnknownEdge } from './warn-of-unknown-edge.ts'
import { untilSeen, withStore, type StoreOption } from './with-store.ts'

export async function createServiceToken(options: StoreOption & { edge: string; description?: string }): Promise<void> {
  const { edge, description } = options
  await withStore(options, openServiceTokens, async (serviceTokens) => {
    const created = await serviceTokens.create({ edge, ...(description !== undefined && { description }) })
    await untilSeen()
    console.error(`Service token ${created.id} is for ${created.edge}. Keep it safe; it is shown only now.`)
    console.log(created.token)
    await warnOfUnknownEdge([edge], options, 'The service token is made all the same.')
  })
}

export async function listServiceTokens(options: StoreOption & { edge?: string; json?: boolean }): Promise<void> {
  await withStore(options, openServiceTokens, async (serviceTokens) => {
    const rows = serviceTokens.list(options.edge)
    if (options.json) {
      console.log(JSON.stringify(rows, undefined, 2))
      return
    }
    if (rows.length === 0) {
      const { edge } = options
      const place = edge === undefined ? '' : ` for ${edge}`
      console.error(
        `There are no service tokens${place}. Make one with: relay service-token create --edge ${edge ?? 'edg_docs'}`,
      )
      if (edge !== undefined) await warnOfUnknownEdge([edge], options)
      return
    }
    const table = rows.map((row) => [
      row.id,
      row.edge,
      shownTime(row.created_at),
      row.last_used_at === undefined ? 'never' : shownTime(row.last_used_at),
      row.revoked_at === undefined ? 'valid' : 'revoked',
      row.description ?? '',
    ])
    printTable(['ID', 'EDGE', 'CREATED (UTC)', 'USED (UTC)', 'STATE', 'DESCRIPTION'], table)
  })
}

export async function revokeServiceToken(id: string, options: StoreOption): Promise<void> {
  await withStore(options, openServiceTokens, async (serviceTokens) => {
    const revoked = await serviceTokens.revoke(id)
    await untilSeen()
    console.error(`Revoked ${revoked.id}. Its exchanges under way end at once.`)
  })
}

function openServiceTokens(store: Store): Promise<ServiceTokens> {
  return ServiceTokens.open(store)
}
