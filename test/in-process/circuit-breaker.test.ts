// circuit-breaker, whole: no request reaches an app that has failed too often, over HTTP/1.1, HTTP/2 and an upgrade, until
// one finds that it is well again.

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { after, before, describe, it } from 'node:test'

import { ask } from '../support/ask.ts'
import { acceptWebSocket } from '../support/raw-web-socket.ts'
import { startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { visit, WAYS } from '../support/three-ways.ts'
import { until } from '../support/until.ts'

const HOSTS = WAYS.map((_, index) => `way${index}.localhost`)
const EDGES = HOSTS.map(
  (host, index) => `
- id: edg_way${index}
  hosts: [${host}]
  backend: { labels: { edge: edg_app } }
  policy:
    on_http_request:
      - actions: [{ type: circuit-breaker, config: { error_threshold: 0.5, volume_threshold: 3, tripped_duration: 3s } }]`,
).join('')

const GOOD = { 'HTTP/1.1': 200, 'HTTP/2': 200, 'an upgrade': 101 } as const

describe('an app that fails too often (traffic policy, circuit-breaker)', () => {
  let stack: Stack
  let status = 200
  let reached = 0
  before(async () => {
    const app = createServer((_, response) => {
      reached++
      response.writeHead(status).end()
    })
    app.on('upgrade', (request, socket) => {
      socket.on('error', () => {}) // visitors leave without a word
      reached++
      if (status === 200) acceptWebSocket(request, socket)
      else socket.end(`HTTP/1.1 ${status} Not now\r\nContent-Length: 0\r\n\r\n`)
    })
    stack = await startStack({ app, edges: EDGES, listen: 'http2: all' })
  })
  after(() => stack.close())

  it('is left alone for a while, however requests come, until one finds that it is well', async () => {
    for (const [index, way] of WAYS.entries()) {
      const host = HOSTS[index]! // one for each
      status = 200
      assert.equal(await visit(way, stack.port, { host }), GOOD[way])
      status = 500
      for (let i = 0; i < 2; i++) assert.equal(await visit(way, stack.port, { host }), 500, way)
      reached = 0
      for (const each of WAYS) assert.equal(await visit(each, stack.port, { host }), 503, each)
      const told = await ask(stack.port, { host })
      assert.equal(told.headers['sallyport-error-code'], 'ERR_CIRCUIT_OPEN')
      assert.match(told.headers['retry-after'] ?? '', /^[123]$/)
      assert.equal(reached, 0)
    }
    status = 200
    for (const [index, way] of WAYS.entries()) {
      const host = HOSTS[index]!
      reached = 0
      await until('one request finds out', async () => (await visit(way, stack.port, { host })) === GOOD[way])
      assert.equal(reached, 1)
      assert.equal(await visit(way, stack.port, { host }), GOOD[way])
    }
  })
})
