// The configuration as the rooms use it: parsed, expanded, checked, with every default filled in.
// It keeps the keys of relay.yml. schema.ts defines them; parse-config.ts makes a Config of them.

import type { z } from 'zod'

import type { EdgeConfig } from '../model/edge-config.ts'
import type { configSchema } from './schema.ts'
export type { ListenAddress } from './schema/listen-schema.ts'
export type { LimitName, Limits } from './schema/limits-schema.ts'
import type { timeoutsSchema } from './schema/timeouts-schema.ts'

/** A whole relay.yml. */
export type Config = Omit<z.output<typeof configSchema>, 'edges' | 'tls' | 'store'> & {
  tls: { certificates: readonly CertificateFiles[]; hsts_seconds: number }
  store: StoreLocation
  edges: readonly EdgeConfig[]
}

/** Absolute paths. */
export interface CertificateFiles {
  cert_file: string
  key_file: string
}

/** The place of the store. The path is absolute. */
export interface StoreLocation {
  type: 'sqlite'
  path: string
}

/** In seconds, as in the file. */
export type Timeouts = z.output<typeof timeoutsSchema>
