// Rules of policies for headers apply to trailers, and so does Connection: apps and libraries that put trailers among the
// headers must not see fields that were removed from these. Real relay, agent and sockets; both ways to come that have
// trailers, to apps that speak either version.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect, createServer as createHttp2Server } from 'node:http2'
import type { Http2ServerRequest, Http2ServerResponse, IncomingHttpHeaders } from 'node:http2'
import { connect as connectSocket } from 'node:net'
import { after, before, describe, it } from 'node:test'

import { sendRaw } from '../support/raw-client.ts'
import { httpApp, startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'

const actions = (type: string, config: object): object => ({ actions: [{ type, config }] })
const both = (type: string, config: object): object => ({
  on_http_request: [actions(type, config)],
  on_http_response: [actions(type, config)],
})
const edge = (name: string, policy: object = {}): string =>
  `- ${JSON.stringify({ id: `edg_${name}`, hosts: [`${name}.localhost`], backend: { labels: { edge: 'edg_app' } }, policy })}`
const EDGES = [
  edge('open'),
  edge('edited', both('remove-headers', { headers: ['X-My-Secret'] })),
  edge('set', both('set-headers', { headers: { 'X-My-Secret': 'ours' } })),
].join('\n')

for (const speaks of ['http1', 'http2'] as const) {
  describe(`S4: trailers, to an app that speaks ${speaks}`, { timeout: 60_000 }, () => {
    let stack: Stack
    /** The trailers that have reached the app. */
    let seen: NodeJS.Dict<string | string[]> = {}
    before(async () => {
      const serve = (
        request: IncomingMessage | Http2ServerRequest,
        response: ServerResponse | Http2ServerResponse,
      ): void => {
        request.resume().on('end', () => {
          seen = Object.fromEntries(Object.entries(request.trailers)) // node:http2 adds symbols to its own
          response.setHeader('Trailer', 'X-Kept')
          if (speaks === 'http1') response.setHeader('Connection', 'X_Hop')
          response.addTrailers({ 'x-kept': 'yes', 'x-my-secret': 'evil', 'x_my.secret': 'evil', 'x-hop': 'evil' })
          response.end('body')
        })
      }
      const app = speaks === 'http1' ? httpApp(serve) : createHttp2Server(serve)
      stack = await startStack({ app, edges: EDGES, listen: 'http2: all', upstreamProtocol: speaks })
    })
    after(() => stack.close())

    it('have no field that a policy or Connection keeps out, over HTTP/1.1', async () => {
      for (const host of ['open', 'edited', 'set']) {
        const answer = await sendRaw(
          stack.port,
          `POST / HTTP/1.1\r\nHost: ${host}.localhost\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n` +
            'Connection: close, X_Hop\r\n\r\n' +
            '0\r\nX-Kept: yes\r\nX-My-Secret: evil\r\nX_My.Secret: evil\r\nX-Hop: evil\r\n' +
            'Sallyport-Request-Id: evil\r\nSallyport_Request.Id: evil\r\n\r\n',
        )
        const [, trailers = ''] = answer.split('\r\n0\r\n')
        assert.match(trailers, /^X-Kept: yes\r\n/im, host)
        const secrets = host === 'open' ? { 'x-my-secret': 'evil', 'x_my.secret': 'evil' } : {}
        assert.deepEqual(seen, { 'x-kept': 'yes', ...secrets }, host)
        assert.equal(/secret/i.test(trailers), host === 'open', host)
        assert.equal(/hop/i.test(trailers), speaks === 'http2', host) // in HTTP/2 Connection has no meaning
      }
    })

    it('have no field that a policy keeps out, over HTTP/2', async () => {
      for (const host of ['open', 'edited', 'set']) {
        const session = connect(`http://${host}.localhost:${stack.port}`, {
          createConnection: () => connectSocket(stack.port, '127.0.0.1'),
        })
        const stream = session.request({ ':path': '/', ':method': 'POST', te: 'trailers' }, { waitForTrailers: true })
        stream.on('wantTrailers', () => {
          stream.sendTrailers({
            'x-kept': 'yes',
            'x-my-secret': 'evil',
            'x_my.secret': 'evil',
            'sallyport-request-id': 'evil',
            'sallyport_request.id': 'evil',
          })
        })
        stream.resume().end('ab')
        const [trailers] = (await once(stream, 'trailers')) as [IncomingHttpHeaders] // as node:http2 documents
        session.destroy()
        const secrets = host === 'open' ? { 'x-my-secret': 'evil', 'x_my.secret': 'evil' } : {}
        assert.deepEqual(seen, { 'x-kept': 'yes', ...secrets }, host)
        assert.equal(trailers['x-kept'], 'yes')
        assert.equal(trailers['x-my-secret'] ?? trailers['x_my.secret'], host === 'open' ? 'evil' : undefined, host)
      }
    })
  })
}
