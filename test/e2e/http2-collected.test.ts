// S2: an HTTP/2 connection that breaks off in the middle of a header block leaves nothing behind that ends the process
// when its garbage is collected. The relay here collects all the time, or it would take thousands of them.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'

import { ask } from '../support/ask.ts'
import { Processes } from '../support/processes.ts'
import {
  DATA,
  END_HEADERS,
  END_STREAM,
  HEADERS,
  RawHttp2,
  SETTINGS,
  WINDOW_UPDATE,
  block,
  frame,
  request,
} from '../support/raw-http2.ts'

const WEB_HOST = 'web.localhost'
const ROUNDS = 2
const CLIENT = new URL('fixtures/http2-client-collected.ts', import.meta.url).pathname
const REFUSED = [[':status', 'none']] as const // in trailers

describe('the remains of broken HTTP/2 connections', { timeout: 60_000 }, () => {
  let processes: Processes
  let web: Server
  before(async () => {
    processes = await Processes.create()
    processes.env.NODE_OPTIONS = `--import=${new URL('../support/collect-often.ts', import.meta.url).href}`
    await processes.startRelay({
      edges: [{ id: 'edg_web', hosts: [WEB_HOST] }],
      config: {
        listen: { http: `127.0.0.1:${processes.port}`, admin: '127.0.0.1:0', http2: 'all' },
        timeouts: { visitor_stall_seconds: 1 },
      },
    })
    delete processes.env.NODE_OPTIONS
    web = createServer((asked, answer) => {
      if (asked.method === 'GET') return void answer.end('fine')
      asked.resume()
      // More than any buffer takes.
      const more = (): void => {
        while (!answer.destroyed && answer.write(Buffer.alloc(64 * 1024)));
      }
      answer.on('drain', more).on('error', () => {})
      more()
    })
    await once(web.listen(0, '127.0.0.1'), 'listening')
    const authtoken = await processes.createAuthtoken()
    const { port } = web.address() as AddressInfo // it listens on a port
    await processes.startAgent({ authtoken, labels: ['edge=edg_web'], upstream: String(port), name: 'web' })
  })
  after(async () => {
    await processes.close()
    web.closeAllConnections()
    web.close()
  })

  /** Resolves when the relay has collected all present garbage, and still serves. */
  async function assertSurvives(): Promise<void> {
    const { relay } = processes
    const collections = (): number => relay.lines.filter((line) => line === 'collected').length
    const wanted = collections() + 2 // a collection may have begun
    await relay.waitFor('two collections', () => collections() >= wanted || undefined)
    assert.equal((await ask(processes.port, { host: WEB_HOST })).body, 'fine')
  }

  for (const fields of ['trailers', 'a field that is refused']) {
    it(`S2: a visitor who stops in the middle of ${fields} and takes nothing of the answer`, async () => {
      for (let round = 0; round < ROUNDS; round++) {
        const since = processes.relay.lines.length
        const visitor = new RawHttp2(processes.port)
        visitor.socket.pause()
        visitor.write(frame(SETTINGS, 0, 0, Buffer.from('00047fffffff', 'hex'))) // SETTINGS_INITIAL_WINDOW_SIZE
        visitor.write(frame(WINDOW_UPDATE, 0, 0, Buffer.from('7fff0000', 'hex')))
        const head = { ':method': 'POST', ':scheme': 'http', ':authority': WEB_HOST, ':path': '/' }
        visitor.write(request(1, Object.entries(head), 0))
        visitor.write(frame(DATA, 0, 1, Buffer.from('hello')))
        const isRefused = fields !== 'trailers'
        const trailers = block([['x-checksum', 'a value that takes memory'], ...(isRefused ? REFUSED : [])])
        visitor.write(frame(HEADERS, END_STREAM | (isRefused ? END_HEADERS : 0), 1, trailers))
        await processes.relay.waitForEntry('exchange', ({ method }) => method === 'POST', since)
        visitor.socket.resetAndDestroy()
        await assertSurvives()
      }
    })
  }

  it('S2: a client of an app that stops in the middle of its head and takes nothing of the upload', async () => {
    const unguarded = await processes.run(['--expose-gc', CLIENT])
    assert.equal(unguarded.signal, 'SIGABRT', 'this Node.js needs no outliveStreams() any more')
    const guarded = await processes.run(['--expose-gc', CLIENT, 'guarded'])
    assert.deepEqual([guarded.code, guarded.stdout], [0, 'lives'], guarded.stderr)
  })
})
