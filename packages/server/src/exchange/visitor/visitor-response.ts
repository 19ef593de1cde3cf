// The response to a visitor, in any version of HTTP. Types only.

/** The answer to a visitor; on HTTP/1.1 it is node:http's own ServerResponse, except for the hints. */
export interface VisitorResponse {
  readonly headersSent: boolean
  readonly destroyed: boolean
  readonly statusCode: number
  /** @param headers names with values, or a flat list of both. Headers of a connection are left out on HTTP/2. */
  writeHead(status: number, headers: VisitorHeaders | string[]): unknown
  /** Sends a written head now. Otherwise it would wait for the first bytes of the body. */
  flushHeaders(): unknown
  /** Whether more may be written now; otherwise wait for 'drain'. */
  write(chunk: Buffer | string): boolean
  end(chunk?: Buffer): unknown
  end(chunk: string, encoding: 'latin1'): unknown
  addTrailers(trailers: [name: string, value: string][]): unknown
  writeContinue(): unknown
  /** Another interim response, such as 102: only its status passes. */
  writeInterim(status: number): void
  /** 103, with links that have been checked (RFC 8297). */
  writeHints(links: readonly string[]): void
  /**
   * The answer was sent in full, or the visitor is gone. It is emitted only once, so on() is enough; once() costs
   * more.
   */
  on(event: 'close', listener: () => void): unknown
  once(event: 'close' | 'drain', listener: () => void): unknown
  off(event: 'close', listener: () => void): unknown
  /** Ends an answer in such a way that the visitor sees that it is not complete. */
  destroy(): unknown
}

export type VisitorHeaders = Record<string, string | number | string[]>

export type ResponseHeaders = Record<string, string | string[]>
