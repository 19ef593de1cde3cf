import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { describe, it } from 'node:test'

import { RelayError } from '../../errors.ts'
import { LOOPBACK } from '../connection.test-support.ts'
import { Exchange, type VisitorRequest, type VisitorResponse } from '../exchange.ts'
import { BodyRoom } from './body-room.ts'
import { HeldRequest } from './held-request.ts'

class Request extends EventEmitter {
  readonly method = 'POST'
  readonly url = '/'
  readonly rawTrailers: string[] = ['x-trailer', '1']
  readonly httpVersionMinor: number
  readonly complete = false
  readonly rawHeaders: string[]

  constructor(rawHeaders: string[], httpVersionMinor = 1) {
    super()
    this.rawHeaders = rawHeaders
    this.httpVersionMinor = httpVersionMinor
  }

  pause(): void {}
  resume(): void {}
}

class Response extends EventEmitter {
  destroyed = false
  continues = 0

  writeContinue(): void {
    this.continues++
  }
}

function exchangeOf(rawHeaders: string[], httpVersionMinor?: number) {
  const request = new Request(rawHeaders, httpVersionMinor)
  const response = new Response()
  const exchange = new Exchange({
    request: request as VisitorRequest, // only this is read
    response: response as unknown as VisitorResponse,
    connection: LOOPBACK,
    host: 'x.example.com',
    clientIp: '127.0.0.1',
    forwardedFor: '127.0.0.1',
    scheme: 'http',
  })
  return { exchange, request, response }
}

const CHUNKED = ['Transfer-Encoding', 'chunked']
const room = new BodyRoom({ maxBytes: 1000, silenceMs: 60_000 })
const codeOf = (reading: Promise<unknown>): Promise<string> =>
  reading.then(
    () => 'read',
    (error: unknown) => (error instanceof RelayError ? error.code : String(error)),
  )

describe('a body that is read ahead (traffic policy, verify-webhook)', () => {
  it('is given out again, in pieces, with its trailers and without the met expectation', async () => {
    const big = new BodyRoom({ maxBytes: 200_000, silenceMs: 60_000 })
    const { exchange, request, response } = exchangeOf([...CHUNKED, 'EXPECT', '100-Continue', 'X-A', 'expect'])
    const reading = big.read(exchange, 't')
    const body = Buffer.alloc(150_000, 'abc')
    request.emit('data', body.subarray(0, 7))
    request.emit('data', body.subarray(7))
    request.emit('end')
    assert.deepEqual(await reading, body)
    assert.equal(response.continues, 1)
    assert.deepEqual(exchange.request.rawHeaders, [...CHUNKED, 'X-A', 'expect'])
    assert.ok(exchange.request.complete)
    assert.deepEqual(exchange.request.rawTrailers, ['x-trailer', '1'])
    assert.equal(await big.read(exchange, 't'), (exchange.request as HeldRequest).body, 'again')

    // The code that sends it on says when it can take more.
    const held = exchange.request
    const pieces: Buffer[] = []
    const ended = Promise.withResolvers<void>()
    held.on('data', (piece) => {
      pieces.push(piece)
      held.pause()
      setImmediate(() => held.resume())
    })
    held.on('end', () => ended.resolve())
    await ended.promise
    assert.equal(pieces.length, 3)
    assert.deepEqual(Buffer.concat(pieces), body)
  })

  it('is none if none is announced, and the request stays unchanged', async () => {
    const { exchange, request } = exchangeOf(['Content-Length', '0'])
    assert.equal((await room.read(exchange, 't')).length, 0)
    assert.equal(exchange.request, request)

    // An empty one in chunks ends only once.
    const empty = exchangeOf(CHUNKED)
    const reading = room.read(empty.exchange, 't')
    empty.request.emit('end')
    assert.equal((await reading).length, 0)
    const ended = Promise.withResolvers<void>()
    empty.exchange.request.on('data', () => assert.fail('there is nothing'))
    empty.exchange.request.on('end', () => ended.resolve())
    await ended.promise
  })

  it('has a bound, announced or not, and no visitor is told to continue with one that is too large', async () => {
    const announced = exchangeOf(['Content-Length', '1001', 'Expect', '100-continue'])
    assert.equal(await codeOf(room.read(announced.exchange, 't')), 'body_too_large')
    assert.equal(announced.response.continues, 0)
    assert.equal(announced.request.listenerCount('data'), 0, 'nothing of it is read')

    const { exchange, request } = exchangeOf(CHUNKED)
    const reading = codeOf(room.read(exchange, 't'))
    request.emit('data', Buffer.alloc(1000))
    request.emit('data', Buffer.alloc(1))
    assert.equal(await reading, 'body_too_large')
    request.emit('data', Buffer.alloc(1000)) // further bytes are dropped
    request.emit('end')
  })

  it('cannot be read or forwarded once a part of it was dropped', async () => {
    const { exchange, request } = exchangeOf(CHUNKED)
    const reading = codeOf(room.read(exchange, 't'))
    request.emit('data', Buffer.alloc(1001))
    assert.equal(await reading, 'body_too_large')
    assert.equal(await codeOf(room.read(exchange, 't')), 'body_too_large')
    assert.equal(exchange.bodyLoss?.code, 'body_too_large')

    const unread = exchangeOf(['Content-Length', '1001']).exchange
    assert.equal(await codeOf(room.read(unread, 't')), 'body_too_large')
    assert.equal(unread.bodyLoss, undefined)
  })

  it('ends when its visitor leaves, and when it stalls', async () => {
    const left = exchangeOf(CHUNKED)
    const reading = codeOf(room.read(left.exchange, 't'))
    left.request.emit('data', Buffer.alloc(10))
    left.response.emit('close')
    assert.equal(await reading, 'bad_request')
    left.response.destroyed = true
    assert.equal(await codeOf(room.read(left.exchange, 't')), 'bad_request')

    const silent = new BodyRoom({ maxBytes: 1000, silenceMs: 1 })
    assert.equal(await codeOf(silent.read(exchangeOf(CHUNKED).exchange, 't')), 'request_timeout')
  })

  it('sends no 100 Continue to HTTP/1.0, which does not know it', async () => {
    const { exchange, request, response } = exchangeOf(['Content-Length', '5', 'Expect', '100-continue'], 0)
    const reading = codeOf(room.read(exchange, 't'))
    request.emit('end')
    assert.equal(await reading, 'read')
    assert.equal(response.continues, 0)
  })

  it('has a bounded room for each tenant, while others have theirs', async () => {
    const MIB = 1024 * 1024
    const rooms = new BodyRoom({ maxBytes: MIB, silenceMs: 60_000 })
    const chunk = Buffer.alloc(MIB)
    const responses: Response[] = []
    const fill = (tenant: string): Promise<string> => {
      const { exchange, request, response } = exchangeOf(CHUNKED)
      responses.push(response)
      const reading = codeOf(rooms.read(exchange, tenant))
      request.emit('data', chunk)
      request.emit('end')
      return reading
    }
    for (let i = 0; i < 32; i++) assert.equal(await fill('mallory'), 'read')
    assert.equal(await fill('mallory'), 'relay_full')
    assert.equal(await fill('alice'), 'read')
    for (const tenant of ['bob', 'carol', 'dave']) for (let i = 0; i < 32; i++) await fill(tenant)
    assert.equal(await fill('erin'), 'relay_full', 'of all tenants together there is a bound, too')
    for (const response of responses.splice(0)) response.emit('close')
    for (let i = 0; i < 32; i++) assert.equal(await fill('mallory'), 'read', 'all of it was given back')
    assert.equal(await fill('mallory'), 'relay_full')
  })
})
