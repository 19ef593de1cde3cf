// A request of a visitor, as the view shows it. A type only.

/** One request in its current state. Everything in it comes from outside. */
export interface SeenRequest {
  /** The relay's id of the request, the same for a retry; undefined from an older relay. */
  id?: string | undefined
  /** The time of its arrival, in milliseconds since the epoch. */
  at: number
  method: string
  /** Without the query, which may hold a secret that an onlooker should not read. */
  path: string
  /** Undefined before the answer. */
  status: number | undefined
  /** From its head to the last byte of the answer so far; undefined before the answer. */
  ms: number | undefined
}
