// gRPC through the whole system, with its own library on both ends: visitor ─h2─▶ relay ─▶ agent ─h2c─▶ app.

import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { connect as connectHttp2, constants, createServer as createHttp2Server } from 'node:http2'
import type { ClientHttp2Session, IncomingHttpHeaders } from 'node:http2'
import { createServer as createNetServer } from 'node:net'
import { after, before, describe, it } from 'node:test'

import { Metadata, Server, ServerCredentials, credentials, makeGenericClientConstructor, status } from '@grpc/grpc-js'
import type {
  Client,
  ClientDuplexStream,
  ClientReadableStream,
  ClientWritableStream,
  ServerDuplexStream,
  ServerReadableStream,
  ServerUnaryCall,
  ServerWritableStream,
  ServiceError,
  StatusObject,
  sendUnaryData,
} from '@grpc/grpc-js'

import { APP_HOST, startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'

const same = (message: Buffer): Buffer => message
const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/test.Echo/${name}`,
  requestStream,
  responseStream,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
})
const ECHO = {
  unary: method('Unary', false, false),
  download: method('Download', false, true),
  upload: method('Upload', true, false),
  talk: method('Talk', true, true),
}

type Callback = (error: ServiceError | null, answer?: Buffer) => void

/** The result of makeGenericClientConstructor for ECHO; the library has no types for that. */
interface EchoClient extends Client {
  unary(
    message: Buffer,
    metadata: Metadata,
    options: object,
    callback: Callback,
  ): ReturnType<Client['makeUnaryRequest']>
  download(message: Buffer): ClientReadableStream<Buffer>
  upload(callback: Callback): ClientWritableStream<Buffer>
  talk(): ClientDuplexStream<Buffer, Buffer>
}
const EchoClient = makeGenericClientConstructor(ECHO, 'Echo') as unknown as new (
  ...init: ConstructorParameters<typeof Client>
) => EchoClient

/** Calls that the app was told to cancel, by their message. */
const cancelled = new Map<string, () => void>()

function serveEcho(): Server {
  const server = new Server()
  server.addService(ECHO, {
    unary(call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) {
      const word = call.request.toString()
      if (word.startsWith('wait')) return void call.on('cancelled', () => cancelled.get(word)?.())
      if (word === 'fail') {
        const metadata = new Metadata()
        metadata.set('why', 'asked to')
        metadata.set('proof-bin', Buffer.from([0, 255]))
        return answer({ code: status.FAILED_PRECONDITION, details: 'no – not “now”', metadata })
      }
      const header = new Metadata()
      for (const value of call.metadata.get('x-ask')) header.add('x-answer', value)
      call.sendMetadata(header)
      const trailer = new Metadata()
      trailer.set('x-trailer', 'behind')
      answer(null, call.request, trailer)
    },
    download(call: ServerWritableStream<Buffer, Buffer>) {
      const word = call.request.toString()
      if (word === 'endless') {
        call.on('cancelled', () => cancelled.get(word)?.())
        call.write(Buffer.from('first'))
        return
      }
      for (let i = 0; i < Number(word); i++) call.write(Buffer.from(`message ${i}`))
      call.end()
    },
    upload(call: ServerReadableStream<Buffer, Buffer>, answer: sendUnaryData<Buffer>) {
      const hash = createHash('sha256')
      call.on('data', (message: Buffer) => hash.update(message))
      call.on('end', () => answer(null, hash.digest()))
    },
    talk(call: ServerDuplexStream<Buffer, Buffer>) {
      call.on('data', (message: Buffer) => call.write(Buffer.from(`you said ${message.toString()}`)))
      call.on('end', () => call.end())
    },
  } as Parameters<Server['addService']>[1])
  return server
}

/** Starts the app on a free port. */
function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error ? reject(error) : resolve(port),
    )
  })
}

describe('gRPC', () => {
  let stack: Stack
  let server: Server
  let visitor: EchoClient
  before(async () => {
    server = serveEcho()
    const port = await listen(server)
    stack = await startStack({
      app: createNetServer(), // the app is behind `upstream`
      upstream: `http://127.0.0.1:${port}`,
      upstreamProtocol: 'http2',
      listen: 'http2: all',
      agents: 2,
      config: 'limits: { upstream_header_bytes: 32768 }',
    })
    visitor = new EchoClient(`127.0.0.1:${stack.port}`, credentials.createInsecure(), {
      'grpc.default_authority': APP_HOST,
    })
  })
  after(async () => {
    visitor.close()
    server.forceShutdown()
    await stack.close()
  })

  function unary(word: string, metadata = new Metadata(), options: object = {}) {
    const ended = Promise.withResolvers<StatusObject>()
    const header = Promise.withResolvers<Metadata>()
    const answer = Promise.withResolvers<Buffer>()
    const call = visitor.unary(Buffer.from(word), metadata, options, (error, message) => {
      if (error) answer.reject(error)
      else answer.resolve(message ?? Buffer.alloc(0))
    })
    call.on('metadata', header.resolve).on('status', ended.resolve)
    answer.promise.catch(() => {}) // for tests that compare only the status
    return { call, answer: answer.promise, header: header.promise, status: ended.promise }
  }

  it('carries a unary call with leading, trailing and binary metadata', async () => {
    const metadata = new Metadata()
    metadata.add('x-ask', 'one')
    metadata.add('x-ask', 'two')
    const { answer, header, status: ended } = unary('hello', metadata)
    assert.equal((await answer).toString(), 'hello')
    assert.equal((await header).get('x-answer').join(), 'one, two')
    const { code, metadata: trailer } = await ended
    assert.equal(code, status.OK)
    assert.deepEqual(trailer.get('x-trailer'), ['behind'])
  })

  it('carries a failure with its code, text and details', async () => {
    const { code, details, metadata } = await unary('fail').status
    assert.deepEqual([code, details], [status.FAILED_PRECONDITION, 'no – not “now”'])
    assert.deepEqual(metadata.get('why'), ['asked to'])
    assert.deepEqual(metadata.get('proof-bin'), [Buffer.from([0, 255])])
  })

  it('reports an unknown method as the app does', async () => {
    const Other = makeGenericClientConstructor({ unary: method('Nothing', false, false) }, 'Echo')
    const other = new Other(`127.0.0.1:${stack.port}`, credentials.createInsecure(), {
      'grpc.default_authority': APP_HOST,
    })
    const error = await new Promise<ServiceError>((resolve) => {
      const call = other['unary'] as unknown as (message: Buffer, callback: Callback) => void // as ECHO makes it
      call.call(other, Buffer.alloc(0), (failure) => failure && resolve(failure))
    })
    other.close()
    assert.equal(error.code, status.UNIMPLEMENTED)
  })

  it('streams from the app', async () => {
    const call = visitor.download(Buffer.from('500'))
    const received: string[] = []
    call.on('data', (message: Buffer) => received.push(message.toString()))
    const [{ code }] = (await once(call, 'status')) as [StatusObject]
    assert.equal(code, status.OK)
    assert.equal(received.length, 500)
    assert.equal(received.at(-1), 'message 499')
  })

  it('streams to the app', async () => {
    const answer = Promise.withResolvers<Buffer>()
    const call = visitor.upload((error, message) => (error ? answer.reject(error) : answer.resolve(message!)))
    const hash = createHash('sha256')
    for (let i = 0; i < 40; i++) {
      const message = randomBytes(100_000)
      hash.update(message)
      if (!call.write(message)) await once(call, 'drain')
    }
    call.end()
    assert.deepEqual(await answer.promise, hash.digest())
  })

  it('streams both ways at once', async () => {
    const call = visitor.talk()
    for (const word of ['one', 'two', 'three']) {
      call.write(Buffer.from(word))
      const [message] = (await once(call, 'data')) as [Buffer]
      assert.equal(message.toString(), `you said ${word}`)
    }
    call.end()
    call.resume()
    const [{ code }] = (await once(call, 'status')) as [StatusObject]
    assert.equal(code, status.OK)
  })

  it('carries many calls at once', async () => {
    const words = Array.from({ length: 300 }, (_, index) => `call ${index}`)
    const answers = await Promise.all(words.map((word) => unary(word).answer))
    assert.deepEqual(answers.map(String), words)
  })

  it('tells the app when the visitor cancels, or its deadline passes', async () => {
    const heard = (word: string) => new Promise<void>((resolve) => cancelled.set(word, resolve))
    const streaming = heard('endless')
    const download = visitor.download(Buffer.from('endless'))
    download.on('error', () => {}) // a cancelled call is one
    await once(download, 'data')
    download.cancel()
    await streaming

    const waiting = heard('wait for ever')
    const { status: ended } = unary('wait for ever', new Metadata(), { deadline: Date.now() + 500 })
    assert.equal((await ended).code, status.DEADLINE_EXCEEDED)
    await waiting
  })

  it('calls an app that is gone unavailable', async () => {
    server.forceShutdown()
    assert.equal((await unary('anybody?').status).code, status.UNAVAILABLE)
  })
})

