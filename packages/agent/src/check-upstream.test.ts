import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
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
        detail: `GET /healthz answered ${answered}`,
      })
    }
    assert.deepEqual([...new Set(seen)], ['GET /healthz?deep=1 app.internal'])
  })

  it('speaks HTTP/2 where the app does', async () => {
    const server = createHttp2Server((request, response) =>
      response.writeHead(request.url === '/healthz?deep=1' ? 204 : 404).end(),
    )
    const check = await checkOf(server, 'http2')
    assert.deepEqual(await checkUpstream(check, 5000, never), {
      passed: true,
      detail: 'GET /healthz answered 204',
    })
  })

  it('says why nothing could be asked', async () => {
    const server = createNetServer()
    const check = await checkOf(server)
    server.close()
    await once(server, 'close')
    const { passed, detail } = await checkUpstream(check, 5000, never)
    assert.equal(passed, false)
    assert.match(detail, /^GET \/healthz: connection refused at 127\.0\.0\.1:\d+$/)
  })

  it('fails where what answers is no HTTP, and where it hangs up', async () => {
    for (const answer of ['garbage\r\n\r\n', '']) {
      for (const protocol of ['http1', 'http2'] as const) {
        const check = await checkOf(
          createNetServer((socket) => {
            socket.on('error', () => {})
            socket.once('data', () => socket.end(answer))
          }),
          protocol,
        )
        assert.equal((await checkUpstream(check, 5000, never)).passed, false, `${protocol} ${JSON.stringify(answer)}`)
      }
    }
  })

  it('gives up on an app that says nothing, and lets its connection go', async () => {
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
