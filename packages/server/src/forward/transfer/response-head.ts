// The head of an app's answer, in any version of HTTP.

export interface ResponseHead {
  status: number
  /** Name, value, name, value … in the order and case of the app. Framing headers are still among them. */
  rawHeaders: string[]
  /** Bytes of the body, `chunked`, `close` (until the end of the stream) or none. */
  framing: number | 'chunked' | 'close'
  /** Whether the app takes another request on this connection, by the head. */
  keepAlive: boolean
  /** Header names that `Connection` lists, in normal form; undefined if it lists none. */
  connectionOptions: Set<string> | undefined
}

/** The app's bytes are not a response that can be passed on. */
export class BadResponse extends Error {
  /** Whether its head is above the limit. */
  readonly isTooLong: boolean

  constructor(reason: string, { isTooLong = false } = {}) {
    super(reason)
    this.name = 'BadResponse'
    this.isTooLong = isTooLong
  }
}
