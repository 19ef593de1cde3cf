// rate-limit, whole: excess requests reach no app, over HTTP/1.1, HTTP/2 and an upgrade, which share their buckets.

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { after, before, describe, it } from 'node:test'

import { ask } from '../support/ask.ts'
import { acceptWebSocket } from '../support/raw-web-socket.ts'
import { startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { visit, WAYS } from '../support/three-ways.ts'

const limit = (keys: string): string =>
  `{ on_http_request: [{ actions: [{ type: rate-limit, config: { name: few, capacity: 3, rate: 24h, bucket_key: ${keys} } }] }] }`
const EDGES = `
- { id: edg_address, hosts: [address.localhost], backend: { labels: { edge: edg_app } }, policy: ${limit('[conn.client_ip]')} }
- { id: edg_path, hosts: [path.localhost], backend: { labels: { edge: edg_app } }, policy: ${limit('[req.url.path]')} }
- { id: edg_key, hosts: [key.localhost], backend: { labels: { edge: edg_app } }, policy: ${limit(`["req.headers['x-key'][0]"]`)} }`

describe('too many requests (traffic policy, rate-limit)', () => {
  let stack: Stack
  let reached = 0
  before(async () => {
    const app = createServer((_, response) => {
      reached++
      response.end('ok')
    })
    app.on('upgrade', (request, socket) => {
      reached++
      socket.on('error', () => {}) // visitors leave without a word
      acceptWebSocket(request, socket)
    })
    stack = await startStack({ app, edges: EDGES, listen: 'http2: all' })
  })
  after(() => stack.close())

  it('do not reach the app, in whatever way they come', async () => {
    for (const [index, from] of ['127.0.0.1', '127.0.0.2'].entries()) {
      const visits = []
      for (const way of WAYS) visits.push(await visit(way, stack.port, { host: 'address.localhost', from }))
      assert.deepEqual(visits, [200, 200, 101])
      for (const way of WAYS) assert.equal(await visit(way, stack.port, { host: 'address.localhost', from }), 429, way)
      assert.equal(reached, 3 * (index + 1))
    }
    const told = await ask(stack.port, { host: 'address.localhost', headers: { accept: 'text/html' } })
    assert.equal(told.headers['sallyport-error-code'], 'ERR_RATE_LIMITED')
    assert.match(told.headers['retry-after'] ?? '', /^863\d\d$|^86400$/)
    assert.equal(told.headers['ratelimit-policy'], '"few";q=3;w=86400')
    assert.match(String(told.headers['ratelimit']), /^"few";r=0;t=86\d\d\d$/)
    assert.match(told.body, /Too many requests/)
  })

  it('are counted together for all spellings of a path', async () => {
    const statusOf = async (path: string): Promise<number> =>
      (await ask(stack.port, { host: 'path.localhost', path })).status
    for (let i = 0; i < 3; i++) assert.equal(await statusOf('/a/b'), 200)
    reached = 0
    assert.equal(await statusOf('/a/b'), 429)
    for (const path of ['/a/./b', '/a/%2e/b', '/a/x/../b', '/a%2fb', '//a/b', '/%61/b']) {
      assert.notEqual(await statusOf(path), 200, path)
    }
    assert.equal(reached, 0)
  })

  it('are counted by the value of the key, and together if it has none', async () => {
    const statusOf = async (key?: string): Promise<number> =>
      (await ask(stack.port, { host: 'key.localhost', headers: key === undefined ? {} : { 'x-key': key } })).status
    for (const key of ['a', 'b', undefined]) {
      const statuses = []
      for (let i = 0; i < 4; i++) statuses.push(await statusOf(key))
      assert.deepEqual(statuses, [200, 200, 200, 429], key)
    }
  })
})
