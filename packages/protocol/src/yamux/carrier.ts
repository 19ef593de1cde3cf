// What a yamux session rides on: a reliable, ordered byte pipe that prefers whole messages. The WebSocket is the real
// one; tests bring TCP and memory. A carrier knows nothing of frames, and never calls `onMessage` from inside `send`.

export interface Carrier {
  /**
   * Hands over one message of at most 40 KiB, to keep and to change until `sent` is called: once the operating system
   * has taken it, or has refused. Then its memory is used again.
   */
  send(message: Buffer, sent: (error?: Error | null) => void): void
  /** Bytes handed over and not yet taken by the operating system. */
  readonly bufferedBytes: number
  /** Raw bytes seen from the peer so far. Half a message counts: that is what proves the peer alive. */
  readonly bytesRead: number
  /** Graceful: what was handed over still leaves. `onClose` follows. */
  close(code: number, reason: string): void
  /** Immediate. `onClose` follows. */
  destroy(): void
  /** Set by the session; message borders carry no meaning. */
  onMessage: (chunk: Buffer) => void
  /** Set by the session; called once. No error means that the peer or we closed on purpose. */
  onClose: (error?: Error) => void
}
