import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { describe, it, mock } from 'node:test'
import { syncBuiltinESMExports } from 'node:module'
import zlib from 'node:zlib'

import type { VisitorHeaders, VisitorResponse } from '../../exchange/visitor/visitor-response.ts'
import { ALGORITHMS } from './algorithms.ts'
import { CompressedResponse } from './compressed-response.ts'

/** A visitor who takes nothing if the test says so. */
class Visitor extends EventEmitter implements VisitorResponse {
  headersSent = false
  destroyed = false
  statusCode = 0
  head: string[] = []
  chunks: Buffer[] = []
  takes = true
  writeHead(status: number, headers: VisitorHeaders | string[]): void {
    this.statusCode = status
    this.head = headers as string[] // the tests give lists
  }
  flushHeaders(): void {}
  write(chunk: Buffer): boolean {
    this.chunks.push(chunk)
    this.emit('written')
    return this.takes
  }
  end(): void {
    this.emit('ended')
  }
  addTrailers(): void {}
  writeContinue(): void {}
  writeInterim(): void {}
  writeHints(): void {}
  destroy(): void {
    this.destroyed = true
    this.emit('close')
  }
  get lines(): string[] {
    return this.head.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${this.head[i + 1]}`] : []))
  }
}

const JSON_HEAD = [
  'Content-Type',
  'application/json',
  'Content-Length',
  '5000',
  'ETag',
  '"a"',
  'Accept-Ranges',
  'bytes',
]

describe('CompressedResponse (traffic policy, 14.13)', () => {
  it('changes the heads of answers that it compresses, and adds only Vary if the visitor takes no coding', () => {
    const visitor = new Visitor()
    const response = new CompressedResponse(visitor, 'GET', 'gzip')
    response.writeHead(200, [...JSON_HEAD, 'Vary', 'Origin'])
    assert.deepEqual(visitor.lines, [
      'Content-Type: application/json',
      'ETag: W/"a"',
      'Vary: Origin',
      'Vary: Accept-Encoding',
      'Content-Encoding: gzip',
    ])
    response.destroy()
    const other = new Visitor()
    new CompressedResponse(other, 'GET', undefined).writeHead(200, JSON_HEAD)
    assert.deepEqual(other.head, [...JSON_HEAD, 'Vary', 'Accept-Encoding'])
    const varying = [...JSON_HEAD, 'vary', 'accept-encoding, Origin']
    new CompressedResponse(other, 'GET', undefined).writeHead(200, varying)
    assert.deepEqual(other.head, varying)
  })

  const alone: Record<string, [method: string, status: number, headers: string[]]> = {
    'an answer to HEAD': ['HEAD', 200, JSON_HEAD],
    'a 204': ['GET', 204, ['Content-Type', 'application/json']],
    'a 205': ['GET', 205, ['Content-Type', 'application/json']],
    'a 206': ['GET', 206, [...JSON_HEAD, 'Content-Range', 'bytes 0-4999/9999']],
    'a 304': ['GET', 304, JSON_HEAD],
    'what is encoded': ['GET', 200, [...JSON_HEAD, 'Content-Encoding', 'gzip']],
    'no-transform': [
      'GET',
      200,
      [...JSON_HEAD, 'Cache-Control', 'max-age=5', 'cache-control', 'private, No-Transform'],
    ],
    'what is small': ['GET', 200, ['Content-Type', 'application/json', 'Content-Length', '1023']],
    'what has a digest': ['GET', 200, [...JSON_HEAD, 'Content-Digest', 'sha-256=:x:']],
    'a picture': ['GET', 200, ['Content-Type', 'image/png']],
    'a font that is compressed': ['GET', 200, ['Content-Type', 'font/woff2']],
    gRPC: ['POST', 200, ['Content-Type', 'application/grpc+json']],
    'bytes of any kind': ['GET', 200, ['Content-Type', 'application/octet-stream']],
    'what has no type': ['GET', 200, ['Content-Length', '5000']],
  }
  for (const [what, [method, status, headers]] of Object.entries(alone)) {
    it(`leaves ${what} alone`, () => {
      const visitor = new Visitor()
      const response = new CompressedResponse(visitor, method, 'gzip')
      response.writeHead(status, headers)
      response.write(Buffer.from('as it is'))
      assert.deepEqual([visitor.head, visitor.chunks.join('')], [headers, 'as it is'])
    })
  }

  it('compresses texts, also of unknown length and of errors', () => {
    for (const type of ['text/html; charset=utf-8', 'TEXT/event-stream', 'application/problem+json', 'image/svg+xml']) {
      const visitor = new Visitor()
      const response = new CompressedResponse(visitor, 'POST', 'br')
      response.writeHead(500, ['Content-Type', type])
      assert.ok(visitor.lines.includes('Content-Encoding: br'), type)
      response.destroy()
    }
  })

  it('does not compress the relay’s own answer in place of a refused head', () => {
    const visitor = new Visitor()
    const response = new CompressedResponse(visitor, 'GET', 'gzip')
    const refusing = mock.method(visitor, 'writeHead', () => {
      throw new TypeError('a header that Node.js refuses')
    })
    assert.throws(() => response.writeHead(200, JSON_HEAD))
    refusing.mock.restore()
    response.writeHead(502, JSON_HEAD)
    response.end(Buffer.from('a page'))
    assert.deepEqual(visitor.head, JSON_HEAD)
  })

  for (const algorithm of ALGORITHMS) {
    it(`sends each piece before the next one comes, as ${algorithm}`, async () => {
      const visitor = new Visitor()
      const response = new CompressedResponse(visitor, 'GET', algorithm)
      response.writeHead(200, ['Content-Type', 'text/event-stream'])
      const decoder = { br: zlib.createBrotliDecompress, zstd: zlib.createZstdDecompress, gzip: zlib.createGunzip, deflate: zlib.createInflate }[algorithm]() // prettier-ignore
      let text = ''
      decoder.on('data', (chunk: Buffer) => (text += chunk.toString()))
      visitor.on('written', () => decoder.write(visitor.chunks.at(-1)))
      for (const event of ['data: one\n\n', 'data: two\n\n']) {
        response.write(Buffer.from(event))
        while (!text.endsWith(event)) await once(decoder, 'data')
      }
      const ended = once(visitor, 'ended')
      response.end(Buffer.from('bye'))
      await ended
      decoder.end()
      await once(decoder, 'end')
      assert.equal(text, 'data: one\n\ndata: two\n\nbye')
    })
  }

  it('writes nothing while the visitor takes nothing, and has its writer wait', async () => {
    const visitor = new Visitor()
    const response = new CompressedResponse(visitor, 'GET', 'gzip')
    response.writeHead(200, ['Content-Type', 'text/plain'])
    visitor.takes = false
    let isFull = false
    let writtenWhileFull = 0
    visitor.on('written', () => {
      if (isFull) writtenWhileFull++
      isFull = true
      setImmediate(() => {
        isFull = false
        visitor.emit('drain')
      })
    })
    const piece = randomBytes(65_536)
    let waited = 0
    for (let i = 0; i < 50; i++) {
      if (response.write(piece)) continue
      waited++
      await new Promise<void>((resolve) => response.once('drain', resolve))
    }
    const ended = once(visitor, 'ended')
    response.end()
    await ended
    assert.equal(writtenWhileFull, 0)
    assert.equal(waited, 50)
    assert.equal(zlib.gunzipSync(Buffer.concat(visitor.chunks)).length, 50 * piece.length)
  })

  it('frees the compressor when the visitor leaves, and when the exchange is cut', async () => {
    const made: { destroyed: boolean; _handle: unknown }[] = []
    const { createGzip } = zlib
    mock.method(zlib, 'createGzip', (options: zlib.ZlibOptions) => {
      const encoder = createGzip(options)
      made.push(encoder as unknown as (typeof made)[number]) // node:zlib keeps its handle there
      return encoder
    })
    syncBuiltinESMExports()
    try {
      for (const end of [
        (visitor: Visitor) => visitor.emit('close'),
        (_: Visitor, response: CompressedResponse) => response.destroy(),
      ]) {
        // prettier-ignore
        const visitor = new Visitor()
        const response = new CompressedResponse(visitor, 'GET', 'gzip')
        response.writeHead(200, ['Content-Type', 'text/plain'])
        const written = once(visitor, 'written')
        response.write(randomBytes(100_000))
        await written
        response.write(randomBytes(100_000)) // under way
        end(visitor, response)
        await once(made.at(-1) as unknown as EventEmitter, 'close')
        assert.deepEqual([made.at(-1)?.destroyed, made.at(-1)?._handle], [true, null])
        assert.equal(response.write(Buffer.from('late')), true)
        response.end()
      }
      assert.equal(made.length, 2)
    } finally {
      mock.restoreAll()
      syncBuiltinESMExports()
    }
  })
})
