// Whether a relay should get visitors, and whether it can keep anything.
//
//   starting ──▶ ready ──▶ draining ──▶ (gone)
//       └──────────┴───────────┴── destroyed ──▶ stopping

export class Readiness {
  /** Why nothing can be kept in the store; undefined where it can. */
  storeLoss: string | undefined
  #phase: 'starting' | 'ready' | 'draining' | 'stopping' = 'starting'

  /** In one word why it should get no visitors, or what is wrong with the store; undefined where all is well. */
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
