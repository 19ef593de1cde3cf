// `--host-header rewrite`: the app gets its own name as Host, and visitors get the public one in `Location` and in cookies,
// over HTTP/1.1, HTTP/2 and upgrades. Real relay, agents and sockets.

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import { after, before, describe, it } from 'node:test'

import { ask } from '../support/ask.ts'
import { RawClient } from '../support/raw-client.ts'
import { webSocketRequest } from '../support/raw-web-socket.ts'
import { APP_HOST, startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'

/** Of an app at `localhost:PORT`, for an edge at `https://app.localhost:8443`: its own headers, and those for visitors. */
const LOCATIONS = [
  ['http://OWN/login?next=%2F#top', 'https://app.localhost:8443/login?next=%2F#top'],
  ['https://OWN', 'https://app.localhost:8443'],
  ['HTTP://LocalHost:PORT/x', 'https://app.localhost:8443/x'],
  ['//OWN/x', '//app.localhost:8443/x'],
  ['http://OWN?a', 'https://app.localhost:8443?a'],
  // No other name is the app's own.
  ['/login', '/login'],
  ['login?to=http://OWN/', 'login?to=http://OWN/'],
  ['http://localhost/x', 'http://localhost/x'],
  ['http://localhost:PORT0/x', 'http://localhost:PORT0/x'],
  ['http://evil.localhost:PORT/', 'http://evil.localhost:PORT/'],
  ['http://OWN.evil.example/', 'http://OWN.evil.example/'],
  ['http://OWN@evil.example/', 'http://OWN@evil.example/'],
  ['http://evil.example@OWN/', 'http://evil.example@OWN/'],
  ['http://OWN\\evil.example/', 'http://OWN\\evil.example/'],
  ['http:/OWN/', 'http:/OWN/'],
  ['ftp://OWN/', 'ftp://OWN/'],
  ['http://127.0.0.1:PORT/', 'http://127.0.0.1:PORT/'],
] as const

const COOKIES = [
  ['a=1; Domain=localhost; Path=/', 'a=1; Domain=app.localhost; Path=/'],
  ['a=1; path=/; DOMAIN = .LocalHost', 'a=1; path=/; Domain=app.localhost'],
  ['a=1; Domain=other.localhost', 'a=1; Domain=other.localhost'],
  ['a=Domain=localhost; Path=/', 'a=Domain=localhost; Path=/'],
  ['a="; domain=x"; Secure', 'a="; domain=x"; Secure'],
  ['a=1; Path=/Domain=localhost', 'a=1; Path=/Domain=localhost'],
] as const

describe('--host-header rewrite', { timeout: 60_000 }, () => {
  const stacks: Stack[] = []
  /** The app's next answer. */
  let location = ''
  let cookies: string[] = []
  let hosts: (string | undefined)[] = []

  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    hosts.push(request.headers.host ?? String(request.headers[':authority']))
    response.writeHead(request.url === '/created' ? 201 : 302, { location, 'set-cookie': cookies }).end()
  }
  const http1 = createServer(answer).on('upgrade', (request, socket) => {
    hosts.push(request.headers.host)
    const lines = cookies.map((cookie) => `Set-Cookie: ${cookie}\r\n`).join('')
    socket.on('error', () => {})
    socket.end(`HTTP/1.1 302 Found\r\nLocation: ${location}\r\n${lines}Content-Length: 0\r\n\r\n`)
  })
  // The compatible objects of node:http2 have the members that `answer` uses.
  const http2 = createHttp2Server((request, response) =>
    answer(request as unknown as IncomingMessage, response as unknown as ServerResponse),
  )
  const edges = `- { id: edg_app, hosts: [${APP_HOST}], origin: "https://app.localhost:8443" }`
  let over1: Stack
  let over2: Stack
  let preserved: Stack

  before(async () => {
    over1 = await startNamed({ app: http1, hostHeader: 'rewrite' })
    over2 = await startNamed({ app: http2, hostHeader: 'rewrite', upstreamProtocol: 'http2' })
    preserved = await startNamed({ app: http1, hostHeader: 'other.localhost:1' })
  })
  after(async () => {
    for (const stack of stacks) await stack.close()
  })

  async function startNamed(options: Partial<Parameters<typeof startStack>[0]>): Promise<Stack> {
    const { app = http1 } = options
    if (!app.listening) await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve))
    const { port } = app.address() as { port: number } // it listens on a port
    const stack = await startStack({ ...options, app, edges, upstream: `http://localhost:${port}` })
    stacks.push(stack)
    return stack
  }

  const filled = (text: string, { appPort }: Stack): string =>
    text.replaceAll('OWN', `localhost:${appPort}`).replaceAll('PORT', String(appPort))

  for (const protocol of ['HTTP/1.1', 'HTTP/2'] as const) {
    it(`gives visitors the public name, from an app that speaks ${protocol}`, async () => {
      const stack = protocol === 'HTTP/2' ? over2 : over1
      cookies = COOKIES.map(([said]) => said)
      hosts = []
      for (const [said, heard] of LOCATIONS) {
        location = filled(said, stack)
        const { headers } = await ask(stack.port, { host: APP_HOST, path: said.length % 2 ? '/created' : '/' })
        assert.equal(headers.location, filled(heard, stack), said)
        assert.deepEqual(
          headers['set-cookie'],
          COOKIES.map(([, told]) => told),
        )
      }
      assert.deepEqual([...new Set(hosts)], [`localhost:${stack.appPort}`])
    })
  }

  it('gives it also to visitors whose upgrade is refused', async () => {
    location = filled('http://OWN/login', over1)
    cookies = ['a=1; Domain=localhost']
    const visitor = new RawClient(over1.port)
    visitor.write(webSocketRequest(APP_HOST, []))
    const head = await visitor.until(/\r\n\r\n/)
    visitor.close()
    assert.match(head, /^HTTP\/1\.1 302 /)
    assert.match(head, /\r\nlocation: https:\/\/app\.localhost:8443\/login\r\n/i)
    assert.match(head, /\r\nset-cookie: a=1; Domain=app\.localhost\r\n/i)
  })

  it('leaves answers alone if the app gets another name, or the visitor’s', async () => {
    location = 'http://other.localhost:1/x'
    cookies = ['a=1; Domain=other.localhost']
    const { headers } = await ask(preserved.port, { host: APP_HOST })
    assert.deepEqual([headers.location, headers['set-cookie']], [location, cookies])
  })
})
