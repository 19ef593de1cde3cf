// The one door to the store: it takes the address of a store, and opens or copies it with the right engine. Only this file
// knows the engines.

import type { StoreLocation } from '../config/config.ts'
import { backupSqlite } from './sqlite/sqlite-backup.ts'
import { openSqliteStore } from './sqlite/sqlite-store.ts'
import type { Store, StoreListeners } from './store.ts'

/** @throws ConfigError if it cannot be used, with a sentence for the operator */
export function openStore(location: StoreLocation, listeners: StoreListeners = {}): Promise<Store> {
  switch (location.type) {
    case 'sqlite':
      return openSqliteStore(location.path, listeners)
  }
}

/**
 * Copies a store as it is at one moment, also while relays write to it. Blocks until it is done: for commands only.
 * @param copy a path without a file, or of an earlier copy, which is replaced
 * @returns the size of the copy in bytes
 * @throws ConfigError if it cannot be read or written, with a sentence for the operator
 */
export function backupStore(location: StoreLocation, copy: string): number {
  switch (location.type) {
    case 'sqlite':
      return backupSqlite(location.path, copy)
  }
}
