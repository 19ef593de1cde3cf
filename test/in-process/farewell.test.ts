// A relay that stops, as seen by visitors on kept-alive connections.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, afterEach, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'

import { RawClient } from '../support/raw-client.ts'
import { APP_HOST, httpApp, startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'

describe('a relay that stops', { timeout: 60_000 }, () => {
  let stack: Stack
  afterEach(() => stack.close())
  const ask = (path: string): string => `POST ${path} HTTP/1.1\r\nHost: ${APP_HOST}\r\nContent-Length: 0\r\n\r\n`

  it('serves one more request on a kept-alive connection, and closes it', async () => {
    stack = await startStack({ app: httpApp((request, response) => response.end(`[${request.url}]`)) })
    const client = new RawClient(stack.port)
    client.write(ask('/first'))
    assert.doesNotMatch(await client.until(/\[\/first\]/), /connection: close/i)
    const closed = stack.relay.close()
    client.write(ask('/second'))
    assert.match(await client.until(/\[\/second\]/), /connection: close/i)
    await client.untilOver()
    await closed
  })

  it('does not wait for idle connections', async () => {
    stack = await startStack({ app: httpApp((request, response) => response.end(`[${request.url}]`)) })
    const client = new RawClient(stack.port)
    client.write(ask('/first'))
    await client.until(/\[\/first\]/)
    await stack.relay.close()
    await client.untilOver()
  })

  describe('reliability 5: visitors in the system’s queue of new connections are served', () => {
    // Half of the default length of the system's queue. libuv takes one of them in each turn of the event loop.
    const VISITORS = 250
    const QUESTION = `GET /new HTTP/1.1\r\nHost: ${APP_HOST}\r\n\r\n`
    let folder: string
    let hasOpenssl = true

    before(() => {
      folder = mkdtempSync(join(tmpdir(), 'sallyport-farewell-'))
      const request = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=relay'
      const names = `-addext subjectAltName=DNS:relay.localhost,DNS:${APP_HOST} -keyout relay.key -out relay.crt`
      try {
        execFileSync('openssl', `${request} ${names}`.split(' '), { cwd: folder, stdio: 'pipe' })
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error // as execFileSync throws
        hasOpenssl = false
      }
    })
    after(() => rmSync(folder, { recursive: true }))

    /** Each is connected as far as the system is concerned; the relay has not had a turn to take one. */
    const untilQueued = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve))

    for (const [where, busyMs] of [
      ['', 0],
      [', also where each turn of the event loop takes long', 12],
    ] as const) {
      it(`over HTTP/1.1${where}`, async () => {
        const answer: RequestListener = (_, response) => {
          for (const end = performance.now() + busyMs; performance.now() < end;); // as on a busy machine
          response.end('the app')
        }
        stack = await startStack({ app: httpApp(answer) })
        const clients = Array.from({ length: VISITORS }, () => new RawClient(stack.port))
        for (const client of clients) client.write(QUESTION)
        await untilQueued()
        const closed = stack.relay.close()
        for (const client of clients) {
          const answered = await client.untilOver()
          assert.match(answered, /^HTTP\/1\.1 200 [^]*connection: close[^]*the app/i)
        }
        await closed
      })
    }

    it('over HTTP/2', async () => {
      stack = await startStack({ app: httpApp((_, response) => response.end('the app')), listen: 'http2: all' })
      const sessions = Array.from({ length: VISITORS }, () => {
        const session = connectHttp2(`http://127.0.0.1:${stack.port}`)
        return { gone: once(session, 'close'), answer: text(session.request({ ':authority': APP_HOST })) }
      })
      await untilQueued()
      const closed = stack.relay.close()
      assert.deepEqual(new Set(await Promise.all(sessions.map(({ answer }) => answer))), new Set(['the app']))
      await Promise.all(sessions.map(({ gone }) => gone))
      await closed
    })

    it('over TLS', async (test) => {
      if (!hasOpenssl) return test.skip('there is no openssl')
      const app = httpApp((_, response) => response.end('the app'))
      const [cert, key] = ['relay.crt', 'relay.key'].map((name) => JSON.stringify(join(folder, name)))
      stack = await startStack({
        app,
        publicUrl: 'https://relay.localhost',
        listen: 'https: "127.0.0.1:0"',
        config: `tls: { certificates: [{ cert_file: ${cert}, key_file: ${key} }] }`,
        edges: `- { id: edg_app, hosts: [${APP_HOST}], backend: { fixed_response: { status: 200, body: the app } } }`,
        agents: 0,
      })
      const port = stack.relay.addresses.https?.port ?? assert.fail()
      const sockets = Array.from({ length: VISITORS / 5 }, () => {
        const socket = connectTls({ port, host: '127.0.0.1', servername: APP_HOST, rejectUnauthorized: false })
        socket.write(QUESTION)
        return socket
      })
      await untilQueued()
      const closed = stack.relay.close()
      for (const socket of sockets)
        assert.match(await text(socket), /^HTTP\/1\.1 200 [^]*connection: close[^]*the app/i)
      await closed
    })

    it('and so is a visitor who has connected and asks a moment later', async () => {
      stack = await startStack({ app: httpApp((_, response) => response.end('the app')) })
      const closed = stack.relay.close()
      const client = new RawClient(stack.port)
      await once(client.socket, 'connect')
      await untilRefused(stack.port) // the farewell has ended
      client.write(QUESTION)
      assert.match(await client.untilOver(), /^HTTP\/1\.1 200 [^]*connection: close[^]*the app/i)
      await closed
    })
  })
})

/** Waits until the port refuses connections; it tries too seldom to count as visitors who keep coming. */
async function untilRefused(port: number): Promise<void> {
  const deadline = performance.now() + 10_000
  while (performance.now() < deadline) {
    const { socket } = new RawClient(port)
    try {
      await once(socket, 'connect')
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'ECONNREFUSED') // as a socket emits
      return
    } finally {
      socket.destroy()
    }
    await sleep(150)
  }
  assert.fail('it takes visitors for ever')
}
