import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { constants, createServer as createHttp2Server } from 'node:http2'
import { createServer as createNetServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import { afterEach, describe, it } from 'node:test'

import { checkUpstream } from './check-upstream.ts'
import type { UpstreamCheck } from './check-upstream.ts'
import { prepareDial } from './dial-upstream.ts'
import { parseUpstream } from './upstream.ts'

const open: Server[] = []
const never = new AbortController().signal

async function checkOf(server: Server, protocol: UpstreamCheck['protocol'] = 'http1'): Promise<UpstreamCheck> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  open.push(server)
  return checkOfPort((server.address() as AddressInfo).port, protocol) // it listens on a port
}

function checkOfPort(port: number, protocol: UpstreamCheck['protocol'] = 'http1'): UpstreamCheck {
  const upstream = parseUpstream(`http://127.0.0.1:${port}`)
  assert.ok(!('problem' in upstream))
  const dial = prepareDial(upstream, { verify: true, pins: [] }, protocol)
  return { dial, protocol, authority: 'app.internal', path: '/healthz?deep=1' }
}

describe('checkUpstream', () => {
  afterEach(() => {
    for (const server of open.splice(0)) server.close()
  })

  it('passes from 200 to 399, and asks for the path with the app’s own Host', async () => {
    const seen: (string | undefined)[] = []
    let status = 200
    const check = await checkOf(
      createServer((request, response) => {
        seen.push(`${request.method} ${request.url} ${request.headers.host}`)
        response.writeHead(status).end()
      }),
    )
    for (const [answered, passed] of [
      [200, true],
      [302, true],
      [404, false],
      [503, false],
    ] as const) {
      status = answered
      assert.deepEqual(await checkUpstream(check, 5000, never), {
        passed,
        status: answered,
        detail: `GET /healthz answered ${answered}`,
      })
    }
    assert.deepEqual([...new Set(seen)], ['GET /healthz?deep=1 app.internal'])
  })

  it('speaks HTTP/2 if the app does', async () => {
    const server = createHttp2Server((request, response) =>
      response.writeHead(request.url === '/healthz?deep=1' ? 204 : 404).end(),
    )
    const check = await checkOf(server, 'http2')
    assert.deepEqual(await checkUpstream(check, 5000, never), {
      passed: true,
      status: 204,
      detail: 'GET /healthz answered 204',
    })
  })

  it('S2: is not ended by an app that pushes a stream and takes it back with an error', async () => {
    const server = createHttp2Server()
    const pushed = Promise.withResolvers<void>()
    server.on('sessionError', () => {}) // the check leaves as soon as it has its answer
    server.on('stream', (stream) => {
      stream.on('error', () => {})
      const answer = (): void => {
        stream.respond({ ':status': 200 })
        stream.end(pushed.resolve)
      }
      if (!stream.pushAllowed) return answer()
      stream.pushStream({ ':path': '/pushed' }, (_, push) => {
        push.on('error', () => {}).close(constants.NGHTTP2_INTERNAL_ERROR)
        setImmediate(answer)
      })
    })
    const check = await checkOf(server, 'http2')
    assert.equal((await checkUpstream(check, 5000, never)).passed, true)
    await pushed.promise
  })

  it('S2: fails if the app sends something odd or hangs up at any moment of an HTTP/2 connection', async () => {
    const settings = Buffer.from('000000040000000000', 'hex')
    const odd: Record<string, Buffer> = {
      'GOAWAY at once': Buffer.concat([settings, Buffer.from('0000080700000000000000000000000000', 'hex')]),
      'a reset of the stream': Buffer.concat([settings, Buffer.from('00000403000000000100000002', 'hex')]),
      'a frame on a stream that nobody opened': Buffer.concat([settings, Buffer.from('0000010000000000036a', 'hex')]),
      'SETTINGS that are malformed': Buffer.from('0000050400000000000000000000', 'hex'),
      'half a frame': settings.subarray(0, 5),
      'an answer of HTTP/1.1': Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'),
      nothing: Buffer.alloc(0),
    }
    for (const [what, bytes] of Object.entries(odd)) {
      for (const end of ['end', 'resetAndDestroy'] as const) {
        const check = await checkOf(
          createNetServer((socket) => {
            socket.on('error', () => {})
            socket.once('data', () => socket.write(bytes, () => socket[end]()))
          }),
          'http2',
        )
        assert.equal((await checkUpstream(check, 250, never)).passed, false, `${what}, then ${end}`)
      }
    }
  })

  it('says why the app could not be asked', async () => {
    const server = createNetServer()
    const check = await checkOf(server)
    server.close()
    await once(server, 'close')
    const { passed, detail } = await checkUpstream(check, 5000, never)
    assert.equal(passed, false)
    assert.match(detail, /^GET \/healthz: connection refused at 127\.0\.0\.1:\d+$/)
  })

  it('fails if the answer is no HTTP, or if the app hangs up', async () => {
    for (const answer of ['garbage\r\n\r\n', '']) {
      for (const protocol of ['http1', 'http2'] as const) {
        const check = await checkOf(
          createNetServer((socket) => {
            socket.on('error', () => {})
            socket.once('data', () => socket.end(answer))
          }),
          protocol,
        )
        assert.equal((await checkUpstream(check, 500, never)).passed, false, `${protocol} ${JSON.stringify(answer)}`)
      }
    }
  })

  it('gives up on an app that says nothing, and closes the connection', async () => {
    let gone: Promise<unknown> | undefined
    const check = await checkOf(
      createNetServer((socket) => {
        socket.on('error', () => {}).resume()
        gone = once(socket, 'close')
      }),
    )
    assert.deepEqual(await checkUpstream(check, 50, never), {
      passed: false,
      detail: 'GET /healthz: no answer within 0.05 s',
    })
    await gone
  })

  it('ends at once when it is told to', async () => {
    const check = await checkOf(createNetServer((socket) => void socket.on('error', () => {}).resume()))
    const stop = new AbortController()
    const checked = checkUpstream(check, 60_000, stop.signal)
    stop.abort()
    assert.equal((await checked).passed, false)
  })
})
