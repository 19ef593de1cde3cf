// Our yamux against hashicorp's own, in Go, over TCP: their server and our client, and the other way round.
// Needs a Go toolchain and the module proxy once; skipped with the reason if one is missing.

import assert from 'node:assert/strict'
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it, type TestContext } from 'node:test'
import { promisify } from 'node:util'

import { YamuxSession } from '../../packages/protocol/src/yamux/session.ts'
import type { YamuxStream } from '../../packages/protocol/src/yamux/stream.ts'
import { SocketCarrier } from '../../packages/server/src/node/socket-carrier.ts'

const BUILD_DEADLINE_MS = 120_000 // the first build compiles Go's standard library
const STREAMS = 40
const STREAM_BYTES = 300_000

describe('interop with hashicorp/yamux', () => {
  let folder: string
  let program: string | undefined
  let reason = ''

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sallyport-go-yamux-'))
    const output = join(folder, 'go-yamux')
    try {
      await promisify(execFile)('go', ['build', '-o', output, '.'], {
        cwd: join(import.meta.dirname, 'go-yamux'),
        timeout: BUILD_DEADLINE_MS,
      })
      program = output
    } catch (error) {
      const { code, stderr } = error as { code?: unknown; stderr?: string } // as execFile rejects
      if (code === 'ENOENT') reason = 'no Go toolchain: install Go (https://go.dev/dl) to run this'
      else if (/dial tcp|proxy\.golang\.org|lookup |timeout/i.test(stderr ?? ''))
        reason = `no Go module proxy: ${stderr}`
      else throw error
    }
  })

  after(() => rm(folder, { recursive: true, force: true }))

  function built(test: TestContext): string | undefined {
    if (!program) test.skip(reason)
    return program
  }

  it('our client exchanges megabytes over many streams with their server, half-closing each', async (test) => {
    const path = built(test)
    if (!path) return
    const server = spawn(path, ['serve'], { stdio: ['pipe', 'pipe', 'inherit'] })
    const [line] = await once(server.stdout, 'data')
    const session = new YamuxSession(new SocketCarrier(await dial(Number(String(line)))), { role: 'client' })
    assert.ok((await session.ping()) > 0)
    await Promise.all(Array.from({ length: STREAMS }, () => exchange(session)))
    assert.equal(session.streamCount, 0)

    // A reset of ours does not disturb its siblings.
    const doomed = session.openStream()
    doomed.write('x')
    await once(doomed, 'data')
    doomed.reset()
    await exchange(session)

    await session.close()
    assert.equal(await session.closed, undefined)
    server.stdin.end()
    assert.equal(await exitCode(server), 0)
  })

  it('their client exchanges megabytes over many streams with our server, half-closing each', async (test) => {
    const path = built(test)
    if (!path) return
    const listener = createServer().listen(0, '127.0.0.1')
    await once(listener, 'listening')
    const { port } = listener.address() as AddressInfo // a TCP listener
    const client = spawn(path, ['dial', `127.0.0.1:${port}`], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [socket] = (await once(listener, 'connection')) as [Socket] // as a net server emits
    listener.close()
    let streams = 0
    const session = new YamuxSession(new SocketCarrier(socket), {
      role: 'server',
      onStream: (stream) => {
        streams++
        stream.pipe(stream)
      },
    })
    const [output] = await once(client.stdout, 'data')
    assert.equal(String(output), 'ok\n')
    assert.equal(await exitCode(client), 0)
    await session.closed
    assert.equal(streams, STREAMS)
    assert.equal(session.streamCount, 0)
    assert.equal(session.bufferedBytes, 0)
  })
})

/** Sends, half-closes, and expects everything back. */
async function exchange(session: YamuxSession): Promise<void> {
  const stream: YamuxStream = session.openStream()
  const sent = randomBytes(STREAM_BYTES)
  stream.end(sent)
  const hash = createHash('sha256')
  for await (const chunk of stream) hash.update(chunk as Buffer) // Buffers, as no encoding is set
  assert.equal(hash.digest('hex'), createHash('sha256').update(sent).digest('hex'))
}

async function dial(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  return socket
}

async function exitCode(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  return child.exitCode
}
