// The surroundings with which edges of the store are read. Pure: no I/O, no clock.

import type { EdgesPlace } from '../model/read-edges.ts'
import type { Config } from './config.ts'
import { supplyOf } from './supply-of.ts'

/** No path in them means anything, so there is no folder. */
export function storedEdgesPlace(config: Config): Omit<EdgesPlace, 'agent' | 'isStored'> {
  return {
    publicUrl: config.public_url,
    identityJwt: config.identity_jwt,
    folder: '/',
    tls: {
      endsHere: config.listen.https !== undefined,
      authorities: new Map(Object.entries(config.certificate_authorities)),
    },
    supply: supplyOf(config),
  }
}
