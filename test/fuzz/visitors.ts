// Well-behaved visitors, in every version of HTTP: they report their answer, and whether it could be read.

import { request as httpRequest } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { connect, constants } from 'node:http2'
import type { IncomingHttpHeaders } from 'node:http2'

/** The kind of request. `1` and `2` are versions of HTTP; an upgrade is to a WebSocket. */
export const VISITORS = ['1 GET', '1 HEAD', '1 POST', '1 upgrade', '2 GET', '2 HEAD', '2 POST', '2 upgrade'] as const
export type Visitor = (typeof VISITORS)[number]

/** The answer that a visitor got. */
export interface Visit {
  /** 0 without an answer. */
  status: number
  headers: IncomingHttpHeaders
  body: string
  /** Whether the answer came to its end, rather than being cut off. */
  isWhole: boolean
  /** The part that cannot be read. */
  problem?: string
}

const BODY = 'a body of a visitor'
const WEB_SOCKET_KEY = Buffer.alloc(16, 'k').toString('base64')
const HEAD_MAX_BYTES = 1024 * 1024 // more than the relay lets through
/** How long a WebSocket stays open. */
const STAY_MS = 10
// The only code that means unreadable bytes; the relay itself ends streams for other reasons.
const { NGHTTP2_PROTOCOL_ERROR } = constants

export function visit(visitor: Visitor, port: number, host: string, path: string, body = BODY): Promise<Visit> {
  const [version, how = ''] = visitor.split(' ')
  return version === '1' ? visitHttp1(port, host, path, how, body) : visitHttp2(port, host, path, how, body)
}

/** @returns a fault that no answer of the app excuses */
export function problemOf({ status, headers, problem }: Visit): string | undefined {
  if (problem !== undefined) return `the relay sends what cannot be read: ${problem}`
  const code = headers['sallyport-error-code']
  if (code === 'ERR_INTERNAL') return 'the relay answers that it made a mistake'
  if (code !== undefined && status < 400) return `${String(code)} with the status ${status}`
  return undefined
}

function visitHttp1(port: number, host: string, path: string, how: string, sent: string): Promise<Visit> {
  const got: Visit = { status: 0, headers: {}, body: '', isWhole: false }
  const isUpgrade = how === 'upgrade'
  const headers = {
    host,
    ...(how === 'POST' && { 'content-length': sent.length }),
    ...(isUpgrade && {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': WEB_SOCKET_KEY,
    }),
  }
  return new Promise((resolve) => {
    const request = httpRequest({
      port,
      host: '127.0.0.1',
      path,
      method: isUpgrade ? 'GET' : how,
      headers,
      agent: false,
      insecureHTTPParser: false,
      maxHeaderSize: HEAD_MAX_BYTES,
    })
    const read = (response: IncomingMessage): void => {
      got.status = response.statusCode ?? 0
      got.headers = response.headers
    }
    request.on('response', (response) => {
      read(response)
      response.setEncoding('latin1').on('data', (text: string) => (got.body += text))
      response.on('error', () => {}) // it is cut off: `complete` says so
      response.on('close', () => {
        got.isWhole = response.complete
        resolve(got)
      })
    })
    request.on('upgrade', (response, socket) => {
      read(response)
      got.isWhole = true
      socket.on('error', () => {}) // the app may end it in any way
      socket.on('close', () => resolve(got))
      socket.resume()
      setTimeout(() => socket.destroy(), STAY_MS)
    })
    request.on('error', (error: NodeJS.ErrnoException) => {
      // Half an answer is not unreadable, and neither is one that the relay has cut off.
      if (error.code?.startsWith('HPE_') && error.code !== 'HPE_INVALID_EOF_STATE') got.problem = error.code
      resolve(got)
    })
    request.end(how === 'POST' ? sent : undefined)
  })
}

function visitHttp2(port: number, host: string, path: string, how: string, sent: string): Promise<Visit> {
  const got: Visit = { status: 0, headers: {}, body: '', isWhole: false }
  return new Promise((resolve) => {
    const session = connect(`http://127.0.0.1:${port}`)
    session.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code?.startsWith('ERR_HTTP2')) got.problem = `${error.code} ${error.message}`
    })
    session.on('close', () => resolve(got))
    const isUpgrade = how === 'upgrade'
    const ask = (): void => {
      const stream = session.request(
        {
          ':authority': host,
          ':path': path,
          ':method': isUpgrade ? 'CONNECT' : how,
          ...(isUpgrade && { ':protocol': 'websocket', ':scheme': 'http', 'sec-websocket-version': '13' }),
        },
        { endStream: how === 'GET' || how === 'HEAD' },
      )
      stream.on('response', (headers) => {
        got.status = headers[':status'] ?? 0
        got.headers = headers
        if (isUpgrade && got.status === 200) setTimeout(() => stream.close(), STAY_MS)
      })
      stream.setEncoding('latin1').on('data', (text: string) => (got.body += text))
      stream.on('end', () => (got.isWhole = !stream.rstCode))
      stream.on('error', () => {}) // it is cut off: the code says so
      stream.on('close', () => {
        if (stream.rstCode === NGHTTP2_PROTOCOL_ERROR) got.problem = 'a stream ended with PROTOCOL_ERROR'
        resolve(got)
        session.destroy()
      })
      if (how === 'POST') stream.end(sent)
      else if (isUpgrade) stream.write('hello')
    }
    // RFC 8441 3: not before the relay has said that it knows of it.
    if (isUpgrade) session.once('remoteSettings', ask)
    else ask()
  })
}
