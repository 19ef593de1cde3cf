// Upgrades to other protocols than WebSocket: off by default, and if a route allows a protocol, spliced after its
// policy.

import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import type { Socket } from 'node:net'
import { after, before, describe, it } from 'node:test'

import { parseConfig } from '@sallyport/server'

import { RawClient } from '../support/raw-client.ts'
import { APP_HOST, startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'

const EDGES = `
- id: edg_app
  hosts: [${APP_HOST}]
  routes:
    - { path_prefix: /, backend: { labels: { edge: edg_app } } }
    - { path_prefix: /ts2021, allow_upgrades: [tailscale-control-protocol], backend: { labels: { edge: edg_app } } }
    - { path_prefix: /exec, allow_upgrades: [SPDY/3.1], backend: { labels: { edge: edg_app } } }
    - path_prefix: /denied
      allow_upgrades: [spdy/3.1]
      backend: { labels: { edge: edg_app } }
      policy: { on_http_request: [{ actions: [{ type: deny }] }] }
    - path_prefix: /locked
      allow_upgrades: [spdy/3.1]
      backend: { labels: { edge: edg_app } }
      policy: { on_http_request: [{ actions: [{ type: basic-auth, config: { credentials: ["ada:correct horse"] } }] }] }`

describe('issue 11: upgrades that a route allows', { timeout: 30_000 }, () => {
  let stack: Stack
  /** Heads that have reached the app. */
  const heads: string[] = []
  /** The app's answer to the next upgrade. */
  let switched = ''

  before(async () => {
    const app = createServer((socket) => serve(socket))
    stack = await startStack({ app, edges: EDGES })
  })
  after(() => stack.close())

  function serve(socket: Socket): void {
    let received = ''
    const onData = (chunk: Buffer): void => {
      received += chunk.toString('latin1')
      const end = received.indexOf('\r\n\r\n')
      if (end === -1) return
      heads.push(received.slice(0, end))
      const asked = /^Upgrade: (.*)$/im.exec(received.slice(0, end))?.[1]
      if (asked === undefined) return void socket.end('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nordinary')
      socket.off('data', onData)
      socket.write(
        switched || `HTTP/1.1 101 Switching Protocols\r\nUpgrade: ${asked}\r\nConnection: upgrade\r\n\r\nhello`,
      )
      socket.on('data', (more: Buffer) => socket.write(`<${String(more)}>`))
      socket.on('end', () => socket.end())
    }
    socket.on('error', () => {}).on('data', onData)
  }

  function ask(
    method: string,
    path: string,
    protocol: string,
    further: readonly string[] = [],
    behind = '',
  ): RawClient {
    const client = new RawClient(stack.port)
    const lines = [`${method} ${path} HTTP/1.1`, `Host: ${APP_HOST}`, 'Connection: upgrade', `Upgrade: ${protocol}`]
    client.write(`${[...lines, ...further].join('\r\n')}\r\n\r\n${behind}`)
    return client
  }

  for (const [method, path, protocol] of [
    ['POST', '/ts2021', 'tailscale-control-protocol'],
    ['POST', '/ts2021', 'Tailscale-Control-Protocol'],
    ['GET', '/exec/pod', 'SPDY/3.1'],
    ['POST', '/exec/pod', 'spdy/3.1'],
  ] as const) {
    it(`a ${method} for ${protocol} is spliced, with bytes right after both heads`, async () => {
      const client = ask(method, path, protocol, method === 'POST' ? ['Content-Length: 0'] : [], 'early')
      const text = await client.until(/hello<early>/)
      assert.match(text, /^HTTP\/1\.1 101 Switching Protocols\r\n/)
      assert.match(text, new RegExp(`\r\nUpgrade: ${protocol}\r\n`))
      assert.match(heads.at(-1)!, new RegExp(`^${method} ${path} HTTP/1.1\r\n`))
      assert.match(heads.at(-1)!, new RegExp(`\r\nUpgrade: ${protocol}(?:\r\n|$)`))
      client.write('late')
      await client.until(/<late>/)
      client.socket.end()
      await client.untilOver()
    })
  }

  for (const [what, method, path, protocol, further] of [
    ['on a route that allows another', 'GET', '/exec', 'tailscale-control-protocol', []],
    ['on a route that allows none', 'POST', '/', 'spdy/3.1', []],
    ['that no route allows', 'GET', '/exec', 'irc/6.9', []],
    ['for h2c (attack 31)', 'GET', '/exec', 'h2c', ['HTTP2-Settings: AAMAAABkAAQAAP__']],
    ['for several protocols', 'GET', '/exec', 'spdy/3.1, h2c', []],
    ['with another method', 'PUT', '/exec', 'spdy/3.1', ['Content-Length: 0']],
    ['with a body', 'POST', '/exec', 'spdy/3.1', ['Content-Length: 1']],
    ['that is a WebSocket by POST', 'POST', '/exec', 'websocket', ['Content-Length: 0']],
  ] as const) {
    it(`a request ${what} is an ordinary one, without Upgrade`, async () => {
      const client = ask(
        method,
        path,
        protocol,
        [...further, 'X-Last: 1'],
        further.includes('Content-Length: 1' as never) ? 'b' : '',
      )
      assert.match(await client.until(/ordinary$/), /^HTTP\/1\.1 200 /)
      assert.match(heads.at(-1)!, new RegExp(`^${method} ${path} `))
      assert.doesNotMatch(heads.at(-1)!, /upgrade|http2-settings/i)
      client.close()
    })
  }

  it('no bytes after a declined upgrade are read as a request', async () => {
    const count = heads.length
    const client = ask('GET', '/', 'spdy/3.1', [], `GET /smuggled HTTP/1.1\r\nHost: ${APP_HOST}\r\n\r\n`)
    const text = await client.untilOver()
    assert.equal(text.match(/HTTP\/1\.1 /g)?.length, 1)
    assert.match(text, /\r\nConnection: close\r\n/i)
    assert.equal(heads.length, count + 1)
    client.close()
  })

  for (const [path, status] of [
    ['/denied', 403],
    ['/locked', 401],
  ] as const) {
    it(`the policy comes first: ${status}, and no byte reaches an app`, async () => {
      const count = heads.length
      const client = ask('POST', path, 'spdy/3.1', ['Content-Length: 0'], 'early')
      assert.match(await client.untilOver(), new RegExp(`^HTTP/1.1 ${status} `))
      assert.equal(heads.length, count)
      client.close()
    })
  }

  it('an app that switches to something else has not switched', async () => {
    switched = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\nraw'
    const client = ask('GET', '/exec', 'spdy/3.1')
    const text = await client.untilOver()
    assert.match(text, /^HTTP\/1\.1 502 /)
    assert.doesNotMatch(text, /raw/)
    switched = 'HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno'
    const refused = ask('GET', '/exec', 'spdy/3.1')
    assert.match(await refused.untilOver(), /^HTTP\/1\.1 403 Forbidden\r\n[^]*no$/)
    switched = ''
  })

  it('a protocol that would carry requests past the policy, or is empty, is an error of the configuration', () => {
    const check = (protocols: string): (() => unknown) => {
      return () =>
        parseConfig(
          `domain: localhost\npublic_url: http://relay.localhost\nlisten: { http: "127.0.0.1:0" }\nedges: [{ id: edg_app, hosts: [app.localhost], allow_upgrades: ${protocols} }]`,
          { source: 'test', env: {} },
        )
    }
    for (const protocols of [
      '[h2c]',
      '[H2C]',
      '[websocket]',
      '[WebSocket]',
      '[HTTP/2.0]',
      '[http]',
      '[TLS/1.3]',
      '[tls]',
      '["a b"]',
      '["a,b"]',
      '["a/b/c"]',
      '[]',
      '[""]',
    ]) {
      assert.throws(check(protocols), /allow_upgrades/, protocols)
    }
    assert.doesNotThrow(check('[tailscale-control-protocol, SPDY/3.1]'))
  })
})
