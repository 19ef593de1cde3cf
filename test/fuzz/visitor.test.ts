// S2: a visitor who sends any frames of HTTP/2, or almost HTTP/1.1, gets a readable answer or the end of the
// connection, other visitors notice nothing, and the relay survives.

import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'

import { CONTINUATION, GOAWAY, HEADERS, RST_STREAM, SETTINGS } from '../support/raw-http2.ts'
import { fuzz } from './fuzz.ts'
import { RelayUnderFuzz } from './relay-under-fuzz.ts'
import { makeVisitor } from './visitor-bytes.ts'
import type { VisitorBytes } from './visitor-bytes.ts'

/** How long a visitor without a valid request waits for an answer. */
const PATIENCE_MS = 60
const PLAIN_PATIENCE_MS = 10_000
const FRAME_MAX_BYTES = 16_384 // RFC 9113 4.2, as long as nobody allows more
const STATUS_200 = 0x88 // RFC 7541, static table

describe('a visitor who sends odd bytes', () => {
  const app = createServer((request, response) => {
    request.resume().on('end', () => response.end('fine'))
  })
  let relay: RelayUnderFuzz
  before(async () => {
    app.listen(0, '127.0.0.1')
    await once(app, 'listening')
    const { port } = app.address() as AddressInfo // it listens on a port
    relay = await RelayUnderFuzz.start({
      edges: ['app'],
      tunnels: [{ upstream: `http://127.0.0.1:${port}`, labels: ['edge=edg_app'] }],
    })
  })
  after(async () => {
    await relay.close()
    app.close()
    app.closeAllConnections()
  })

  it('S2: gets a readable answer, or the end of the connection', async (test) => {
    await fuzz(test, {
      relay,
      sample: 1000,
      lanes: 16,
      make: makeVisitor,
      show: ({ words, pieces, end }) =>
        `${words}\n    in pieces of ${pieces.map(({ bytes }) => bytes.length).join(', ')}; ${end}`,
      play: (each) => play(relay.port, each),
    })
  })
})

async function play(port: number, { pieces, streams, isHttp2, end }: VisitorBytes): Promise<string | undefined> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  let received: Buffer = Buffer.alloc(0)
  const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()))
  const { promise: answered, resolve: onAnswered } = Promise.withResolvers<void>()
  socket.on('error', () => {}) // the relay may end it at any time
  socket.on('end', () => socket.end())
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk])
    if (streams && framesOf(received).filter(({ isEnd }) => isEnd).length >= streams.length) onAnswered()
  })
  for (const { afterMs, bytes } of pieces) {
    if (afterMs > 0) await pause(afterMs)
    if (!socket.writable) break
    socket.write(bytes)
  }
  if (end === 'end') socket.end()
  if (end === 'reset') socket.resetAndDestroy()
  const patience = new AbortController()
  await Promise.race([closed, answered, pause(streams ? PLAIN_PATIENCE_MS : PATIENCE_MS, patience.signal)])
  patience.abort()
  socket.destroy()
  if (!isHttp2 || received.toString('latin1', 0, 5) === 'HTTP/') return http1Problem(received)
  return http2Problem(received, streams)
}

function http1Problem(received: Buffer): string | undefined {
  const text = received.toString('latin1')
  if (text === '' || /^HTTP\/1\.1 [1-5]\d\d [ -~]*\r\n/.test(text)) return undefined
  return `the relay sends what cannot be read: ${JSON.stringify(text.slice(0, 200))}`
}

interface Received {
  type: number
  stream: number
  length: number
  payload: Buffer
  isEnd: boolean
}

function http2Problem(received: Buffer, streams: readonly number[] | undefined): string | undefined {
  const frames = framesOf(received)
  const first = frames[0]
  if (first && first.type !== SETTINGS && first.type !== GOAWAY) return `the relay begins with frame type ${first.type}`
  const wrong = frames.find(
    ({ type, stream, length }) =>
      length > FRAME_MAX_BYTES || type > CONTINUATION || (type <= RST_STREAM && (stream & 1) === 0),
  )
  if (wrong) return `the relay sends what cannot be read: ${JSON.stringify(wrong)}`
  for (const id of streams ?? []) {
    const head = frames.find(({ type, stream }) => type === HEADERS && stream === id)
    if (head?.payload[0] !== STATUS_200 || !frames.some(({ stream, isEnd }) => stream === id && isEnd)) {
      const words = frames.map(({ type, stream, payload }) => `${type}@${stream} ${payload.toString('latin1')}`)
      return `an ordinary request on stream ${id} is not answered: ${words.join(', ')}`
    }
  }
  return undefined
}

/** The complete frames. */
function framesOf(bytes: Buffer): Received[] {
  const frames: Received[] = []
  let rest = bytes
  while (rest.length >= 9) {
    const length = rest.readUIntBE(0, 3)
    if (rest.length < 9 + length) break
    const type = rest[3]!
    const isEnd = (type === 0 || type === HEADERS) && (rest[4]! & 1) !== 0 // nine bytes are there
    frames.push({ type, stream: rest.readUInt32BE(5), length, payload: rest.subarray(9, 9 + length), isEnd })
    rest = rest.subarray(9 + length)
  }
  return frames
}

function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds)
    signal?.addEventListener('abort', () => clearTimeout(timer))
  })
}
