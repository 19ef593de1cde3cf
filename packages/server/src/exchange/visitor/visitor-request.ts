// The request of a visitor. Types only.

/**
 * A visitor's request in the form of HTTP/1.1, whatever its version (RFC 9113 8.3.1 says how to convert it): no
 * pseudo-header, one `host`, one `cookie`, and a body exactly if a framing header announces one. node:http's
 * IncomingMessage has this type already, so that HTTP/1.1 pays nothing for the other versions.
 */
export interface VisitorRequest {
  readonly method?: string | undefined
  readonly url?: string | undefined
  /** Name, value, name, value … */
  readonly rawHeaders: readonly string[]
  /** As `rawHeaders`; complete at 'end'. */
  readonly rawTrailers: readonly string[]
  readonly httpVersionMinor: number
  /** The version on the wire. It is for policies only; all other code treats `2.0` as HTTP/1.1. */
  readonly httpVersion?: string | undefined
  /** Whether the whole request has come. */
  readonly complete: boolean
  on(event: 'data', listener: (chunk: Buffer) => void): unknown
  /**
   * Emitted only for a request that announces a body, when the body is complete. A request that is cut off closes its
   * response instead.
   */
  on(event: 'end', listener: () => void): unknown
  pause(): unknown
  resume(): unknown
}
