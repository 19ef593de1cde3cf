import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { BadResponse } from '../transfer/response-head.ts'
import { ResponseParser } from './response-parser.ts'
import type { ResponseHandler } from './response-parser.ts'

interface Seen {
  informations: number[]
  status: number | undefined
  headers: string[]
  body: string
  trailers: string[]
  complete: boolean
  upgradeRest: string | undefined
}

function read(chunks: readonly string[], method = 'GET', upgrade = false): { seen: Seen; parser: ResponseParser } {
  const seen: Seen = {
    informations: [],
    status: undefined,
    headers: [],
    body: '',
    trailers: [],
    complete: false,
    upgradeRest: undefined,
  }
  const handler: ResponseHandler = {
    onInformation: ({ status }) => seen.informations.push(status),
    onHead: ({ status, rawHeaders }) => {
      seen.status = status
      seen.headers = rawHeaders
    },
    onBody: (chunk) => (seen.body += chunk.toString('latin1')),
    onTrailers: (trailers) => (seen.trailers = trailers),
    onComplete: () => (seen.complete = true),
    onUpgrade: (head, rest) => {
      seen.status = head.status
      seen.upgradeRest = rest.toString('latin1')
    },
  }
  const parser = new ResponseParser(1024)
  parser.begin(method, handler, upgrade)
  for (const chunk of chunks) parser.feed(Buffer.from(chunk, 'latin1'))
  return { seen, parser }
}

const HELLO = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A:  b \t\r\n\r\nhello'
const CHUNKED =
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nX-Sum: 1\r\nX-Two: 2\r\n\r\n'

