import assert from 'node:assert/strict'
import { once } from 'node:events'
import { duplexPair } from 'node:stream'
import { describe, it } from 'node:test'

import { ExchangeReader } from './exchange-reader.ts'
import { RecentRequests } from './recent-requests.ts'
import type { SeenRequest } from './seen-request.ts'

type Said = readonly [side: 'request' | 'answer', text: string]

/** The findings about one stream. They must be the same for all bytes at once and byte by byte. */
function seen(...said: readonly Said[]): [string, string, number | undefined][] {
  const read = (size: number): [string, string, number | undefined][] => {
    const requests: SeenRequest[] = []
    const reader = new ExchangeReader((request) => requests.push(request))
    for (const [side, text] of said) {
      const bytes = Buffer.from(text, 'latin1')
      for (let at = 0; at < bytes.length; at += size) {
        const chunk = bytes.subarray(at, at + size)
        if (side === 'request') reader.readRequest(chunk)
        else reader.readAnswer(chunk)
      }
    }
    return requests.map(({ method, path, status }) => [method, path, status])
  }
  const whole = read(Infinity)
  if (said.every(([, text]) => text.length < 1000)) assert.deepEqual(read(1), whole)
  assert.deepEqual(read(97), whole)
  return whole
}

describe('ExchangeReader (the first hour, 15)', () => {
  it('sees each request of a kept stream with its status, and no query', () => {
    assert.deepEqual(
      seen(
        ['request', 'GET /a?token=secret HTTP/1.1\r\nHost: x\r\n\r\n'],
        ['answer', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'],
        ['request', 'HEAD /b HTTP/1.1\r\nHost: x\r\n\r\n'],
        ['answer', 'HTTP/1.1 404 Not Found\r\n\r\n'],
      ),
      [
        ['GET', '/a', 200],
        ['HEAD', '/b', 404],
      ],
    )
  })

  it('takes no body for a request, whatever it contains', () => {
    const forged = 'GET /forged HTTP/1.1\r\n\r\n'
    assert.deepEqual(
      seen(
        ['request', `POST /length HTTP/1.1\r\nContent-Length: ${forged.length}\r\n\r\n${forged}`],
        ['answer', 'HTTP/1.1 201 Created\r\n\r\nHTTP/1.1 500 No'],
        [
          'request',
          `PUT /chunks HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n18;x=y\r\n${forged}\r\n0\r\nTrailer: x\r\n\r\n`,
        ],
        ['answer', 'HTTP/1.1 204 No Content\r\n\r\n'],
        ['request', 'GET /next HTTP/1.1\r\n\r\n'],
      ),
      [
        ['POST', '/length', 201],
        ['PUT', '/chunks', 204],
        ['GET', '/next', undefined],
      ],
    )
  })

  it('waits for the final answer after early ones, and shows an upgrade as 101', () => {
    const early = 'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n'
    assert.deepEqual(
      seen(
        ['request', 'GET /hints HTTP/1.1\r\n\r\n'],
        ['answer', `${early}HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 304 Not Modified\r\n\r\n`],
        ['request', 'GET /socket HTTP/1.1\r\nUpgrade: websocket\r\n\r\n'],
        ['answer', 'HTTP/1.1 101 Switching Protocols\r\n\r\nGET /in HTTP/1.1\r\n\r\n'],
        ['request', 'GET /frames HTTP/1.1\r\n\r\n'],
      ),
      [
        ['GET', '/hints', 304],
        ['GET', '/socket', 101],
      ],
    )
  })

  it('ignores anything but HTTP/1.1', () => {
    assert.deepEqual(seen(['request', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'], ['answer', '\0\0\0']), [])
    assert.deepEqual(seen(['request', `GET /${'x'.repeat(70_000)}`], ['request', ' HTTP/1.1\r\n\r\n']), [])
    assert.deepEqual(seen(['answer', 'HTTP/1.1 200 OK\r\n\r\n']), [])
    const post = 'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n'
    assert.deepEqual(seen(['request', `${post}-1\r\nGET /x HTTP/1.1\r\n\r\n`]), [['POST', '/', undefined]])
    const answered = seen(['request', 'GET / HTTP/1.1\r\n\r\n'], ['answer', 'no such protocol here'])
    assert.deepEqual(answered, [['GET', '/', undefined]])
  })

  it('keeps the last ten, the newest first, and a retried one once', async () => {
    const requests = new RecentRequests()
    for (let count = 1; count <= 23; count++) {
      const [relay, agent] = duplexPair()
      requests.watch(agent, undefined)
      relay.end(`GET /${count} HTTP/1.1\r\nSallyport-Request-Id: req_${count}\r\n\r\n`)
      await once(agent, 'end')
    }
    const [relay, agent] = duplexPair()
    requests.watch(agent, undefined)
    relay.end('GET /20 HTTP/1.1\r\nHost: x\r\nSallyport-Request-Id: req_20\r\nAccept: x\r\n\r\n')
    await once(agent, 'end')
    assert.equal(requests.total, 23)
    assert.deepEqual(
      requests.last.map(({ path }) => path),
      [23, 22, 21, 20, 19, 18, 17, 16, 15, 14].map((count) => `/${count}`),
    )
  })
})