const EDGES = `
- { id: edg_app, hosts: [${APP_HOST}] }
- { id: edg_nobody, hosts: [nobody.localhost] }
- id: edg_password
  hosts: [password.localhost]
  routes:
    - path_prefix: /
      policy: { on_http_request: [{ actions: [{ type: service-token }] }] }
- id: edg_closed
  hosts: [closed.localhost]
  routes:
    - path_prefix: /
      policy: { on_http_request: [{ actions: [{ type: deny, config: { status_code: 403 } }] }] }
`

// All at once: each has its own path, and most of them wait.
describe(
  'B16: gRPC gets failures of the relay in its own form, and sets its own timeouts',
  { concurrency: true },
  () => {
    let stack: Stack
    let server: Server
    let visitor: ClientHttp2Session
    before(async () => {
      server = serveEcho()
      stack = await startStack({
        app: createNetServer(), // the app is behind `upstream`
        upstream: `http://127.0.0.1:${await listen(server)}`,
        upstreamProtocol: 'http2',
        listen: 'http2: all',
        edges: EDGES,
        config:
          'timeouts: { app_answer_seconds: 1, request_stall_seconds: 1, app_stall_seconds: 1, grpc_idle_seconds: 3 }',
      })
      visitor = connectHttp2(`http://127.0.0.1:${stack.port}`)
    })
    after(async () => {
      visitor.close()
      server.forceShutdown()
      await stack.close()
    })

    /** One message, as gRPC frames it: not compressed, its length, its bytes. */
    function framed(word: string): Buffer {
      const message = Buffer.alloc(5 + word.length)
      message.writeUInt32BE(word.length, 1)
      message.write(word, 5)
      return message
    }

    interface Heard {
      head: IncomingHttpHeaders
      /** Whether the head was all there is. */
      isAll: boolean
    }

    async function call(
      host: string,
      word: string,
      headers: Record<string, string> = {},
      session = visitor,
    ): Promise<Heard> {
      const stream = session.request({
        ':method': 'POST',
        ':path': '/test.Echo/Unary',
        ':authority': host,
        'content-type': 'application/grpc',
        te: 'trailers',
        ...headers,
      })
      stream.end(framed(word))
      const [head, flags] = (await once(stream, 'response')) as [IncomingHttpHeaders, number]
      stream.resume()
      await once(stream, 'close')
      return { head, isAll: (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0 }
    }

    const heard = (word: string) => new Promise<void>((resolve) => cancelled.set(word, resolve))

    it('B16: says why a call reaches no app, in a head with 200 and no body', async () => {
      const told = { 'nobody.localhost': 14, 'password.localhost': 16, 'closed.localhost': 7, 'nowhere.localhost': 12 }
      for (const [host, code] of Object.entries(told)) {
        const { head, isAll } = await call(host, 'hello')
        assert.deepEqual([head[':status'], head['grpc-status'], isAll], [200, String(code), true], host)
        assert.equal(head['content-type'], 'application/grpc')
        assert.match(String(head['grpc-message']), /^[ -~]+$/)
        assert.match(String(head['sallyport-error-code']), /^ERR_/)
      }
      const { head } = await call('nobody.localhost', 'hello', { 'content-type': 'application/grpc+proto' })
      assert.equal(head['content-type'], 'application/grpc+proto')
      assert.match(String(head['grpc-message']), /^No tunnel is online: /)
    })

    it('B16: says the same to its library', async () => {
      for (const [host, code] of [
        ['nobody.localhost', status.UNAVAILABLE],
        ['password.localhost', status.UNAUTHENTICATED],
        ['closed.localhost', status.PERMISSION_DENIED],
      ] as const) {
        const echo = new EchoClient(`127.0.0.1:${stack.port}`, credentials.createInsecure(), {
          'grpc.default_authority': host,
        })
        const error = await new Promise<ServiceError | null>((resolve) => {
          echo.unary(Buffer.from('hello'), new Metadata(), {}, resolve)
        })
        echo.close()
        assert.equal(error?.code, code, host)
        assert.ok(error?.metadata.get('sallyport-error-code').length === 1, host)
      }
    })

    it('B16: says the same to a proxy that brings calls over HTTP/1.1', async () => {
      const request = httpRequest({
        port: stack.port,
        host: '127.0.0.1',
        method: 'POST',
        path: '/test.Echo/Unary',
        headers: { host: 'nobody.localhost', 'content-type': 'application/grpc' },
      })
      request.end(framed('hello'))
      const [response] = (await once(request, 'response')) as [IncomingMessage]
      response.resume()
      assert.deepEqual(
        [response.statusCode, response.headers['grpc-status'], response.headers['content-length']],
        [200, '14', '0'],
      )
    })

    it('B16: answers gRPC-Web, and all others, with the status of HTTP', async () => {
      for (const type of ['application/grpc-web+proto', 'application/json']) {
        const { head } = await call('nobody.localhost', 'hello', { 'content-type': type })
        assert.deepEqual([head[':status'], head['grpc-status']], [503, undefined], type)
        assert.equal(head['content-type'], 'application/problem+json')
      }
    })

    it('B16: ends a call when its grpc-timeout passes, at the app as well', async () => {
      // An app that ignores timeouts itself, unlike the library.
      const app = createHttp2Server()
      const reset = new Promise<number | undefined>((resolve) => {
        app.on('stream', (stream) => {
          stream.on('error', () => {}).on('close', () => resolve(stream.rstCode))
        })
      })
      const deaf = await startStack({ app, upstreamProtocol: 'http2', listen: 'http2: all' })
      const session = connectHttp2(`http://127.0.0.1:${deaf.port}`)
      try {
        const started = performance.now()
        const { head, isAll } = await call(APP_HOST, 'hello', { 'grpc-timeout': '600m' }, session)
        assert.deepEqual([head[':status'], head['grpc-status'], isAll], [200, '4', true])
        assert.equal(head['sallyport-error-code'], 'ERR_APP_TIMEOUT')
        assert.ok(performance.now() - started >= 600)
        assert.equal(await reset, constants.NGHTTP2_CANCEL)
      } finally {
        session.close()
        await deaf.close()
      }
    })

    it('B16: lets a call be silent for grpc_idle_seconds, whatever requests may take', async () => {
      const word = 'wait in silence'
      const atTheApp = heard(word)
      const started = performance.now()
      const { head, isAll } = await call(APP_HOST, word)
      assert.deepEqual([head['grpc-status'], isAll], ['4', true])
      assert.ok(performance.now() - started >= 3000, `${performance.now() - started} ms`)
      await atTheApp
    })

    it('B16: lets a call with a grpc-timeout be silent until then', async () => {
      const started = performance.now()
      const { head } = await call(APP_HOST, 'wait longer', { 'grpc-timeout': '4S' })
      assert.equal(head['grpc-status'], '4') // of the app, or of the relay: they look at the same
      assert.ok(performance.now() - started >= 4000, `${performance.now() - started} ms`)
    })

    it('B16: resets a stream that falls silent after its head, and never ends it as if complete', async () => {
      const atTheApp = heard('endless')
      const stream = visitor.request({
        ':method': 'POST',
        ':path': '/test.Echo/Download',
        ':authority': APP_HOST,
        'content-type': 'application/grpc',
      })
      stream.on('error', () => {}) // the reset
      stream.end(framed('endless'))
      await once(stream, 'data')
      const started = performance.now()
      await new Promise((resolve) => stream.on('close', resolve)) // once() would reject with the error before
      assert.notEqual(stream.rstCode, 0)
      assert.ok(performance.now() - started >= 2500, 'app_stall_seconds does not count')
      await atTheApp
    })
  },
)
