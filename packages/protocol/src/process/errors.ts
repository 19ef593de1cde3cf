// Errors at the border between relay and agent. Each code says how the session closes and whether the
// agent should try again, so that neither end guesses from a sentence.

interface Outcome {
  /** WebSocket close code (RFC 6455 7.4; 4000-4999 are ours). */
  closeCode: number
  /** Whether a reconnect may succeed without anyone changing anything. */
  retryable: boolean
}

const OUTCOMES = {
  /** The peer broke the yamux framing or its rules. */
  mux_violation: { closeCode: 1002, retryable: true },
  /** A control message that does not parse, or one that is not allowed now. */
  control_violation: { closeCode: 4000, retryable: true },
  /** The two ends share no protocol version. */
  version_unsupported: { closeCode: 4001, retryable: false },
  /** The authtoken is missing, unknown, revoked or expired. */
  authtoken_refused: { closeCode: 4002, retryable: false },
  /** The authtoken does not permit this label or URL. */
  bind_not_permitted: { closeCode: 4003, retryable: false },
  /** The bind names something impossible: a taken URL, no labels, too many tunnels. */
  bind_invalid: { closeCode: 4004, retryable: false },
  /** A bound of this relay is reached; later there may be room. */
  limit_reached: { closeCode: 4005, retryable: true },
  /** The relay is going away; connect elsewhere or later. */
  draining: { closeCode: 4006, retryable: true },
  /** The peer was silent for too long. */
  silent: { closeCode: 4007, retryable: true },
  /** The connection ended under us. */
  connection_lost: { closeCode: 1006, retryable: true },
  /** The stream was reset by the peer. */
  stream_reset: { closeCode: 1000, retryable: true },
  /** The session is closed or going away: no new stream. */
  session_closed: { closeCode: 1000, retryable: true },
  /** A memory bound was reached and this stream was sacrificed. */
  buffer_exhausted: { closeCode: 1000, retryable: true },
  /** A fault on this side. */
  internal: { closeCode: 1011, retryable: true },
} as const satisfies Record<string, Outcome>

export type ProtocolErrorCode = keyof typeof OUTCOMES

/** Thrown and passed wherever relay and agent disagree or lose each other. */
export class ProtocolError extends Error {
  readonly code: ProtocolErrorCode

  /**
   * @param code which row of the table
   * @param detail one sentence for logs and, if the peer shows it, for people; no secrets
   */
  constructor(code: ProtocolErrorCode, detail?: string, options?: ErrorOptions) {
    super(detail ?? code.replaceAll('_', ' '), options)
    this.name = 'ProtocolError'
    this.code = code
  }

  get closeCode(): number {
    return OUTCOMES[this.code].closeCode
  }

  get retryable(): boolean {
    return OUTCOMES[this.code].retryable
  }
}

/** Narrows a code that came over the wire: an unknown one is not a crash, it is `internal`. */
export function toProtocolErrorCode(value: string): ProtocolErrorCode {
  return Object.hasOwn(OUTCOMES, value) ? (value as ProtocolErrorCode) : 'internal' // hasOwn just proved it
}
