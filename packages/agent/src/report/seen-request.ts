// A request of a visitor, as the view shows it. A type only.

/** One request as it is by now. Everything in it comes from outside. */
export interface SeenRequest {
  /** What the relay calls it, also when it tries again; undefined where an older relay has no name for it. */
  id?: string | undefined
  /** When it came. Milliseconds since the epoch. */
  at: number
  method: string
  /** Without the query, in which may be what nobody should read over a shoulder. */
  path: string
  /** Undefined as long as there is no answer. */
  status: number | undefined
  /** From its head to the last byte of the answer so far; undefined as long as there is none. */
  ms: number | undefined
}
