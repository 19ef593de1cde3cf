// One request in each of the ways that a visitor can come: HTTP/1.1, HTTP/2 (the relay needs `listen.http2: all`), and
// the upgrade of a WebSocket. Written by hand, so names, lines and their order are those of the test.

import { connect } from 'node:net'

import { RawClient } from './raw-client.ts'
import { RawHttp2, request as http2Request } from './raw-http2.ts'
import { webSocketRequest } from './raw-web-socket.ts'

export const WAYS = ['HTTP/1.1', 'HTTP/2', 'an upgrade'] as const

export interface VisitInit {
  host: string
  /** GET by default; an upgrade is always one. */
  method?: string
  path?: string
  /** One line or field each, in this order; names in lower case for HTTP/2. */
  headers?: readonly (readonly [name: string, value: string])[]
  /** The visitor's address; 127.0.0.1 by default. */
  from?: string
}

/** @returns the status of the answer: 101 for a WebSocket that was opened */
export async function visit(way: (typeof WAYS)[number], port: number, init: VisitInit): Promise<number> {
  const { host, method = 'GET', path = '/', headers = [], from = '127.0.0.1' } = init
  if (way === 'HTTP/2') {
    const visitor = new RawHttp2(port, connect({ port, host: '127.0.0.1', localAddress: from }))
    const pseudo = { ':method': method, ':scheme': 'http', ':authority': host, ':path': path }
    const fields = headers.map(([name, value]) => [name.toLowerCase(), value] as const)
    visitor.write(http2Request(1, [...Object.entries(pseudo), ...fields]))
    const status = await visitor.answer(1)
    visitor.close()
    return Number(status)
  }
  const lines = headers.map(([name, value]) => `${name}: ${value}`)
  const plain = [`${method} ${path} HTTP/1.1`, `Host: ${host}`, ...lines, '', ''].join('\r\n')
  const visitor = new RawClient(port, from)
  visitor.write(way === 'an upgrade' ? webSocketRequest(host, lines, path) : plain)
  const answer = await visitor.until(/^HTTP\/1\.1 \d+/)
  visitor.close()
  return Number(answer.slice(9, 12))
}
