import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect, type AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { after, before, describe, it } from 'node:test'

import { WebSocket, WebSocketServer } from 'ws'

import { ProtocolError } from '../process/errors.ts'
import { WebSocketCarrier } from './websocket-carrier.ts'
import { YamuxSession } from '../yamux/session.ts'
import type { YamuxStream } from '../yamux/stream.ts'
import { until } from '../../../../test/support/until.ts'

describe('WebSocketCarrier', () => {
  let listener: WebSocketServer
  let url: string

  before(async () => {
    listener = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false, maxPayload: 1024 * 1024 })
    await once(listener, 'listening')
    url = `ws://127.0.0.1:${(listener.address() as AddressInfo).port}` // a TCP listener
  })

  after(() => {
    for (const socket of listener.clients) socket.terminate()
    listener.close()
  })

  async function sockets(): Promise<[WebSocket, WebSocket]> {
    const accepted = once(listener, 'connection')
    const near = new WebSocket(url)
    await once(near, 'open')
    const [far] = (await accepted) as [WebSocket] // as ws emits
    return [near, far]
  }

  async function sessions(onStream: (stream: YamuxStream) => void): Promise<[YamuxSession, YamuxSession]> {
    const [near, far] = await sockets()
    return [
      new YamuxSession(new WebSocketCarrier(near, 'client'), { role: 'client', onStream }),
      new YamuxSession(new WebSocketCarrier(far), { role: 'server', onStream }),
    ]
  }

  it('carries 50 MB both ways at once, intact', async () => {
    const bytes = 50_000_000
    const sums: Array<Promise<string>> = []
    const [client, server] = await sessions((stream) => {
      sums.push(checksum(stream))
      stream.end()
    })
    const sent = await Promise.all(
      [client, server].map(async (session, seed) => {
        const hash = createHash('sha256')
        const stream = session.openStream()
        stream.resume()
        await pipeline(Readable.from(pattern(bytes, seed, hash)), stream)
        return hash.digest('hex')
      }),
    )
    assert.deepEqual((await Promise.all(sums)).toSorted(), sent.toSorted())
    await client.close()
    assert.equal(await client.closed, undefined)
    assert.equal(await server.closed, undefined)
  })

  it('tells the peer of a violation by GoAway, and of other reasons by the close code', async () => {
    for (const [code, expected] of [
      ['mux_violation', 1002],
      ['authtoken_refused', 4002],
    ] as const) {
      const [near, far] = await sockets()
      const carrier = new WebSocketCarrier(near, 'client')
      const client = new YamuxSession(carrier, { role: 'client' })
      const server = new YamuxSession(new WebSocketCarrier(far), { role: 'server' })
      server.destroy(new ProtocolError(code, 'é'.repeat(200)))
      assert.equal((await client.closed)?.code, code === 'mux_violation' ? 'mux_violation' : 'connection_lost')
      if (near.readyState !== near.CLOSED) await once(near, 'close')
      assert.equal(carrier.closeCode, expected)
    }
  })

  it('refuses text', async () => {
    const [near, far] = await sockets()
    const server = new YamuxSession(new WebSocketCarrier(far), { role: 'server' })
    near.send('hello')
    const [code] = await once(near, 'close')
    assert.equal(code, 1003)
    await server.closed
    assert.equal(server.isOpen, false)
  })

  it('reports a cut connection as lost', async () => {
    const [near, far] = await sockets()
    const server = new YamuxSession(new WebSocketCarrier(far), { role: 'server' })
    near.terminate()
    assert.equal((await server.closed)?.code, 'connection_lost')
  })

  it('sees the bytes of half a message', async () => {
    const accepted = once(listener, 'connection')
    const raw = connect(Number(new URL(url).port), '127.0.0.1')
    raw.write(
      'GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    )
    const [far] = (await accepted) as [WebSocket] // as ws emits
    const carrier = new WebSocketCarrier(far)
    carrier.onMessage = () => assert.fail('the message is not complete')
    const before = carrier.bytesRead
    // A masked binary message of 60 000 bytes, of which 1 000 come.
    raw.write(Buffer.concat([Buffer.from('82feea6000000000', 'hex'), Buffer.alloc(1_000)]))
    await until('the carrier has read them', () => carrier.bytesRead >= before + 1_008)
    raw.destroy()
  })
})

async function checksum(stream: YamuxStream): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of stream) hash.update(chunk as Buffer) // Buffers, as no encoding is set
  return hash.digest('hex')
}

function* pattern(bytes: number, seed: number, hash: { update: (chunk: Buffer) => unknown }): Generator<Buffer> {
  let left = bytes
  for (let i = seed; left > 0; i++) {
    const chunk = Buffer.alloc(Math.min(left, 1 + ((i * 7_919) % 100_000)), `${i} `)
    left -= chunk.length
    hash.update(chunk)
    yield chunk
  }
}
