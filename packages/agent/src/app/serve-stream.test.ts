import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { Duplex, duplexPair } from 'node:stream'
import { after, describe, it } from 'node:test'

import { encodeStreamHeader } from '@sallyport/protocol'

import { prepareDial } from './dial-upstream.ts'
import type { Dial } from './dial-upstream.ts'
import { readReply } from '../fixtures/fake-relay.ts'
import { serveStream } from './serve-stream.ts'
import { parseUpstream } from './upstream.ts'
import { until } from '../../../../test/support/until.ts'

const closing: (() => unknown)[] = []
after(() => Promise.all(closing.map((close) => close())))

const HEADER = encodeStreamHeader({ tunnelId: 1, visitor: '192.0.2.7', protocol: 'http1' })

async function startSilentApp(): Promise<{ server: Server; port: number; connected: Promise<Socket> }> {
  const server = createServer()
  const connected = once(server, 'connection').then(([socket]) => {
    closing.push(() => (socket as Socket).destroy())
    return (socket as Socket).on('error', () => {})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(() => server.close())
  return { server, port: (server.address() as AddressInfo).port, connected }
}

function dialTo(address: string, deadlineMs?: number): Dial {
  const upstream = parseUpstream(address)
  assert.ok(!('problem' in upstream))
  return prepareDial(upstream, { verify: true, pins: [] }, 'http1', deadlineMs)
}

describe('serveStream', () => {
  it('gives up a stream whose header does not come, at the deadline', async () => {
    const [relay, stream] = duplexPair()
    relay.write(HEADER.subarray(0, 5))
    const served = await serveStream(stream, () => assert.fail('nothing may be dialled'), undefined, 20)
    assert.ok(!served.ok)
    assert.equal(served.code, 'gone')
    assert.ok(stream.destroyed)
  })

  it('refuses with app_timeout when the app takes the connection and then says nothing', async () => {
    const { port } = await startSilentApp()
    const [relay, stream] = duplexPair()
    const serving = serveStream(stream, () => dialTo(`https://127.0.0.1:${port}`, 50))
    relay.write(HEADER)
    const reply = await readReply(relay)
    assert.deepEqual(reply, {
      ok: false,
      code: 'app_timeout',
      reason: `no connection at 127.0.0.1:${port} within 0.05 s`,
    })
    assert.equal((await serving).ok, false)
    relay.end() // otherwise its other end waits for that, and keeps the process alive
  })

  it('drops the dial when the visitor leaves before the app has answered', async () => {
    const { port, connected } = await startSilentApp()
    const [relay, stream] = duplexPair()
    const serving = serveStream(stream, () => dialTo(`https://127.0.0.1:${port}`))
    relay.write(HEADER)
    const socket = await connected
    const gone = new Promise((resolve) => socket.on('close', resolve))
    socket.resume()
    stream.destroy()
    await gone
    const served = await serving
    assert.ok(!served.ok)
    assert.equal(served.code, 'gone')
  })

  it('keeps bytes that come before the app is connected, without reading ahead', async () => {
    let connect = (): void => {}
    const [app, upstream] = duplexPair()
    const dial: Dial = (_stream, dialled) => (connect = () => dialled({ socket: upstream as Socket }))
    let pushed = 0
    // Each read() is credit for the peer; a stream that nobody reads asks for no more than its buffer holds.
    const stream = new Duplex({
      highWaterMark: 1024,
      read() {
        pushed += 1
        this.push(pushed === 1 ? HEADER : pushed > 100 ? null : Buffer.alloc(1024, 120))
      },
      write: (_chunk, _encoding, done) => done(),
    })
    const serving = serveStream(stream, () => dial)
    await until('the reply has been read', () => stream.listenerCount('readable') === 0 && pushed > 0)
    await new Promise((resolve) => setImmediate(resolve))
    assert.ok(pushed < 5, `${pushed} reads`)
    connect()
    let received = 0
    for await (const chunk of app) received += (chunk as Buffer).length
    app.end()
    assert.equal(received, 99 * 1024)
    const served = await serving
    assert.ok(served.ok)
    assert.equal(served.sent, 99 * 1024)
  })
})
