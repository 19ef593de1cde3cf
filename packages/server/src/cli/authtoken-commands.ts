// `relay authtoken create|list|revoke`: works on the store that the configuration names, also while a relay runs on it.
// Standard output carries nothing but the token or the list, so that scripts can take it.

import { setTimeout } from 'node:timers/promises'

import { loadStoreLocation } from '../config/load-config.ts'
import { openSqliteStore } from '../store/sqlite-store.ts'
import { WATCH_INTERVAL_MS } from '../store/store.ts'
import { Authtokens } from '../tunnel/authtokens.ts'

interface StoreOption {
  config?: string
}

export async function createAuthtoken(options: StoreOption & { acl: string[]; description?: string }): Promise<void> {
  const { acl, description } = options
  await withAuthtokens(options, async (authtokens) => {
    const created = await authtokens.create({ acl, ...(description !== undefined && { description }) })
    await untilSeen()
    console.error(`Authtoken ${created.id} may: ${created.acl.join(', ')}. Keep it safe; it is shown only now.`)
    console.log(created.token)
  })
}

export async function listAuthtokens(options: StoreOption & { json?: boolean }): Promise<void> {
  await withAuthtokens(options, async (authtokens) => {
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
      new Date(row.created_at).toISOString().slice(0, 16).replace('T', ' '),
      row.revoked_at === undefined ? 'valid' : 'revoked',
      row.acl.join(', '),
      row.description ?? '',
    ])
    printTable(['ID', 'CREATED (UTC)', 'STATE', 'MAY', 'DESCRIPTION'], table)
  })
}

export async function revokeAuthtoken(id: string, options: StoreOption): Promise<void> {
  await withAuthtokens(options, async (authtokens) => {
    const revoked = await authtokens.revoke(id)
    await untilSeen()
    console.error(`Revoked ${revoked.id}. Its tunnel sessions end at once.`)
  })
}

/** A relay that runs on the store knows of the change when the command ends: an agent may start right after it. */
async function untilSeen(): Promise<void> {
  await setTimeout(WATCH_INTERVAL_MS * 1.5)
}

async function withAuthtokens(
  { config: file = process.env.SALLYPORT_CONFIG || undefined }: StoreOption,
  work: (authtokens: Authtokens) => Promise<void>,
): Promise<void> {
  const location = await loadStoreLocation({ ...(file !== undefined && { file }), env: process.env })
  const store = await openSqliteStore({ path: location.path, onProblem: (problem) => console.error(problem.message) })
  try {
    const authtokens = await Authtokens.open(store)
    try {
      await work(authtokens)
    } finally {
      await authtokens.close()
    }
  } finally {
    await store.close()
  }
}

function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)))
  for (const row of [head, ...rows]) {
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
  }
}
