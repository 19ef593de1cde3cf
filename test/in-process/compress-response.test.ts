// compress-response: answers of apps that speak either version, for visitors who speak either version. Real relay, agents
// and sockets.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import { connect as connectSocket } from 'node:net'
import type { Readable } from 'node:stream'
import { after, before, describe, it } from 'node:test'
import { brotliDecompressSync, createBrotliDecompress, createGunzip, createZstdDecompress, gunzipSync, inflateSync, zstdDecompressSync } from 'node:zlib' // prettier-ignore

import { ask } from '../support/ask.ts'
import { RawClient } from '../support/raw-client.ts'
import { webSocketRequest } from '../support/raw-web-socket.ts'
import { httpApp, startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { until } from '../support/until.ts'
import { valuesOf, wholeAnswer } from '../support/whole-answer.ts'

const compress = (config: object = {}): object => ({
  on_http_response: [{ actions: [{ type: 'compress-response', config }] }],
})
const BODY = JSON.stringify(Array.from({ length: 200 }, (_, id) => ({ id, name: `user ${id}` })))
const BIG = Buffer.from(Array.from({ length: 160_000 }, (_, id) => `line ${id} ${(id * 7919) % 104_729} of the text that is big\n`).join('')).subarray(0, 10_000_000) // prettier-ignore
const edge = (name: string, policy: object, backend: object = { labels: { edge: 'edg_app' } }): string =>
  JSON.stringify({ id: `edg_${name}`, hosts: [`${name}.localhost`], backend, policy })
const sorry = { type: 'custom-response', config: { headers: { 'Content-Type': 'text/plain' }, body: BODY } }
const EDGES = [
  edge('all', compress()),
  edge('gzip', compress({ algorithms: ['compress', 'gzip'] })),
  edge('fixed', compress(), { fixed_response: { status: 200, headers: { 'Content-Type': 'text/plain' }, body: BODY } }),
  edge('own', { on_http_response: [{ actions: [{ type: 'compress-response', config: {} }, sorry] }] }),
  edge('down', compress(), { labels: { edge: 'edg_none' } }),
]
  .map((each) => `- ${each}`)
  .join('\n')

const DECODERS = { br: brotliDecompressSync, zstd: zstdDecompressSync, gzip: gunzipSync, deflate: inflateSync }

for (const speaks of ['http1', 'http2'] as const) {
  describe(`compress-response, of an app that speaks ${speaks} (traffic policy, 14.13)`, { timeout: 60_000 }, () => {
    let stack: Stack
    let sendEvent: (text: string) => void = () => {}
    let gone = 0
    before(async () => {
      const serve = (
        request: IncomingMessage | Http2ServerRequest,
        made: ServerResponse | Http2ServerResponse,
      ): void => {
        const response = made as ServerResponse // both have the used members
        response.on('close', () => gone++).on('error', () => {}) // the relay has left
        const path = request.url ?? ''
        const head = (status: number, type: string, length?: number): void => {
          response.writeHead(status, {
            'content-type': type,
            ...(length !== undefined && { 'content-length': length }),
          })
        }
        if (path === '/big') return (head(200, 'text/plain', BIG.length), void response.end(BIG))
        if (path === '/picture') return (head(200, 'image/png', BODY.length), void response.end(BODY))
        if (path === '/broken') return head(200, 'text/plain'), response.write(BODY), void setImmediate(() => response.destroy()) // prettier-ignore
        if (path === '/events') {
          head(200, 'text/event-stream')
          sendEvent = (text) => void response.write(text)
          return response.flushHeaders()
        }
        if (path === '/endless') {
          head(200, 'text/plain')
          const write = (): void => {
            while (response.write(BIG.subarray(0, 65_536)));
          }
          response.on('drain', write)
          return write()
        }
        response.setHeader('ETag', '"abc"')
        head(200, 'application/json', BODY.length)
        response.end(BODY)
      }
      const app = speaks === 'http1' ? httpApp(serve) : createHttp2Server(serve)
      stack = await startStack({ app, edges: EDGES, listen: 'http2: all', upstreamProtocol: speaks })
    })
    after(() => stack.close())

    /** An answer, decoded. */
    function open(way: 'HTTP/1.1' | 'HTTP/2', path: string): Promise<{ stream: Readable; close: () => void }> {
      const decode = (coding: unknown, stream: Readable): Readable =>
        coding === 'br' ? stream.pipe(createBrotliDecompress()) : coding === 'zstd' ? stream.pipe(createZstdDecompress()) : stream.pipe(createGunzip()) // prettier-ignore
      return new Promise((resolve, reject) => {
        if (way === 'HTTP/1.1') {
          const headers = { host: 'all.localhost', 'accept-encoding': 'br' }
          const sent = httpRequest({ port: stack.port, host: '127.0.0.1', path, headers, agent: false })
          sent.on('error', reject).on('response', (response) => {
            response.on('error', () => {}) // the test leaves
            resolve({ stream: decode(response.headers['content-encoding'], response), close: () => sent.destroy() })
          })
          sent.end()
          return
        }
        const session = connectHttp2('http://all.localhost', {
          createConnection: () => connectSocket(stack.port, '127.0.0.1'),
        })
        const stream = session.request({ ':path': path, 'accept-encoding': 'zstd' })
        stream.on('error', reject).on('response', (headers) => {
          resolve({ stream: decode(headers['content-encoding'], stream), close: () => session.destroy() })
        })
      })
    }

    for (const way of ['HTTP/1.1', 'HTTP/2'] as const) {
      it(`sends each coding to visitors who want it, over ${way}`, async () => {
        for (const [coding, decode] of Object.entries(DECODERS)) {
          const headers = [['Accept-Encoding', `${coding}, sdch;q=0.5`]] as const
          const answer = await wholeAnswer(way, stack.port, { host: 'all.localhost', headers })
          assert.deepEqual(valuesOf(answer, 'content-encoding'), [coding])
          assert.deepEqual(valuesOf(answer, 'content-length'), [])
          assert.deepEqual(valuesOf(answer, 'etag'), ['W/"abc"'])
          assert.deepEqual(valuesOf(answer, 'vary'), ['Accept-Encoding'])
          assert.equal(decode(answer.body).toString(), BODY, coding)
          assert.ok(answer.body.length < BODY.length / 3, coding)
        }
      })

      it(`leaves answers alone that should not be compressed, with their right length, over ${way}`, async () => {
        const headers = [['Accept-Encoding', 'br, gzip']] as const
        const plain = await wholeAnswer(way, stack.port, { host: 'all.localhost' })
        assert.deepEqual([valuesOf(plain, 'content-encoding'), valuesOf(plain, 'etag')], [[], ['"abc"']])
        assert.deepEqual(valuesOf(plain, 'vary'), ['Accept-Encoding'])
        const picture = await wholeAnswer(way, stack.port, { host: 'all.localhost', path: '/picture', headers })
        assert.deepEqual([valuesOf(picture, 'vary'), valuesOf(picture, 'content-encoding')], [[], []])
        for (const answer of [plain, picture]) {
          assert.deepEqual(valuesOf(answer, 'content-length'), [String(BODY.length)])
          assert.equal(answer.body.toString(), BODY)
        }
        const head = await wholeAnswer(way, stack.port, { host: 'all.localhost', method: 'HEAD', headers })
        assert.deepEqual([valuesOf(head, 'content-length'), valuesOf(head, 'content-encoding')], [[String(BODY.length)], []]) // prettier-ignore
        const other = await wholeAnswer(way, stack.port, { host: 'gzip.localhost', headers: [['Accept-Encoding', 'br, compress']] }) // prettier-ignore
        assert.deepEqual(valuesOf(other, 'content-encoding'), [])
      })

      it(`compresses fixed responses, and no answer of the relay itself, over ${way}`, async () => {
        const headers = [['Accept-Encoding', 'gzip'], ['Accept', 'text/html']] as const // prettier-ignore
        const fixed = await wholeAnswer(way, stack.port, { host: 'fixed.localhost', headers })
        assert.equal(gunzipSync(fixed.body).toString(), BODY)
        const own = await wholeAnswer(way, stack.port, { host: 'own.localhost', headers })
        assert.equal(own.body.toString(), BODY)
        const down = await wholeAnswer(way, stack.port, { host: 'down.localhost', headers })
        assert.deepEqual([down.status, valuesOf(down, 'content-encoding')], [503, []])
        assert.ok(down.body.length > 1024, 'it is long enough to be compressed')
      })

      it(`passes an event before the next one is sent, over ${way}`, async () => {
        const { stream, close } = await open(way, '/events')
        let text = ''
        stream.on('data', (chunk: Buffer) => (text += chunk.toString())).on('error', () => {}) // the test leaves
        for (let i = 0; i < 5; i++) {
          sendEvent(`data: ${i}\n\n`)
          await until('the event has come', () => text.endsWith(`data: ${i}\n\n`))
        }
        close()
      })

      it(`passes 10 MB, over ${way}`, async () => {
        const { stream, close } = await open(way, '/big')
        const hash = createHash('sha256')
        for await (const chunk of stream) hash.update(chunk as Buffer)
        assert.equal(hash.digest('hex'), createHash('sha256').update(BIG).digest('hex'))
        close()
      })

      it(`stops the app when the visitor leaves midway, over ${way}`, async () => {
        const { stream, close } = await open(way, '/endless')
        stream.on('error', () => {}) // the test leaves
        await new Promise((resolve) => stream.once('data', resolve))
        const before = gone
        close()
        await until('the app is told', () => gone > before)
      })

      it(`breaks off if the app does, over ${way}`, async () => {
        const headers = [['Accept-Encoding', 'gzip']] as const
        const init = { host: 'all.localhost', path: '/broken', headers }
        // The head may be lost with the rest.
        const answer = await wholeAnswer(way, stack.port, init).catch(() => undefined)
        assert.ok(answer === undefined || answer.isCut)
      })
    }

    it('compresses the answer to an upgrade that is refused, and those to HTTP/1.0', async () => {
      const visitor = new RawClient(stack.port)
      const upgrade = webSocketRequest('all.localhost', ['Accept-Encoding: gzip'])
      visitor.write(speaks === 'http1' ? upgrade : upgrade.replace(/Upgrade: .*\r\n/, ''))
      await visitor.until(/\r\n\r\n/)
      assert.match(visitor.text, /^HTTP\/1\.1 200 .*\r\nContent-Encoding: gzip\r\n/is)
      visitor.close()
      const old = new RawClient(stack.port)
      old.write('GET / HTTP/1.0\r\nHost: all.localhost\r\nAccept-Encoding: gzip\r\n\r\n')
      await old.untilOver()
      const end = old.received.indexOf('\r\n\r\n')
      assert.equal(gunzipSync(old.received.subarray(end + 4)).toString(), BODY)
      assert.doesNotMatch(old.text.slice(0, end), /content-length|transfer-encoding/i)
    })

    it('keeps the visitor’s connection', async () => {
      const visitor = new RawClient(stack.port)
      const request = 'GET / HTTP/1.1\r\nHost: gzip.localhost\r\nAccept-Encoding: gzip\r\n\r\n'
      visitor.write(request + request)
      await visitor.until(/HTTP\/1\.1 200[^]*\r\n0\r\n\r\nHTTP\/1\.1 200[^]*\r\n0\r\n\r\n$/)
      visitor.close()
      assert.equal((await ask(stack.port, { host: 'gzip.localhost' })).body, BODY)
    })
  })
}
