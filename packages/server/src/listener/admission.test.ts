import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'

import { RelayError } from '../errors.ts'
import { admit } from './admission.ts'

// As in the relay, the real parser runs first: messages that it refuses never reach admit().
describe('admission', () => {
  const server = createServer((request, response) => {
    try {
      response.end(`admitted ${admit(request)}`)
    } catch (error) {
      assert.ok(error instanceof RelayError)
      response.writeHead(error.status).end(error.code)
    }
  })
  server.on('connect', (_, socket) => socket.end('HTTP/1.1 405 x\r\n\r\nmethod_not_allowed'))
  before(async () => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  })
  after(() => server.close())

  async function send(raw: string): Promise<string> {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    socket.end(raw)
    let answer = ''
    socket.setEncoding('latin1').on('data', (text: string) => (answer += text))
    await once(socket, 'close')
    return answer
  }

  const admitted: Record<string, [request: string, host: string]> = {
    'a plain request': ['GET / HTTP/1.1\r\nHost: docs.example.com\r\n\r\n', 'docs.example.com'],
    'attack 6: a host in another case with a port': [
      'GET / HTTP/1.1\r\nHost: DOCS.example.COM:8080\r\n\r\n',
      'docs.example.com',
    ],
    'a final dot': ['GET / HTTP/1.1\r\nHost: docs.example.com.\r\n\r\n', 'docs.example.com'],
    'an IPv6 literal': ['GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n', '[::1]'],
    'HTTP/1.0 with a Host': ['GET / HTTP/1.0\r\nHost: a.example\r\n\r\n', 'a.example'],
    'a chunked body': [
      'POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n',
      'a.example',
    ],
    'an encoded path': ['GET /@scope%2fname?x=%23 HTTP/1.1\r\nHost: a.example\r\n\r\n', 'a.example'],
  }
  for (const [what, [request, host]] of Object.entries(admitted)) {
    it(`admits ${what}`, async () => {
      assert.match(await send(request), new RegExp(`admitted ${host.replace(/[[\]]/g, '\\$&')}$`))
    })
  }

  const refused: Record<string, [request: string, status: number]> = {
    'attack 7: two Host headers': ['GET / HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n', 400],
    'attack 7: an absolute-form target': ['GET http://evil.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n', 400],
    'attack 2: # in the target': ['GET /a#b HTTP/1.1\r\nHost: a.example\r\n\r\n', 400],
    'attack 3: a backslash in the target': ['GET /a\\b HTTP/1.1\r\nHost: a.example\r\n\r\n', 400],
    'no Host': ['GET / HTTP/1.1\r\n\r\n', 400],
    'no Host on HTTP/1.0': ['GET / HTTP/1.0\r\n\r\n', 400],
    'a Host that is a path': ['GET / HTTP/1.1\r\nHost: a/../b@c\r\n\r\n', 400],
    'a Host with user info': ['GET / HTTP/1.1\r\nHost: user@a.example\r\n\r\n', 400],
    'an empty Host': ['GET / HTTP/1.1\r\nHost:\r\n\r\n', 400],
    'HTTP/2.0 on the wire': ['GET / HTTP/2.0\r\nHost: a.example\r\n\r\n', 400],
    'attack 17: Transfer-Encoding gzip, chunked': [
      'POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
    'attack 17: an unknown coding': ['POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: gzip\r\n\r\n', 501],
    'attack 17: chunked twice': [
      'POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
    'attack 17: Transfer-Encoding on HTTP/1.0': [
      'POST / HTTP/1.0\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
    'attack 17: CL.TE': [
      'POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
    'attack 17: two lengths': [
      'POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na',
      400,
    ],
    'attack 17: a signed length': ['POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: +1\r\n\r\na', 400],
    'attack 17: a space before the colon': ['GET / HTTP/1.1\r\nHost : a.example\r\n\r\n', 400],
    'attack 17: a bare LF': ['GET / HTTP/1.1\nHost: a.example\n\n', 400],
    'attack 17: a folded header': ['GET / HTTP/1.1\r\nHost: a.example\r\nX-A: b\r\n c\r\n\r\n', 400],
    'attack 8: TRACE': ['TRACE / HTTP/1.1\r\nHost: a.example\r\n\r\n', 405],
    'attack 8: CONNECT': ['CONNECT a.example:80 HTTP/1.1\r\nHost: a.example\r\n\r\n', 405],
    'OPTIONS *': ['OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n', 400],
  }
  for (const [what, [request, status]] of Object.entries(refused)) {
    it(`refuses ${what}`, async () => {
      const answer = await send(request)
      assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `))
      assert.doesNotMatch(answer, /admitted/)
    })
  }
})
