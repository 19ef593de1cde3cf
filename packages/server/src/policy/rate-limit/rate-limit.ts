// The rate-limit action: limits the requests of each bucket in a sliding window.

import type { RateLimitConfig } from './kind.ts'
import { RelayError } from '../../errors.ts'
import type { Action } from '../../exchange/action.ts'
import type { LastingOfEdge } from '../lasting.ts'
import type { Leniency } from '../leniency.ts'
import { noteResult } from '../note-result.ts'
import type { Remembering } from '../note-result.ts'
import type { SourcesParts } from '../sources/sources.ts'
import { inEveryReading } from '../view-of.ts'
import { compactKey, compileKey } from './bucket-key.ts'
import type { CounterRooms } from './counter-rooms.ts'

export interface RateLimitParts extends SourcesParts {
  edgeId: string
  /** The tenant whose share of memory the buckets use. */
  tenant: string
  counterRooms: CounterRooms
  /** Counters outlive the policy. */
  lasting: LastingOfEdge
  leniency: Leniency
  clock: () => number
}

/** @throws RelayError, from the action: `rate_limited`, or `path_ambiguous` if the key depends on how the path is read */
export function rateLimit(config: RateLimitConfig, parts: RateLimitParts & Partial<Remembering>): Action {
  const { name, capacity, rate, bucket_key, enforce } = config
  const { edgeId, tenant, counterRooms, lasting, leniency, sources, clock } = parts
  const isRead = parts.readsResult?.('rate_limit') ?? false
  const bucketKey = compileKey(bucket_key)
  const identity = JSON.stringify([name, rate, bucket_key])
  const counter = lasting(`rate-limit ${identity}`, (fullName) => counterRooms.counter(tenant, rate, fullName))
  const told = `"${quotable(name)}"`
  const policy = `${told};q=${capacity};w=${Math.ceil(rate / 1000)}`

  const refuse = (waitMs: number): RelayError => {
    // The window must move past the moment at which there is room.
    const seconds = Math.floor(waitMs / 1000) + 1
    return new RelayError('rate_limited', {
      detail: name,
      headers: {
        'retry-after': String(seconds),
        // draft-ietf-httpapi-ratelimit-headers-10 3, 4: quota and window, remaining and seconds until there is more.
        'ratelimit-policy': policy,
        ratelimit: `${told};r=0;t=${seconds}`,
      },
    })
  }

  return (exchange, next) => {
    // Another spelling of the path must not give a visitor a new bucket.
    const key = inEveryReading(bucketKey.of, bucketKey.isOfPath, sources, exchange)
    const waitMs = counter.take(compactKey(key), capacity, clock())
    if (isRead) noteResult(exchange, 'rate_limit', { bucket_key: key, limited: waitMs > 0 })
    if (waitMs > 0) {
      if (enforce) throw refuse(waitMs)
      leniency.note({ edgeId, action: 'rate-limit', detail: name })
    }
    return next()
  }
}

/** RFC 9651 3.3.3: the characters that a string of a structured field may contain. */
function quotable(name: string): string {
  return /^[\x20-\x7e]+$/.test(name) ? name.replaceAll(/["\\]/g, String.raw`\$&`) : 'rate-limit'
}
