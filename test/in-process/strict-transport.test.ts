// Hardening: Strict-Transport-Security, if the operator wants it. Real relay, agent and sockets; a trusted proxy says that
// the visitor came by https.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:http2'
import type { IncomingHttpHeaders } from 'node:http2'
import { connect as connectSocket } from 'node:net'
import { after, before, describe, it } from 'node:test'

import { ask } from '../support/ask.ts'
import { RecordingApp } from '../support/recording-app.ts'
import { startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'

const response = (...actions: object[]): object => ({ on_http_response: [{ actions }] })
const edge = (name: string, further: object): string =>
  `- ${JSON.stringify({ id: `edg_${name}`, hosts: [`${name}.localhost`], backend: { labels: { edge: 'edg_app' } }, ...further })}`
const EDGES = [
  edge('app', {}),
  edge('own', {
    policy: response({ type: 'set-headers', config: { headers: { 'strict-transport-security': 'max-age=1' } } }),
  }),
  edge('none', {
    policy: response({ type: 'remove-headers', config: { headers: ['Strict-Transport-Security'] } }),
  }),
  edge('fixed', { backend: { fixed_response: { status: 200, body: 'fixed' } } }),
  edge('closed', { policy: { on_http_request: [{ actions: [{ type: 'deny', config: {} }] }] } }),
].join('\n')

describe('hardening: hsts_seconds', { timeout: 60_000 }, () => {
  let stack: Stack
  const app = new RecordingApp()
  before(async () => {
    const config = 'tls: { hsts_seconds: 3600 }\ntrusted_proxies: [127.0.0.1]'
    stack = await startStack({ app: app.server, edges: EDGES, config, listen: 'http2: all' })
    app.answerLines = ['Strict-Transport-Security: max-age=5']
  })
  after(() => stack.close())

  async function heard(name: string, proto = 'https'): Promise<unknown> {
    const host = `${name}.localhost`
    const { headers } = await ask(stack.port, { host, headers: { 'x-forwarded-proto': proto } })
    const session = connect(`http://${host}:${stack.port}`, {
      createConnection: () => connectSocket(stack.port, '127.0.0.1'),
    })
    const stream = session.request({ ':path': '/', ':scheme': proto, 'x-forwarded-proto': proto })
    const [http2] = (await once(stream, 'response')) as [IncomingHttpHeaders] // as node:http2 documents
    session.destroy()
    assert.equal(http2['strict-transport-security'], headers['strict-transport-security'], 'the same over HTTP/2')
    return headers['strict-transport-security']
  }

  it('is sent once with every answer over https, of the app and of the relay', async () => {
    for (const name of ['app', 'fixed', 'closed', 'nowhere', 'relay']) {
      assert.equal(await heard(name), 'max-age=3600', name)
    }
  })

  it('leaves policies the last word on an app’s answer', async () => {
    assert.equal(await heard('own'), 'max-age=1')
    assert.equal(await heard('none'), undefined)
  })

  it('is never sent over http (RFC 6797 7.2)', async () => {
    assert.equal(await heard('app', 'http'), 'max-age=5', 'that is the app’s own')
    for (const name of ['fixed', 'closed', 'nowhere', 'relay']) assert.equal(await heard(name, 'http'), undefined, name)
  })
})

describe('hardening: without hsts_seconds', { timeout: 60_000 }, () => {
  it('only the app sends it', async () => {
    const app = new RecordingApp()
    const stack = await startStack({ app: app.server, config: 'trusted_proxies: [127.0.0.1]' })
    try {
      for (const host of ['app.localhost', 'nowhere.localhost']) {
        const { headers } = await ask(stack.port, { host, headers: { 'x-forwarded-proto': 'https' } })
        assert.equal(headers['strict-transport-security'], undefined)
      }
    } finally {
      await stack.close()
    }
  })
})
