// S2: the native half of an HTTP/2 session is kept no longer than its streams.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer } from 'node:http2'
import type { ClientHttp2Session } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

import { nativeHalfOf, outliveStreams, watchEnd } from './http2-outlive.ts'

const ROUNDS_MAX = 50

describe('the native half of an HTTP/2 session', () => {
  const server = createServer()
  let url: string
  before(async () => {
    server.on('stream', (stream) => {
      stream.on('error', () => {}) // a visitor who leaves
      stream.respond({ ':status': 200 })
      stream.end('fine')
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}` // it listens on a port
  })
  after(() => server.close())

  it('S2: is found in this Node.js', async () => {
    const session = connect(url)
    await once(session, 'connect')
    assert.equal(nativeHalfOf(session)?.constructor.name, 'Http2Session')
    session.destroy()
  })

  it('S2: is known to be needless after END_STREAM, but not after a reset', async () => {
    const session = connect(url)
    const whole = session.request({ ':path': '/' })
    const pieces: number[] = []
    const sawEnd = watchEnd(whole, (bytes) => pieces.push(bytes))
    await once(whole.resume(), 'close')
    assert.deepEqual([sawEnd(), pieces], [true, ['fine'.length]])
    const broken = session.request({ ':path': '/' })
    const sawNone = watchEnd(broken)
    broken.close()
    await once(broken.resume(), 'close')
    assert.equal(sawNone(), false)
    session.destroy()
  })

  it('S2: is freed with all that it holds once its streams have gone, even without acknowledged SETTINGS', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void // set by --expose-gc
    const gone: string[] = []
    const registry = new FinalizationRegistry((what: string) => gone.push(what))
    await (async () => {
      const session = connect(url)
      await once(session, 'connect')
      const outlive = outliveStreams(session)
      session.on('stream', () => outlive) // as our listeners do
      registry.register(session, 'session')
      registry.register(nativeHalfOf(session)!, 'native half') // the first test
      await breakStream(session, outlive)
      session.destroy()
      await once(session, 'close')
    })()
    for (let round = 0; gone.length < 2 && round < ROUNDS_MAX; round++) {
      await new Promise((resolve) => setImmediate(resolve))
      collect()
    }
    assert.deepEqual(gone.toSorted(), ['native half', 'session'])
  })
})

async function breakStream(session: ClientHttp2Session, outlive: ReturnType<typeof outliveStreams>): Promise<void> {
  const stream = session.request({ ':path': '/' })
  const sawEnd = watchEnd(stream)
  stream.once('close', () => outlive(stream, sawEnd))
  stream.destroy()
  await once(stream, 'close')
  assert.equal(sawEnd(), false)
}
