// The one door to the store: whoever needs one says where it is kept, and gets what keeps it there. Nobody else knows the
// engines.

import type { StoreLocation } from '../config/config.ts'
import { openSqliteStore } from './sqlite/sqlite-store.ts'
import type { Store, StoreListeners } from './store.ts'

/** @throws ConfigError where it cannot be used, with a sentence for the operator */
export function openStore(location: StoreLocation, listeners: StoreListeners = {}): Promise<Store> {
  switch (location.type) {
    case 'sqlite':
      return openSqliteStore(location.path, listeners)
  }
}
