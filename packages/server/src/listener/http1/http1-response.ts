// The answer to an HTTP/1.1 visitor: node:http's own, except for a method that apps could abuse.

import type { IncomingMessage } from 'node:http'

import { STATUS_CODES, ServerResponse } from '@sallyport/protocol/node-http'

import type { VisitorResponse } from '../../exchange/exchange.ts'

export class Http1Response<Request extends IncomingMessage = IncomingMessage>
  extends ServerResponse<Request>
  implements VisitorResponse
{
  writeInterim(status: number): void {
    const { socket } = this
    if (this.headersSent || !socket?.writable) return
    socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n\r\n`, 'latin1')
  }

  /**
   * RFC 8297 2. It does not use `writeEarlyHints`, which throws if its pattern for links does not match, and whose
   * pattern can backtrack without end.
   */
  writeHints(links: readonly string[]): void {
    const { socket } = this
    if (this.headersSent || !socket?.writable) return
    // Only one exchange at a time uses the connection, so no bytes of another answer follow.
    socket.write(`HTTP/1.1 103 Early Hints\r\nLink: ${links.join(', ')}\r\n\r\n`, 'latin1')
  }
}
