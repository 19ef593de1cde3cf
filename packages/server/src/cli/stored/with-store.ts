// Opens the store that the configuration names for one command, also while a relay runs on it.

import { existsSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'

import { loadStoreLocation } from '../../config/load-config.ts'
import { keyFileOf } from '../../keys.ts'
import { openStore } from '../../store/open-store.ts'
import { WATCH_INTERVAL_MS, type Store } from '../../store/store.ts'

export interface StoreOption {
  config?: string
}

/**
 * Works with data in the store.
 * @param open reads it; closed again when `work` is done
 */
export async function withStore<T extends { close(): Promise<void> }>(
  { config: file = process.env.SALLYPORT_CONFIG || undefined }: StoreOption,
  open: (store: Store) => Promise<T>,
  work: (opened: T) => Promise<void>,
): Promise<void> {
  const location = await loadStoreLocation({ ...(file !== undefined && { file }), env: process.env })
  const { path } = location
  // A relay has been here and left its key. If it still runs, it has another file open, which cannot be reached.
  const wasLost = !existsSync(path) && existsSync(keyFileOf(path))
  const store = await openStore(location, { onProblem: (problem) => console.error(problem.message) })
  if (wasLost) console.error(`There was no ${path} any more; a new one was made. A relay that runs must be restarted.`)
  try {
    const opened = await open(store)
    try {
      await work(opened)
    } finally {
      await opened.close()
    }
  } finally {
    await store.close()
  }
}

/** A relay that runs on the store knows the change when the command ends, so the next command can rely on it. */
export async function untilSeen(): Promise<void> {
  await setTimeout(WATCH_INTERVAL_MS * 1.5)
}
