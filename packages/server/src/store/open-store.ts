// The one door to the store: it takes the address of a store and opens the right engine. Only this file knows the
// engines.

import type { StoreLocation } from '../config/config.ts'
import { openSqliteStore } from './sqlite/sqlite-store.ts'
import type { Store, StoreListeners } from './store.ts'

/** @throws ConfigError if it cannot be used, with a sentence for the operator */
export function openStore(location: StoreLocation, listeners: StoreListeners = {}): Promise<Store> {
  switch (location.type) {
    case 'sqlite':
      return openSqliteStore(location.path, listeners)
  }
}