describe('ResponseParser', () => {
  // Found by test/in-process/differential.test.ts: Node's parser refuses these, or frames them in another way.
  const laxer: Record<string, string> = {
    'a tab behind chunked': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\t\r\n\r\n0\r\n\r\n',
    'a tab behind a chunk size': `${CHUNKED.slice(0, CHUNKED.indexOf('5\r\n'))}5\t\r\nhello\r\n0\r\n\r\n`,
    'an empty chunk extension': `${CHUNKED.slice(0, CHUNKED.indexOf('5\r\n'))}5;\r\nhello\r\n0\r\n\r\n`,
    'an open quote in a chunk extension': `${CHUNKED.slice(0, CHUNKED.indexOf('5\r\n'))}5;a="b\r\nhello\r\n0\r\n\r\n`,
    'a length among the trailers': CHUNKED.replace('X-Sum: 1', 'Content-Length: 1'),
    'a length among the trailers, a space before its colon': CHUNKED.replace('X-Sum: 1', 'Content-Length \t: 1'),
    'an interim response of HTTP/1.0': `HTTP/1.0 103 Early Hints\r\n\r\n${HELLO}`,
  }
  for (const [what, bytes] of Object.entries(laxer)) {
    it(`attack 16: refuses ${what}`, () => assert.throws(() => read([bytes]), BadResponse))
  }

  it('reads a response with a length', () => {
    const { seen } = read([HELLO])
    assert.equal(seen.status, 200)
    assert.deepEqual(seen.headers, ['Content-Length', '5', 'X-A', 'b'])
    assert.equal(seen.body, 'hello')
    assert.ok(seen.complete)
  })

  it('reads the same at every split and byte by byte', () => {
    for (const whole of [HELLO, CHUNKED]) {
      const expected = read([whole]).seen
      assert.ok(expected.complete)
      for (let at = 1; at < whole.length; at++) {
        assert.deepEqual(read([whole.slice(0, at), whole.slice(at)]).seen, expected, `split at ${at}`)
      }
      assert.deepEqual(read(whole.split('')).seen, expected)
    }
  })

  it('reads chunks, extensions and trailers', () => {
    const { seen } = read([CHUNKED])
    assert.equal(seen.body, 'hello world')
    assert.deepEqual(seen.trailers, ['X-Sum', '1', 'X-Two', '2'])
  })

  it('B9: reads names without white space before their colons, and chunk sizes without spaces after them', () => {
    for (const [clean, padded] of [
      [HELLO, HELLO.replaceAll(/^([\w-]+):/gm, '$1 :')],
      [HELLO, HELLO.replace('X-A:', 'X-A \t :')],
      [CHUNKED, CHUNKED.replaceAll(/^([\w-]+):/gm, '$1  :')],
      [CHUNKED, CHUNKED.replace('5\r', '5       \r').replace('6;', '6 ;').replace('0\r', '0 \r')],
    ] as const) {
      assert.notEqual(padded, clean)
      const expected = read([clean]).seen
      assert.ok(expected.complete)
      assert.deepEqual(read([padded]).seen, expected)
      assert.deepEqual(read(padded.split('')).seen, expected)
    }
    const { seen } = read(['HTTP/1.1 200 OK\r\nContent-Length : 5\r\nConnection : close\r\n\r\nhello'])
    assert.equal(seen.body, 'hello')
    assert.ok(seen.complete, 'the body ends where the length says')
  })

  it('reads a body until the connection ends', () => {
    const { seen, parser } = read(['HTTP/1.0 200 OK\r\n\r\nab', 'cd'])
    assert.equal(seen.body, 'abcd')
    assert.equal(seen.complete, false)
    assert.equal(parser.end(), true)
    assert.equal(seen.complete, true)
  })

  it('notices if the connection ended too early', () => {
    for (const cut of [HELLO.slice(0, -1), HELLO.slice(0, 20), CHUNKED.slice(0, -2)]) {
      assert.equal(read([cut]).parser.end(), false, cut)
    }
  })

  it('expects no body after HEAD, 204 and 304', () => {
    const head = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n'
    assert.ok(read([head], 'HEAD').seen.complete)
    assert.ok(read(['HTTP/1.1 204 No Content\r\n\r\n']).seen.complete)
    assert.ok(read(['HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n']).seen.complete)
  })

  it('passes interim responses on and waits for the final one', () => {
    const { seen } = read(['HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n', HELLO])
    assert.deepEqual(seen.informations, [100, 103])
    assert.equal(seen.body, 'hello')
  })

  it('hands over the bytes after a 101, if an upgrade was requested', () => {
    const { seen } = read(['HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x00'], 'GET', true)
    assert.equal(seen.status, 101)
    assert.equal(seen.upgradeRest, '\x81\x00')
  })

  it('refuses bytes after a complete response', () => {
    assert.throws(() => read([`${HELLO}HTTP/1.1 200 OK\r\n`]), BadResponse)
  })

  const bad: Record<string, string> = {
    'Content-Length with Transfer-Encoding':
      'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n',
    'two Content-Length': 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n',
    'a Content-Length list': 'HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n',
    'a signed Content-Length': 'HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n',
    'an endless Content-Length': 'HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n',
    'an unknown coding': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n',
    'chunked twice': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n',
    'chunked on HTTP/1.0': 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n',
    'a chunk size that is none': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n',
    'a negative chunk size': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n',
    'a chunk size of 17 digits': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000005\r\n',
    'a chunk longer than its size': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n',
    'a chunk line that ends in LF': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\nab\r\n',
    'an endless chunk line': `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;${'x'.repeat(400)}`,
    'a second Content-Length, a space before its colon':
      'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length : 50\r\n\r\nhello',
    'Content-Length with Transfer-Encoding, a space before its colon':
      'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n',
    'an unknown coding, a space before its colon': 'HTTP/1.1 200 OK\r\nTransfer-Encoding : gzip\r\n\r\n',
    'a tab before the colon of the framing': 'HTTP/1.1 200 OK\r\nContent-Length\t: 5\r\n\r\nhello',
    'a space within a header name': 'HTTP/1.1 200 OK\r\nX Content-Length : 5\r\n\r\nhello',
    'a header name of spaces': 'HTTP/1.1 200 OK\r\n : 5\r\n\r\nhello',
    'another white space before the colon': 'HTTP/1.1 200 OK\r\nX-A\x0b: b\r\n\r\n',
    'two chunk sizes': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5 0\r\nhello\r\n0\r\n\r\n',
    'a space before a chunk size': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n 5\r\nhello\r\n0\r\n\r\n',
    'a chunk size of spaces': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n  \r\nhello\r\n0\r\n\r\n',
    'endless spaces behind a chunk size': `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5${' '.repeat(400)}`,
    'a folded header': 'HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\n\r\n',
    'a bare LF in a header': 'HTTP/1.1 200 OK\r\nX-A: b\nX-C: d\r\n\r\n',
    'a bare CR in a header': 'HTTP/1.1 200 OK\r\nX-A: b\rX-C: d\r\n\r\n',
    'NUL in a header': 'HTTP/1.1 200 OK\r\nX-A: b\0\r\n\r\n',
    'an empty header name': 'HTTP/1.1 200 OK\r\n: b\r\n\r\n',
    'no colon': 'HTTP/1.1 200 OK\r\nX-A\r\n\r\n',
    'another version': 'HTTP/2.0 200 OK\r\n\r\n',
    'a status of two digits': 'HTTP/1.1 20 OK\r\n\r\n',
    'a status of 600': 'HTTP/1.1 600 OK\r\n\r\n',
    garbage: 'SSH-2.0-OpenSSH_9.7\r\n\r\n\r\n',
    '101 to a plain request': 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n',
    'a head over the limit': `HTTP/1.1 200 OK\r\nX-A: ${'x'.repeat(2000)}\r\n\r\n`,
    'a head that never ends': `HTTP/1.1 200 OK\r\nX-A: ${'x'.repeat(2000)}`,
    'endless interim responses': 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(100),
    'endless trailers': `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n${'X-A: b\r\n'.repeat(500)}`,
  }
  for (const [what, response] of Object.entries(bad)) {
    it(`attack 16: refuses ${what}, whole and byte by byte`, () => {
      assert.throws(() => read([response]), BadResponse)
      assert.throws(() => read(response.split('')), BadResponse)
    })
  }
})
