// The options of a yamux session, and their defaults.

import type { BufferBudget } from './buffer-budget.ts'
import type { YamuxStream } from './stream.ts'

export interface YamuxSessionOptions {
  /** Which stream ids are ours: the client opens odd ones, the server even ones. */
  role: 'client' | 'server'
  /** A stream that the peer opened; ACK is sent by itself. Without a handler such streams are reset. */
  onStream?: (stream: YamuxStream) => void
  /** Streams the peer may have open at once; the next ones are reset. */
  maxStreams?: number
  /** Receive windows grow no further than this. */
  maxWindowBytes?: number
  /**
   * Received and unread bytes of all streams; above it the longest-stalled stream is reset. The budget decides by
   * default.
   */
  maxBufferedBytes?: number
  /**
   * Shared by the sessions of a process: above it, the longest-stalled stream of the session that holds most is reset.
   */
  budget?: BufferBudget
  /** If memory is short, a stream whose reader has stalled for this long is reset before the session is full. */
  stallLimitMs?: number
  pingIntervalMs?: number
  /** Not a single byte from the peer for this long: the session ends as `silent`. */
  silenceLimitMs?: number
  /** How long `close()` waits for streams to end, unless its caller says otherwise. */
  closeDeadlineMs?: number
}

export const DEFAULTS = {
  maxStreams: 10_000, // far above what one agent serves; each costs some kilobytes
  maxWindowBytes: 16 * 1024 * 1024, // 1 Gbit/s over 60 ms, twice
  stallLimitMs: 10_000, // a slow reader moves every second or so, one on a train after a tunnel or two
  pingIntervalMs: 10_000, // below the 60 s idle cut of common load balancers
  silenceLimitMs: 15_000, // one ping and half an interval
  closeDeadlineMs: 30_000, // the drain time of the relay
} as const satisfies Partial<YamuxSessionOptions>
