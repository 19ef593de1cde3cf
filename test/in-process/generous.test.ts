// B9, B14: messages that RFC 9110 and 9112 require a proxy to accept are accepted, and refusals name the real fault.

import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { after, before, describe, it } from 'node:test'

import { sendRaw } from '../support/raw-client.ts'
import { APP_HOST, startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { visit } from '../support/three-ways.ts'
import { until } from '../support/until.ts'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

describe('generous if strictness protects nobody', { timeout: 30_000 }, () => {
  let stack: Stack
  let answer = OK
  const heads: string[] = []

  before(async () => {
    const app = createServer((socket) => {
      socket.on('error', () => {})
      socket.on('data', (chunk: Buffer) => {
        heads.push(chunk.toString('latin1'))
        socket.end(answer, 'latin1')
      })
    })
    stack = await startStack({ app, listen: 'http2: all' })
  })
  after(() => stack.close())

  const get = (target: string): Promise<string> =>
    sendRaw(stack.port, `GET ${target} HTTP/1.1\r\nHost: ${APP_HOST}\r\nConnection: close\r\n\r\n`)

  it('B9: a raw backslash in a query reaches the app as it is, over HTTP/1.1 and HTTP/2; one in a path reaches none', async () => {
    answer = OK
    assert.match(await get('/search?q=a\\b'), /^HTTP\/1\.1 200 /)
    assert.match(heads.at(-1)!, /^GET \/search\?q=a\\b HTTP/)
    assert.equal(await visit('HTTP/2', stack.port, { host: APP_HOST, path: '/h2?q=a\\b' }), 200)
    assert.match(heads.at(-1)!, /^GET \/h2\?q=a\\b HTTP/)
    const count = heads.length
    for (const target of ['/a\\b', '/\\admin', '/a\\b?q=c', '/a?b#c', '/a#b?c']) {
      assert.match(await get(target), /^HTTP\/1\.1 400 /, target)
    }
    assert.equal(heads.length, count)
  })

  it('B9: 102 and other interim answers reach the visitor, except over HTTP/1.0', async () => {
    answer = `HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 199 Well\r\nX: y\r\n\r\n${OK}`
    const text = await get('/')
    assert.match(text, /^HTTP\/1\.1 102 Processing\r\n\r\nHTTP\/1\.1 199 \r\n\r\nHTTP\/1\.1 200 OK\r\n/)
    const old = await sendRaw(stack.port, `GET / HTTP/1.0\r\nHost: ${APP_HOST}\r\n\r\n`)
    assert.match(old, /^HTTP\/1\.1 200 /)
  })

  it('B9: white space before the colon of a header is removed, whatever the header says', async () => {
    answer =
      'HTTP/1.1 200 OK\r\nX-A : 1\r\nContent-Length : 2\r\nX-XSS-Protection\t: 1\r\nConnection : x-mine\r\nX-Mine : 1\r\n' +
      'Set-Cookie : a=b\r\nSet-Cookie : __Host-sallyport.x.session=c\r\nSallyport-Error-Code : ERR_X\r\n\r\nok'
    const lines = (await get('/')).split('\r\n')
    assert.equal(lines[0], 'HTTP/1.1 200 OK')
    for (const line of ['X-A: 1', 'X-XSS-Protection: 1', 'Set-Cookie: a=b', 'ok']) assert.ok(lines.includes(line), line)
    assert.deepEqual(
      lines.filter((line) => /^content-length/i.test(line)),
      ['Content-Length: 2'],
    )
    assert.deepEqual(
      lines.filter((line) => / :|\t|x-mine|sallyport/i.test(line)),
      [],
    )
    assert.equal(await visit('HTTP/2', stack.port, { host: APP_HOST }), 200)
  })

  it('B9: spaces after chunk sizes are accepted, and the visitor gets our own chunks', async () => {
    const sizes = ['5       \r\nhello', '6 ;x=y\r\n world', '0  \r\nX-Sum : 1\r\n'].join('\r\n')
    answer = `HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked\r\n\r\n${sizes}\r\n`
    const text = await get('/')
    assert.match(text, /^HTTP\/1\.1 200 OK\r\n/)
    assert.match(text, /\r\nTransfer-Encoding: chunked\r\n/)
    assert.doesNotMatch(text, / :| +\r\n|x=y/)
    const chunks = text.slice(text.indexOf('\r\n\r\n') + 2)
    assert.match(chunks.replaceAll(/\r\n(?:[56b]\r\n)?/g, '|'), /^\|hello\|? world\|0\|X-Sum: 1\|\|$/)
  })

  it('B9: attack 17: a visitor gets 400 for either', async () => {
    answer = OK
    const count = heads.length
    const begin = `POST / HTTP/1.1\r\nHost: ${APP_HOST}\r\n`
    for (const rest of [
      'X-A : 1\r\nContent-Length: 2\r\n\r\nok',
      'Content-Length : 2\r\n\r\nok',
      'Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n',
    ]) {
      assert.match(await sendRaw(stack.port, begin + rest), /^HTTP\/1\.1 400 /, rest)
    }
    assert.equal(heads.length, count)
    // The head is fine, and so it reaches the app; the chunk does not.
    const padded = await sendRaw(stack.port, `${begin}Transfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n`)
    assert.doesNotMatch(padded, /^HTTP\/1\.1 200 /)
    assert.ok(!heads.slice(count).some((head) => head.includes('hello')))
  })

  for (const [what, bytes, detail] of [
    [
      'B14: bare line feeds',
      'HTTP/1.1 200 OK\nContent-Length: 2\n\nok',
      'the lines of the response head end in bare line feeds',
    ],
    [
      'B14: a folded header',
      'HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok',
      'a header is folded into several lines',
    ],
    [
      'B9: two lengths, a space before the colon of one',
      'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length : 3\r\n\r\nok!',
      'two Content-Length headers',
    ],
    [
      'real-apps 5: what is no HTTP',
      'Unauthorized',
      'the app sent something that is not HTTP, and closed the connection',
    ],
    ['half a head', 'HTTP/1.1 200 OK\r\nX', 'the app closed the connection in the midst of the response head'],
    ['nothing', '', 'the app closed the connection'],
  ] as const) {
    it(`${what}: the log names it`, async () => {
      answer = bytes
      assert.match(await get('/'), /^HTTP\/1\.1 502 /)
      await logged(`"detail":"${detail}"`)
    })
  }

  it('real-apps 5: a message that begins with PROXY is named in the log, once', async () => {
    const count = heads.length
    const request = `GET / HTTP/1.1\r\nHost: ${APP_HOST}\r\n\r\n`
    for (const begin of ['PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n', '\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c']) {
      assert.match(await sendRaw(stack.port, begin + request), /^HTTP\/1\.1 400 /)
    }
    await logged('begins with PROXY')
    assert.equal(stack.log.filter((line) => line.includes('begins with PROXY')).length, 1)
    assert.equal(heads.length, count)
  })

  async function logged(text: string): Promise<void> {
    await until(`the log says ${text}`, () => stack.log.some((line) => line.includes(text)))
  }
})
