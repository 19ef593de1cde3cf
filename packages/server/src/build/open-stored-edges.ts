// The edges of the store, which change while the relay runs.

import type { Config } from '../config/config.ts'
import { storedEdgesPlace } from '../config/stored-edges-place.ts'
import { buildClosedEdge } from '../edge/closed-edge.ts'
import { buildEdge } from '../edge/build-edge.ts'
import type { EdgeParts } from '../edge/build-edge.ts'
import type { EdgeBook } from '../edge/edge-book.ts'
import { StoredEdges } from '../edge/stored/stored-edges.ts'
import type { Keys } from '../keys.ts'
import type { Store } from '../store/store.ts'

export interface OpenStoredEdgesInit {
  /** The configuration in use, which a reload changes. */
  readonly config: () => Config
  readonly store: Store
  readonly keys: Keys
  readonly book: EdgeBook
  readonly edgeRoom: EdgeParts
}

/** @throws StoreUnavailable */
export function openStoredEdges({ config, store, keys, book, edgeRoom }: OpenStoredEdgesInit): Promise<StoredEdges> {
  return StoredEdges.open({
    store,
    keys,
    book,
    place: () => storedEdgesPlace(config()),
    build: (edge) => buildEdge(edge, edgeRoom),
    buildClosed: (edge) => buildClosedEdge(edge, edgeRoom),
    log: edgeRoom.log,
  })
}
