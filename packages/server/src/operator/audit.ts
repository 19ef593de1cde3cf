// Who has changed what: an entry for each change, written in the same commit as the change.

import { z } from 'zod'

import type { Bucket, Page, PageOptions, Store, Write } from '../store/store.ts'
import { randomBase62 } from '../store/random-base62.ts'
import type { Difference } from './differences.ts'

const KEPT_MS = 400 * 24 * 3_600_000
const TIME_CHARS = 9 // of base 36; enough until the year 5188
const RANDOM_CHARS = 8

const entrySchema = z.object({
  /** Milliseconds since 1970. */
  time: z.number(),
  actor: z.object({ kind: z.enum(['local']), name: z.string() }),
  via: z.enum(['cli']),
  /** For example `edge.update`. */
  action: z.string(),
  target: z.object({ kind: z.string(), id: z.string(), name: z.string().exactOptional() }),
  /** The version that the change has made. */
  version: z.number().exactOptional(),
  /** Secrets are marks in it. A part that was or is absent has no `from` or `to`. */
  changes: z.array(
    z.object({
      path: z.array(z.union([z.string(), z.number()])),
      from: z.unknown().optional(),
      to: z.unknown().optional(),
    }),
  ),
})

export type AuditEntry = z.output<typeof entrySchema>

/** Who makes a change, and how. */
export type Author = Pick<AuditEntry, 'actor' | 'via'>

export class AuditLog {
  readonly #bucket: Bucket<AuditEntry>

  constructor(store: Store) {
    this.#bucket = store.bucket('audit', (stored) => entrySchema.parse(stored), {
      known: Object.keys(entrySchema.shape),
    })
  }

  /** The write of an entry, for the commit of its change. */
  adding(entry: Omit<AuditEntry, 'changes'> & { changes: readonly Difference[] }): Write {
    const { time, changes } = entry
    const key = `aud_${time.toString(36).padStart(TIME_CHARS, '0')}${randomBase62(RANDOM_CHARS)}`
    const shown = changes.map(({ path, from, to }) => ({ path: path.map(asStep), from, to }))
    return this.#bucket.putting(key, { ...entry, changes: shown }, { expectedRevision: 0, ttlMs: KEPT_MS })
  }

  /** Newest first. */
  page(options: Omit<PageOptions, 'backward'>): Promise<Page<AuditEntry>> {
    return this.#bucket.page({ ...options, backward: true })
  }
}

function asStep(step: PropertyKey): string | number {
  return typeof step === 'number' ? step : String(step)
}
