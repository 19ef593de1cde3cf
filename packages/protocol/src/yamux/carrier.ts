// The transport below a yamux session: a reliable, ordered byte pipe that prefers whole messages. The WebSocket is the
// real one; tests bring TCP and memory. A carrier does not know about frames, and never calls `onMessage` from inside
// `send`.

export interface Carrier {
  /**
   * Hands over one message of at most 40 KiB. The carrier may keep and change it until it calls `sent`: once the
   * operating system has taken or refused it. Then the memory is reused.
   */
  send(message: Buffer, sent: (error?: Error | null) => void): void
  /** Bytes handed over and not yet taken by the operating system. */
  readonly bufferedBytes: number
  /** Raw bytes seen from the peer so far. Half a message counts, because it proves that the peer is alive. */
  readonly bytesRead: number
  /** Graceful: messages that were handed over still leave. `onClose` follows. */
  close(code: number, reason: string): void
  /** Immediate. `onClose` follows. */
  destroy(): void
  /** Set by the session; message borders carry no meaning. */
  onMessage: (chunk: Buffer) => void
  /** Set by the session; called once. No error means that one of the two sides closed on purpose. */
  onClose: (error?: Error) => void
}
