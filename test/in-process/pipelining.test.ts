// Bytes after a request on the same connection: served if that is safe, never after a refusal, and never fatal for the
// relay.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'

import { AGENT_PATH } from '@sallyport/protocol'

import { RawClient, sendRaw } from '../support/raw-client.ts'
import { APP_HOST, httpApp, startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'

describe('requests after another on one connection', () => {
  let stack: Stack
  const seen: string[] = []
  /** The values of Expect at the app. */
  const expected: string[] = []
  before(async () => {
    const app = httpApp((request, response) => {
      seen.push(`${request.method} ${request.url}`)
      if (request.headers.expect !== undefined) expected.push(request.headers.expect)
      request.resume()
      response.write('begun ')
      setImmediate(() => response.end('fine'))
    })
    stack = await startStack({ app })
  })
  after(() => stack.close())

  const get = (path: string, further = ''): string => `GET ${path} HTTP/1.1\r\nHost: ${APP_HOST}\r\n${further}\r\n`

  const refused: Record<string, string> = {
    'a target with #': get('/#a'),
    'two Host headers': get('/', 'Host: other.localhost\r\n'),
    'a Host that is none': 'GET / HTTP/1.1\r\nHost: a@b\r\n\r\n',
    'HTTP/1.0 with a coding': 'POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    TRACE: `TRACE / HTTP/1.1\r\nHost: ${APP_HOST}\r\n\r\n`,
  }
  for (const [what, bytes] of Object.entries(refused)) {
    it(`attack 17: are not served after ${what}`, async () => {
      seen.length = 0
      const all = await sendRaw(stack.port, `${bytes}${get('/behind')}${get('/further', 'Connection: close\r\n')}`)
      assert.ok(all.split('HTTP/1.1 ').length <= 2, `more than one answer: ${all}`)
      assert.match(all, /^(?:HTTP\/1\.1 4\d\d [^]*connection: close|$)/i)
      assert.deepEqual(seen, [])
    })
  }

  it('are not served after an answer that ends the connection', async () => {
    seen.length = 0
    const all = await sendRaw(stack.port, `${get('/last', 'Connection: close\r\n')}${get('/behind')}`)
    assert.ok(all.split('HTTP/1.1 ').length <= 2, `more than one answer: ${all}`)
    assert.ok(!seen.includes('GET /behind'), seen.join())
  })

  it('attack 17: put no second answer into the middle of the first', async () => {
    const all = await sendRaw(stack.port, `${get('/slow')}GET / HTTP/1.1\r\nContent-Length: +1\r\n\r\n`)
    assert.ok(all.split('HTTP/1.1 ').length <= 2, `more than one answer: ${all}`)
  })

  const sudden: Record<string, string> = {
    CONNECT: 'CONNECT a.example:80 HTTP/1.1\r\nHost: a.example\r\n\r\n',
    'a WebSocket': get('/ws', 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGVzdA==\r\n'),
  }
  // node:http would answer both of these by itself, and the next request would meet a socket still in use.
  const strange: Record<string, string> = {
    'an expectation that nobody knows': get('/first', 'Expect: miracles\r\n'),
    'no Host': 'GET /first HTTP/1.1\r\n\r\n',
  }
  for (const [front, first] of Object.entries(strange)) {
    for (const [what, bytes] of Object.entries(sudden)) {
      it(`S2: do not end the relay when ${what} comes after a request with ${front}`, async () => {
        seen.length = 0
        const all = await sendRaw(stack.port, `${first}${bytes}`)
        assert.ok(all.split('HTTP/1.1 ').length <= 2, `more than one answer: ${all}`)
        assert.doesNotMatch(all, / 101 /)
        assert.match(await sendRaw(stack.port, get('/next', 'Connection: close\r\n')), /fine\r\n0\r\n\r\n$/)
        assert.ok(!seen.includes('GET /ws'), seen.join())
      })
    }
  }

  it('S2: are served even with an unknown expectation, which the app does not see', async () => {
    seen.length = 0
    const all = await sendRaw(stack.port, get('/hopeful', 'Expect: miracles\r\nConnection: close\r\n'))
    assert.match(all, /^HTTP\/1\.1 200 [^]*fine\r\n0\r\n\r\n$/)
    assert.deepEqual(seen, ['GET /hopeful'])
    assert.deepEqual(expected, [])
  })

  for (const [what, bytes] of Object.entries(sudden)) {
    it(`attack 8: do not end the relay when ${what} comes before the answer is sent`, async () => {
      seen.length = 0
      const all = await sendRaw(stack.port, `${get('/first')}${bytes}`)
      assert.doesNotMatch(all, / 101 /)
      assert.match(await sendRaw(stack.port, get('/next', 'Connection: close\r\n')), /fine\r\n0\r\n\r\n$/)
      assert.ok(!seen.includes('GET /ws'), seen.join())
    })
  }

  it('S2: cause no fault of the relay, whichever two of them come in one packet', async () => {
    const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
    const all = [
      ...Object.values(refused),
      ...Object.values(strange),
      ...Object.values(sudden),
      get('/'),
      get('/last', 'Connection: close\r\n'),
      get('/.sallyport/login'),
      get('/large', `X: ${'x'.repeat(40_000)}\r\n`),
      `HEAD / HTTP/1.1\r\nHost: ${APP_HOST}\r\n\r\n`,
      `GET / HTTP/1.0\r\nHost: ${APP_HOST}\r\n\r\n`,
      `POST / HTTP/1.1\r\nHost: ${APP_HOST}\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc`,
      `POST / HTTP/1.1\r\nHost: ${APP_HOST}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: x\r\n\r\n`,
      `POST / HTTP/1.1\r\nHost: ${APP_HOST}\r\nContent-Length: 30\r\n\r\nhalf`,
      `POST / HTTP/1.1\r\nHost: ${APP_HOST}\r\nContent-Length: 0\r\n${upgrade}\r\n`,
      get('/h2c', 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n'),
      `GET ${AGENT_PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nSec-WebSocket-Version: 13\r\n${upgrade}\r\n`,
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      'garbage\0\r\n\r\n',
    ]
    for (const first of all) {
      const clients = await Promise.all(
        all.map(async (second) => {
          const client = new RawClient(stack.port)
          await once(client.socket, 'connect')
          client.write(first + second)
          return client
        }),
      )
      // A later visitor is answered later: by then every packet has been read.
      assert.match(await sendRaw(stack.port, get('/next', 'Connection: close\r\n')), /fine\r\n0\r\n\r\n$/)
      for (const client of clients) client.close()
      const faults = stack.log.filter((line) => line.includes('"level":50'))
      assert.deepEqual(faults, [], `behind ${first.slice(0, 200)}`)
    }
  })
})
