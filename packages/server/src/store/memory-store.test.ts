// The engine of other rooms' tests keeps the contract as well, so it behaves like a real one.

import { MemoryStore } from './memory-store.test-support.ts'
import { storeContract } from './store-contract.test-support.ts'

storeContract('memory', async (listeners) => new MemoryStore(listeners))
