// Which stream ids a session has used: its own, which go up by two, and its peer's, each of which must be new.
// Pure: no I/O, no clock.

import { UINT32_MAX } from './frame.ts'

// hashicorp's client may send the SYNs of concurrent opens out of order, so skipped ids stay valid for a while; few for
// each SYN, or a peer that skips many ids could cause much work with twelve bytes.
const SKIPPED_IDS_AT_MOST = 1_024
const SKIPPED_IDS_PER_SYN = 64

export class StreamIds {
  readonly #parity: number
  #next: number
  #lastOfPeer: number
  #skipped: Set<number> | undefined // made with the first skipped id, which few peers ever have

  /** The client opens odd ids, the server even ones. 0 is the session itself. */
  constructor(role: 'client' | 'server') {
    this.#next = role === 'client' ? 1 : 2
    this.#parity = this.#next % 2
    this.#lastOfPeer = role === 'client' ? 0 : -1
  }

  /** Whether we have an id left to open. */
  get hasNext(): boolean {
    return this.#next <= UINT32_MAX
  }

  /** The id of the next stream that we open. */
  take(): number {
    const id = this.#next
    this.#next += 2
    return id
  }

  /** Whether the peer may open this id: of its parity, and never used before. From now on it is used. */
  takeOfPeer(id: number): boolean {
    if (id === 0 || this.isOurs(id)) return false
    if (id <= this.#lastOfPeer) return this.#skipped?.delete(id) ?? false
    const firstSkipped = Math.max(this.#lastOfPeer + 2, id - 2 * SKIPPED_IDS_PER_SYN)
    this.#lastOfPeer = id
    if (firstSkipped < id) this.#skip(firstSkipped, id)
    return true
  }

  /** Whether a stream of this id may have existed, so that a frame for it is merely late. */
  isPast(id: number): boolean {
    if (id === 0) return false
    return this.isOurs(id) ? id < this.#next : id <= this.#lastOfPeer
  }

  isOurs(id: number): boolean {
    return id % 2 === this.#parity
  }

  #skip(first: number, end: number): void {
    const skipped = (this.#skipped ??= new Set())
    for (let id = first; id < end; id += 2) skipped.add(id)
    for (const id of skipped) {
      if (skipped.size <= SKIPPED_IDS_AT_MOST) break
      skipped.delete(id)
    }
  }
}
