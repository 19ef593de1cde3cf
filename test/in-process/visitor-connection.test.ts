// The connection of an exchange: one value for each socket, made at the door of the listener.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { connect as connectTls } from 'node:tls'
import type { TLSSocket } from 'node:tls'

import { createLog, parseConfig } from '@sallyport/server'

import type { Connection } from '../../packages/server/src/exchange/connection.ts'
import { LimitRefusals } from '../../packages/server/src/exchange/limit-refusals.ts'
import { Places } from '../../packages/server/src/listener/places.ts'
import { Certificates } from '../../packages/server/src/listener/tls/certificates.ts'
import { VisitorListener } from '../../packages/server/src/listener/visitor-listener.ts'
import { PLAIN_LOOK } from '../../packages/server/src/pages/look.ts'
import { makeCertificate, NO_OPENSSL } from '../support/certificate.ts'

const HOST = 'app.localhost'
const REQUEST = `GET / HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`
const log = createLog({ level: 'silent' })
const { limits, timeouts } = parseConfig(
  'domain: localhost\npublic_url: http://relay.localhost\nlisten: { http: 80 }\nedges: [{ id: edg_a, hosts: [app.localhost] }]',
  { source: 'test', env: { HOME: '/nowhere' } },
)

describe('the connection of an exchange (the house, 7)', () => {
  const seen: Connection[] = []
  const listeners: VisitorListener[] = []
  let folder: string
  let certificates: Certificates | undefined
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sallyport-connection-'))
    const files = await makeCertificate(folder, [HOST])
    if (files) certificates = await Certificates.load([{ cert_file: files.certFile, key_file: files.keyFile }], log)
  })
  after(async () => {
    for (const listener of listeners) listener.destroy()
    certificates?.close()
    await rm(folder, { recursive: true, force: true })
  })

  async function listen(options: { certificates?: Certificates; trusts?: string } = {}): Promise<number> {
    const { trusts, ...more } = options
    const places = new Places({ limits, files: { connections: 100, visitors: 100, agents: 100, spare: 10 } })
    const listener = new VisitorListener({
      ...more,
      address: { host: '127.0.0.1', port: 0 },
      reusePort: false,
      allowedUpgrades: new Set(),
      http2: true,
      limits,
      places,
      tlsDemands: { isAny: false, of: () => undefined },
      refusals: new LimitRefusals(log),
      timeouts,
      look: PLAIN_LOOK,
      log,
      isTrustedProxy: (address) => address === trusts,
      onExchange: async (exchange) => {
        seen.push(exchange.connection)
        exchange.respond(200, {}, 'seen')
        await new Promise<void>((resolve) => exchange.response.once('close', resolve))
      },
      onAgent: () => false,
      isAgentHost: () => false,
      onFault: (thrown) => assert.fail(String(thrown)),
    })
    listeners.push(listener)
    return (await listener.listen()).port
  }

  /** Sends a request and waits for its whole answer. */
  async function ask(socket: Socket): Promise<Connection> {
    socket.write(REQUEST)
    for (let text = ''; !text.endsWith('seen');) text += String((await once(socket, 'data'))[0])
    return seen.at(-1)!
  }

  it('is one for all requests of a socket, and has both addresses, its beginning, and the bytes so far', async () => {
    const port = await listen()
    const from = Date.now()
    const [visitor, other] = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')]
    const first = await ask(visitor)
    const { clientIp, clientPort, serverIp, serverPort, startedAt, isFromProxy, tls } = first
    assert.deepEqual(
      { clientIp, clientPort, serverIp, serverPort, isFromProxy, tls },
      {
        clientIp: '127.0.0.1',
        clientPort: visitor.localPort,
        serverIp: '127.0.0.1',
        serverPort: port,
        isFromProxy: false,
        tls: undefined,
      },
    )
    assert.ok(startedAt >= from && startedAt <= Date.now())
    assert.equal(first.bytesIn, REQUEST.length)
    assert.equal(await ask(visitor), first)
    assert.equal(first.bytesIn, 2 * REQUEST.length)
    assert.equal(first.bytesOut, visitor.bytesRead)
    assert.notEqual(await ask(other), first)
    visitor.destroy()
    other.destroy()
    await once(visitor, 'close')
    assert.equal(first.clientPort, clientPort, 'who it was is known for longer than it lasts')
  })

  it('knows a proxy that the operator trusts', async () => {
    const visitor = connect(await listen({ trusts: '127.0.0.1' }), '127.0.0.1')
    assert.equal((await ask(visitor)).isFromProxy, true)
    visitor.destroy()
  })

  it('knows the results of the handshake, for either version of HTTP', async (t) => {
    if (!certificates) return t.skip(NO_OPENSSL)
    const port = await listen({ certificates })
    const options = { port, host: '127.0.0.1', servername: HOST, rejectUnauthorized: false }
    const visitor = connectTls(options)
    const first = await ask(visitor)
    assert.equal(first.clientPort, visitor.localPort)
    assert.equal(first.tls?.getProtocol(), 'TLSv1.3')
    assert.equal((first.tls as TLSSocket & { servername: string }).servername, HOST) // as a server has it
    assert.equal(first.bytesIn, REQUEST.length)
    visitor.destroy()

    const session = connectHttp2(`https://${HOST}:${port}`, { ...options, ALPNProtocols: ['h2'] })
    for (let count = 0; count < 2; count++) {
      const stream = session.request({ ':path': '/', ':authority': HOST })
      stream.resume()
      await once(stream, 'close')
    }
    const [third, second] = [seen.pop()!, seen.pop()!]
    assert.equal(second, third)
    assert.notEqual(second, first)
    assert.equal(second.tls?.alpnProtocol, 'h2')
    session.destroy()
  })
})
