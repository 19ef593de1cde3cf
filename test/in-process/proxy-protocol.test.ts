// The PROXY protocol on a port with TLS, as a balancer that passes connections on would speak it. The relay does not
// understand it, and its log says so; later visitors with TLS are served as usual.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { get } from 'node:https'
import type { IncomingMessage } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'
import { Duplex } from 'node:stream'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import { connect as connectTls } from 'node:tls'

import { NO_OPENSSL, makeCertificate } from '../support/certificate.ts'
import type { CertificateFiles } from '../support/certificate.ts'
import { APP_HOST, httpApp, startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'

const LINE = 'a connection begins with PROXY, which this relay does not support: switch send-proxy off'
const V1 = 'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n'
const V2 = '\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\0\x01\0\x02'

describe('real-apps 5: a message that begins with PROXY, with TLS', { timeout: 30_000 }, () => {
  let folder: string
  let certificate: CertificateFiles | undefined
  let stack: Stack
  let served = 0

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sallyport-proxy-'))
    certificate = await makeCertificate(folder, [APP_HOST, 'relay.localhost'])
  })
  after(() => rm(folder, { recursive: true, force: true }))
  beforeEach(async () => {
    if (!certificate) return
    served = 0
    const app = httpApp((_, response) => {
      served++
      response.end('here')
    })
    stack = await startStack({ app, certificate })
  })
  afterEach(() => stack?.close())

  const lines = (): number => stack.log.filter((line) => line.includes(LINE)).length

  /** Resolves when the relay has ended it. */
  async function sendRaw(bytes: string): Promise<void> {
    const socket = connect(stack.tlsPort, '127.0.0.1')
    socket.on('error', () => {}).resume() // a reset is an end as well
    socket.write(bytes, 'latin1')
    await new Promise((resolve) => socket.once('close', resolve))
  }

  function test(name: string, run: () => Promise<void>): void {
    it(name, async (context: TestContext) => {
      if (!certificate) return context.skip(NO_OPENSSL)
      await run()
    })
  }

  for (const [version, begin] of [
    ['1', V1],
    ['2', V2],
  ] as const) {
    test(`version ${version} is named in the log, once`, async () => {
      for (let count = 0; count < 4; count++) await sendRaw(`${begin}\x16\x03\x01`)
      assert.equal(lines(), 1)
      assert.match(
        stack.log.find((line) => line.includes(LINE))!,
        /"level":40.*"clientIp":"127\.0\.0\.1"/,
      )
      assert.equal(served, 0)
    })
  }

  test('other bytes are not, and later visitors are served', async () => {
    const where = { host: '127.0.0.1', port: stack.tlsPort, servername: APP_HOST, rejectUnauthorized: false }
    for (const bytes of ['NONSENSE\r\n\r\n', 'PROXIES are not it\r\n', '\r\n\r\n\r\n\r\n\r\n\r\n\r\n']) {
      await sendRaw(bytes)
      const [answer] = (await once(get({ ...where, headers: { host: APP_HOST }, agent: false }), 'response')) as [
        IncomingMessage,
      ]
      assert.equal(answer.resume().statusCode, 200)
      await sendRaw(bytes)
      // A handshake that comes byte by byte.
      const slow = connect(stack.tlsPort, '127.0.0.1').setNoDelay(true)
      const dripping = new Duplex({
        read: () => void slow.resume(),
        write(chunk: Buffer, _, done) {
          for (const byte of chunk) slow.write(Buffer.of(byte))
          done()
        },
      })
      slow.on('data', (chunk) => dripping.push(chunk)).on('close', () => dripping.push(null))
      const socket = connectTls({
        socket: dripping,
        servername: APP_HOST,
        rejectUnauthorized: false,
        ALPNProtocols: ['h2'],
      })
      const session = connectHttp2(`https://${APP_HOST}`, { createConnection: () => socket })
      const request = session.request({ ':path': '/' })
      const [headers] = (await once(request, 'response')) as [Record<string, unknown>]
      assert.equal(headers[':status'], 200)
      session.destroy()
      slow.destroy()
    }
    assert.equal(served, 6)
    assert.equal(lines(), 0)
  })

  test('a connection without a byte does not keep the relay from stopping', async () => {
    await sendRaw('NONSENSE\r\n\r\n')
    const silent = connect(stack.tlsPort, '127.0.0.1')
    await once(silent, 'connect')
    const closed = new Promise((resolve) => silent.on('error', () => {}).once('close', resolve))
    silent.resume()
    const leaving = performance.now()
    await stack.relay.close()
    await closed
    assert.ok(performance.now() - leaving < 5000, 'it had ten seconds')
  })
})
