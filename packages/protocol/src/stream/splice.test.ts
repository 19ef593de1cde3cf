import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { Duplex, duplexPair } from 'node:stream'
import { text } from 'node:stream/consumers'
import { describe, it } from 'node:test'

import { splice } from './splice.ts'
import { until } from '../../../../test/support/until.ts'

/** Two connected TCP sockets that allow half-open ends. */
async function connectPair(): Promise<[Socket, Socket]> {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const near = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true })
  const [far] = (await once(server, 'connection')) as [Socket]
  if (near.connecting) await once(near, 'connect')
  server.close()
  return [near, far]
}

/** visitor ── a ═ splice ═ b ── app */
async function spliceTcp(): Promise<{ visitor: Socket; app: Socket; spliced: ReturnType<typeof splice> }> {
  const [visitor, a] = await connectPair()
  const [b, app] = await connectPair()
  return { visitor, app, spliced: splice(a, b) }
}

/** Not `buffer()`: it destroys the stream at the end of reading, and with it bytes that are still being written. */
async function readToEnd(stream: Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(stream, 'end')
  return Buffer.concat(chunks)
}

describe('splice', () => {
  it('carries a large upload and a large download at once, unchanged, and counts them', async () => {
    const { visitor, app, spliced } = await spliceTcp()
    const upload = randomBytes(8 * 1024 * 1024)
    const download = randomBytes(5 * 1024 * 1024)
    visitor.end(upload)
    app.end(download)
    const [atApp, atVisitor] = await Promise.all([readToEnd(app), readToEnd(visitor)])
    assert.equal(createHash('sha256').update(atApp).digest('hex'), createHash('sha256').update(upload).digest('hex'))
    assert.ok(atVisitor.equals(download))
    assert.deepEqual(await spliced, { sent: upload.length, received: download.length })
  })

  it('keeps sending after the visitor half-closes', async () => {
    const { visitor, app, spliced } = await spliceTcp()
    visitor.end('question')
    assert.equal(await text(app), 'question')
    app.write('ans')
    app.end('wer')
    assert.equal(await text(visitor), 'answer')
    assert.deepEqual(await spliced, { sent: 8, received: 6 })
  })

  it('keeps sending after the app half-closes', async () => {
    const { visitor, app, spliced } = await spliceTcp()
    app.end('greeting')
    assert.equal(await text(visitor), 'greeting')
    visitor.end('farewell')
    assert.equal(await text(app), 'farewell')
    await spliced
  })

  it('holds the writer while the reader is paused, and loses nothing when it resumes', async () => {
    const [visitor, a] = duplexPair()
    const reads: (() => void)[] = []
    let taken = 0
    const slow = new Duplex({
      read() {},
      write(chunk: Buffer, _encoding, done) {
        taken += chunk.length
        reads.push(done)
      },
    })
    void splice(a, slow)
    const chunk = Buffer.alloc(16 * 1024)
    let written = 0
    while (visitor.write(chunk) && written < 10 * 1024 * 1024) {
      written += chunk.length
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.ok(written < 1024 * 1024, `${written} bytes were accepted by a reader that took ${taken}`)
    visitor.end()
    const finished = once(slow, 'finish')
    const release = setInterval(() => reads.shift()?.(), 0)
    await finished
    clearInterval(release)
    assert.equal(taken, written + chunk.length)
    slow.destroy()
  })

  it('cuts the app when the visitor breaks, in a way that does not look complete', async () => {
    const { visitor, app, spliced } = await spliceTcp()
    visitor.write('half of')
    await once(app, 'data')
    visitor.resetAndDestroy()
    const [error] = (await once(app, 'error')) as [NodeJS.ErrnoException]
    assert.equal(error.code, 'ECONNRESET')
    await spliced
  })

  it('cuts the visitor when the app breaks, in a way that does not look complete', async () => {
    const { visitor, app, spliced } = await spliceTcp()
    app.write('half of')
    await once(visitor, 'data')
    app.resetAndDestroy()
    const [error] = (await once(visitor, 'error')) as [NodeJS.ErrnoException]
    assert.equal(error.code, 'ECONNRESET')
    await spliced
  })

  it('cuts the visitor when the app has closed for good and the visitor keeps sending', async () => {
    const { visitor, app, spliced } = await spliceTcp()
    visitor.on('error', () => {}).resume()
    const cut = new Promise((resolve) => visitor.on('close', resolve))
    app.destroy()
    // The first write finds a half-closed app; only a later one learns that the app no longer reads.
    const sending = setInterval(() => visitor.write('into the void'), 1)
    await cut
    clearInterval(sending)
    await spliced
  })

  it('S2: closes the app if the visitor breaks in the turn in which both end', async () => {
    const [visitor, a] = duplexPair()
    const [b, app] = await connectPair()
    const spliced = splice(a, b)
    a.on('end', () => a.destroy())
    visitor.end('question')
    await spliced
    assert.ok(b.closed)
    app.destroy()
  })

  it('S2: cuts an app that still sends to a visitor whose stream has ended both ways by itself', async () => {
    // As an HTTP/2 stream does if its visitor closes it with NO_ERROR.
    let onTaken = (): void => {}
    const a = new Duplex({ read() {}, write: (_chunk, _encoding, taken) => void (onTaken = taken) })
    const [b, app] = duplexPair()
    const spliced = splice(a, b)
    app.write(Buffer.alloc(100_000))
    await until('b is paused', () => b.isPaused())
    a.push(null)
    a.end()
    onTaken()
    await spliced
    assert.ok(b.destroyed)
  })

  it('destroys the other side if either was destroyed before', async () => {
    for (const first of [0, 1] as const) {
      const pair = [duplexPair()[0], duplexPair()[0]] as const
      pair[first].destroy()
      await splice(pair[0], pair[1])
      assert.ok(pair[0].destroyed && pair[1].destroyed)
    }
  })

  it('passes on an end that came before the splice', async () => {
    const [visitor, a] = duplexPair()
    const [b, app] = duplexPair()
    visitor.end()
    a.resume()
    await once(a, 'end')
    const spliced = splice(a, b)
    app.resume()
    await once(app, 'end')
    app.end('answer')
    assert.equal(await text(visitor), 'answer')
    assert.deepEqual(await spliced, { sent: 0, received: 6 })
  })

  it('leaves an error of either side to its owner and never rejects', async () => {
    const left = new Duplex({ read() {}, write() {} })
    const right = new Duplex({ read() {}, write() {} })
    const spliced = splice(left, right)
    left.destroy(new Error('broken'))
    assert.deepEqual(await spliced, { sent: 0, received: 0 })
    assert.ok(right.destroyed)
  })
})
