// custom-response and close-connection: the answers for visitors, and the requests at the app, in each of the ways that
// visitors can come, to apps that speak either version. Real relay, agents and sockets.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import type { Duplex } from 'node:stream'
import { after, before, describe, it } from 'node:test'

import { RawClient } from '../support/raw-client.ts'
import { RawHttp2, request as http2Request } from '../support/raw-http2.ts'
import { acceptWebSocket } from '../support/raw-web-socket.ts'
import { httpApp, startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { WAYS } from '../support/three-ways.ts'
import { until } from '../support/until.ts'
import { valuesOf, wholeAnswer } from '../support/whole-answer.ts'

const custom = (config: object): object => ({ actions: [{ type: 'custom-response', config }] })
const SORRY = { status_code: 503, headers: { 'Retry-After': '60', 'X-Own': 'yes' }, body: '{"sorry": true}' }
const LEFT = { actions: [{ type: 'add-headers', config: { headers: { 'X-App': 'edited' } } }] }
const edge = (name: string, policy: object, backend: object = { labels: { edge: 'edg_app' } }): string =>
  JSON.stringify({ id: `edg_${name}`, hosts: [`${name}.localhost`], backend, policy })
const EDGES = [
  edge('asked', { on_http_request: [custom(SORRY), custom({ body: 'never' })], on_http_response: [LEFT] }),
  edge('empty', { on_http_request: [custom({ status_code: 204, body: 'not sent' })] }),
  edge('replaced', { on_http_response: [LEFT, custom(SORRY), custom({ body: 'never' })] }),
  edge('bodiless', { on_http_response: [custom({ status_code: 304, body: 'not sent' })] }),
  edge('fixed', { on_http_response: [custom(SORRY)] }, { fixed_response: { status: 200, body: 'fixed' } }),
  edge('closed', { on_http_request: [{ actions: [{ type: 'close-connection', config: {} }] }] }),
  edge('plain', {}),
]
const LONG = 'x'.repeat(100_000)

for (const speaks of ['http1', 'http2'] as const) {
  describe(`custom-response, to an app that speaks ${speaks} (traffic policy, 14.12)`, { timeout: 60_000 }, () => {
    let stack: Stack
    const seen: string[] = []
    let connections = 0
    let cutOff = 0
    before(async () => {
      const serve = (
        request: IncomingMessage | Http2ServerRequest,
        response: ServerResponse | Http2ServerResponse,
      ): void => {
        seen.push(request.url ?? '')
        response.on('close', () => void (response.writableFinished || cutOff++))
        response.setHeader('X-App', 'yes')
        response.setHeader('Set-Cookie', 'app=1')
        if (request.url !== '/endless') return void response.end(request.url === '/long' ? LONG : 'of the app')
        const write = (): void => {
          while ((response as ServerResponse).write(LONG));
        }
        response.on('drain', write).on('error', () => {}) // the relay has left
        write()
      }
      const app = speaks === 'http1' ? httpApp(serve) : createHttp2Server(serve)
      app.on('connection', () => connections++)
      app.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
        seen.push('upgrade')
        acceptWebSocket(request, socket)
      })
      const edges = EDGES.map((each) => `- ${each}`).join('\n')
      stack = await startStack({ app, edges, listen: 'http2: all', upstreamProtocol: speaks })
    })
    after(() => stack.close())

    for (const way of WAYS) {
      it(`answers requests, of which the app sees nothing, over ${way}`, async () => {
        seen.length = 0
        const answer = await wholeAnswer(way, stack.port, { host: 'asked.localhost' })
        assert.equal(answer.status, 503)
        assert.deepEqual(valuesOf(answer, 'retry-after'), ['60'])
        assert.deepEqual(valuesOf(answer, 'content-type'), ['application/json; charset=utf-8'])
        assert.deepEqual(valuesOf(answer, 'content-length'), ['15'])
        for (const name of ['sallyport-error-code', 'x-app']) assert.deepEqual(valuesOf(answer, name), [], name)
        if (way !== 'an upgrade') assert.equal(answer.body.toString(), SORRY.body)
        assert.deepEqual(seen, [])
      })

      it(`ends the connection without an answer if the policy says so, over ${way}`, async () => {
        seen.length = 0
        const logged = stack.log.length
        await assert.rejects(wholeAnswer(way, stack.port, { host: 'closed.localhost' }))
        assert.deepEqual(seen, [])
        await until('the log has it', () => stack.log.slice(logged).some((line) => /closed by the policy/.test(line)))
      })
    }

    for (const way of ['HTTP/1.1', 'HTTP/2'] as const) {
      it(`replaces all of the app’s answer, over ${way}`, async () => {
        for (const path of ['/short', '/long', '/endless']) {
          seen.length = 0
          const answer = await wholeAnswer(way, stack.port, { host: 'replaced.localhost', path })
          assert.deepEqual([answer.status, answer.body.toString(), answer.isCut], [503, SORRY.body, false], path)
          assert.deepEqual(valuesOf(answer, 'content-length'), ['15'])
          assert.deepEqual(valuesOf(answer, 'x-own'), ['yes'])
          for (const name of ['x-app', 'set-cookie', 'transfer-encoding']) assert.deepEqual(valuesOf(answer, name), [])
          assert.deepEqual(seen, [path])
        }
      })

      it(`sends no body if there is none, over ${way}`, async () => {
        for (const host of ['asked', 'replaced']) {
          const head = await wholeAnswer(way, stack.port, { host: `${host}.localhost`, method: 'HEAD' })
          assert.deepEqual([head.status, head.body.length, valuesOf(head, 'content-length')], [503, 0, ['15']], host)
        }
        const empty = await wholeAnswer(way, stack.port, { host: 'empty.localhost' })
        assert.deepEqual([empty.status, empty.body.length, valuesOf(empty, 'content-length')], [204, 0, []])
        const unchanged = await wholeAnswer(way, stack.port, { host: 'bodiless.localhost', path: '/long' })
        assert.deepEqual([unchanged.status, unchanged.body.length, unchanged.isCut], [304, 0, false])
      })

      it(`replaces a fixed response, over ${way}`, async () => {
        const answer = await wholeAnswer(way, stack.port, { host: 'fixed.localhost' })
        assert.deepEqual([answer.status, answer.body.toString()], [503, SORRY.body])
      })
    }

    it('replaces the answer during an upload, whose rest is not read as the next request', async () => {
      const visitor = new RawClient(stack.port)
      visitor.write('POST /upload HTTP/1.1\r\nHost: replaced.localhost\r\nContent-Length: 10000000\r\n\r\n')
      visitor.write(Buffer.alloc(200_000, 'x'))
      await visitor.until(/\{"sorry": true\}$/)
      assert.match(visitor.text, /^HTTP\/1\.1 503 [^]*\r\nConnection: close\r\n/i)
      seen.length = 0
      visitor.write('GET /smuggled HTTP/1.1\r\nHost: plain.localhost\r\n\r\n')
      visitor.socket.end()
      await visitor.untilOver()
      assert.deepEqual(seen, [])
      assert.equal((await wholeAnswer('HTTP/1.1', stack.port, { host: 'plain.localhost' })).status, 200)
    })

    it('keeps the app’s connection after a short answer, and cuts off an endless one', async () => {
      await wholeAnswer('HTTP/1.1', stack.port, { host: 'plain.localhost' })
      const before = connections
      for (let i = 0; i < 5; i++) await wholeAnswer('HTTP/1.1', stack.port, { host: 'replaced.localhost', path: '/' })
      assert.equal(connections, before)
      const cutBefore = cutOff
      await wholeAnswer('HTTP/1.1', stack.port, { host: 'replaced.localhost', path: '/endless' })
      await until('the app is cut off', () => cutOff > cutBefore)
      const next = await wholeAnswer('HTTP/1.1', stack.port, { host: 'plain.localhost' })
      assert.equal(next.body.toString(), 'of the app')
    })

    if (speaks === 'http1') {
      it('lets a WebSocket pass that the app has accepted', async () => {
        const answer = await wholeAnswer('an upgrade', stack.port, { host: 'replaced.localhost' })
        assert.equal(answer.status, 101)
        assert.deepEqual(valuesOf(answer, 'x-app'), ['edited'])
      })
    }

    it('ends every request on the closed HTTP/2 connection, and no byte comes back', async () => {
      const visitor = new RawHttp2(stack.port)
      const ask = (id: number, host: string, path: string): Buffer =>
        http2Request(id, [[':method', 'GET'], [':scheme', 'http'], [':authority', host], [':path', path]]) // prettier-ignore
      visitor.write(ask(1, 'plain.localhost', '/endless'))
      await visitor.answer(1)
      const closed = once(visitor.socket, 'close')
      visitor.write(ask(3, 'closed.localhost', '/'))
      await closed
      const raw = new RawClient(stack.port)
      raw.write('GET / HTTP/1.1\r\nHost: closed.localhost\r\n\r\n')
      assert.equal(await raw.untilOver(), '')
    })
  })
}

describe('close-connection behind a trusted proxy (traffic policy, 14.6)', { timeout: 60_000 }, () => {
  it('ends the request, but not the connection of many visitors', async () => {
    const app = httpApp((_, response) => response.end('ok'))
    const edges = EDGES.map((each) => `- ${each}`).join('\n')
    const stack = await startStack({ app, edges, listen: 'http2: all', config: 'trusted_proxies: [127.0.0.1]' })
    try {
      const proxy = new RawHttp2(stack.port)
      const ask = (id: number, host: string): Buffer =>
        http2Request(id, [[':method', 'GET'], [':scheme', 'http'], [':authority', host], [':path', '/'], ['x-forwarded-for', '192.0.2.1']]) // prettier-ignore
      proxy.write(ask(1, 'closed.localhost'))
      proxy.write(ask(3, 'plain.localhost'))
      assert.equal(await proxy.answer(3), '200')
      proxy.close()
    } finally {
      await stack.close()
    }
  })
})
