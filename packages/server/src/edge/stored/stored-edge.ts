// The rows of an edge in the store. `edge` has its document, without secrets; `edge_host` has a row for each host, so that
// two edges can never get the same one, whoever writes them; `edge_history` has the latest versions of each.

import { z } from 'zod'

import type { Bucket, Store } from '../../store/store.ts'

/** A secret of the document, as `sealSecrets()` makes it. */
const sealedSecretSchema = z.object({
  /** Tells whether two secrets are equal, and nothing else. */
  fingerprint: z.string(),
  /** The action, and whom it shows the secret to. */
  to: z.string(),
  /** Opens with the key of the relay alone. */
  box: z.string(),
})

const rowSchema = z.object({
  /** The edge as in relay.yml, with a SecretMark for each secret. What a newer version has written is kept as it is. */
  spec: z.record(z.string(), z.unknown()),
  secrets: z.array(sealedSecretSchema),
  /** Nobody may visit. */
  disabled: z.boolean().exactOptional(),
  /** Who applies it from files, for example `git:infra`. */
  managed_by: z.string().exactOptional(),
  /** 1, and one more with each change. */
  version: z.number(),
  /** Milliseconds since 1970, like the next one. */
  created_at: z.number(),
  updated_at: z.number(),
})

const hostSchema = z.object({ edge: z.string() })

export type SealedSecret = z.output<typeof sealedSecretSchema>
export type StoredEdge = z.output<typeof rowSchema>
export type StoredHost = z.output<typeof hostSchema>

/** Older versions that are kept of each edge. */
export const HISTORY_MAX = 20

/** An edge of the store, as one process has it. */
export interface StoredEdgeInUse {
  /** `shadowed`: relay.yml has its id. `absent`: the process knows of no such edge. */
  state: 'serving' | 'disabled' | 'broken' | 'shadowed' | 'absent'
  /** Of the store; absent if the edge is. */
  revision?: number
  /** Why it is broken. */
  problems: string[]
}

export interface EdgeBuckets {
  /** By the id of the edge. */
  readonly edges: Bucket<StoredEdge>
  /** By host. */
  readonly hosts: Bucket<StoredHost>
  /** By `historyKey()`. */
  readonly history: Bucket<StoredEdge>
}

export function edgeBuckets(store: Store): EdgeBuckets {
  const ofEdges = { known: Object.keys(rowSchema.shape) }
  return {
    edges: store.bucket('edge', (stored) => rowSchema.parse(stored), ofEdges),
    hosts: store.bucket('edge_host', (stored) => hostSchema.parse(stored), { known: Object.keys(hostSchema.shape) }),
    history: store.bucket('edge_history', (stored) => rowSchema.parse(stored), ofEdges),
  }
}

/** Keys of one edge are neighbours, in the order of the versions. */
export function historyKey(id: string, version: number): string {
  return `${id}/${String(version).padStart(10, '0')}`
}

/** The hosts that a document names, as far as it can be read. */
export function hostsIn(spec: Readonly<Record<string, unknown>>): string[] {
  const { hosts } = spec
  return Array.isArray(hosts) ? hosts.filter((host) => typeof host === 'string').map((host) => host.toLowerCase()) : []
}
