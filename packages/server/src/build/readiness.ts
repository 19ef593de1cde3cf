// Whether a relay should get visitors, and whether it can save anything.
//
//   starting ──▶ ready ──▶ draining ──▶ (gone)
//       └──────────┴───────────┴── destroyed ──▶ stopping

export class Readiness {
  /** Why nothing can be saved in the store; undefined if it can. */
  storeLoss: string | undefined
  #phase: 'starting' | 'ready' | 'draining' | 'stopping' = 'starting'

  /** In one word why it should get no visitors, or the problem of the store; undefined without a problem. */
  get problem(): string | undefined {
    return this.isReady ? this.storeLoss : this.#phase
  }

  get isReady(): boolean {
    return this.#phase === 'ready'
  }

  begin(phase: 'ready' | 'draining' | 'stopping'): void {
    this.#phase = phase
  }
}
