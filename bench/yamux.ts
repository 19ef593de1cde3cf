// Our yamux beside yamux-js: small messages echoed over kept-open streams, and bulk bytes over one stream, both ends in
// this process, joined by loopback TCP or by a WebSocket. scenarios/mux.ts runs it for the page; by itself:
// node_modules/.bin/node bench/yamux.ts [seconds] [--json]

import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { parseArgs } from 'node:util'

import { WebSocket, WebSocketServer } from 'ws'
import { Client, Server } from 'yamux-js'

import { WebSocketCarrier } from '../packages/protocol/src/stream/websocket-carrier.ts'
import { YamuxSession } from '../packages/protocol/src/yamux/session.ts'
import { SocketCarrier } from '../packages/server/src/node/socket-carrier.ts'

interface Mux {
  name: string
  open: () => Duplex
  end: () => void
  /** Why it stopped working by itself. */
  broken: () => string | undefined
}

type Accept = (stream: Duplex) => void
type Make = (accept: Accept) => Promise<Mux>

const ECHO_STREAMS = 50
const ECHO_BYTES = 200 // a small request's head
const BULK_CHUNK_BYTES = 64 * 1024

export interface MuxRow {
  name: string
  /** Echoes per second over one stream, and over ECHO_STREAMS. */
  oneRate: number
  manyRate: number
  /** CPU of both ends, for each echo over ECHO_STREAMS. */
  cpuMicros: number
  /** Bytes per second. */
  bulkRate?: number
  /** The reason why there is no bulk rate. */
  brokeInBulk?: string
}

const { values: flags, positionals } = parseArgs({
  options: { json: { type: 'boolean', default: false } },
  allowPositionals: true,
})
const seconds = Number(positionals[0] ?? 2)

const rows: MuxRow[] = []
for (const make of [oursOverTcp, oursOverWebSocket, yamuxJsOverTcp]) {
  const one = await measureEcho(make, 1)
  const many = await measureEcho(make, ECHO_STREAMS)
  const { name, rate: manyRate, cpuMicros } = many
  rows.push({ name, oneRate: one.rate, manyRate, cpuMicros, ...(await measureBulk(make)) })
}
if (flags.json) console.log(JSON.stringify(rows))
else console.table(rows)
process.exit()

async function measureEcho(make: Make, streams: number) {
  const mux = await make((stream) => stream.on('data', (chunk: Buffer) => stream.write(chunk)))
  const message = Buffer.alloc(ECHO_BYTES, 'x')
  let echoes = 0
  for (let i = 0; i < streams; i++) {
    const stream = mux.open()
    let waiting = ECHO_BYTES
    stream.on('data', (chunk: Buffer) => {
      waiting -= chunk.length
      if (waiting > 0) return
      waiting = ECHO_BYTES
      echoes++
      stream.write(message)
    })
    // A turn later, as yamux-js drops bytes that come with a SYN.
    setTimeout(() => stream.write(message), 20)
  }
  await pause(300)
  const cpu = process.cpuUsage()
  const start = performance.now()
  echoes = 0
  await pause(seconds * 1000)
  const elapsed = (performance.now() - start) / 1000
  const used = process.cpuUsage(cpu)
  mux.end()
  const broken = mux.broken()
  if (broken) throw new Error(`${mux.name} broke: ${broken}`)
  return { name: mux.name, rate: echoes / elapsed, cpuMicros: (used.user + used.system) / Math.max(1, echoes) }
}

async function measureBulk(make: Make): Promise<Pick<MuxRow, 'bulkRate' | 'brokeInBulk'>> {
  let received = 0
  const mux = await make((stream) => stream.on('data', (chunk: Buffer) => (received += chunk.length)))
  const stream = mux.open()
  const chunk = Buffer.alloc(BULK_CHUNK_BYTES, 'x')
  let isOver = false
  const fill = () => {
    while (!isOver && stream.write(chunk));
  }
  stream.on('drain', fill)
  setTimeout(fill, 20)
  await pause(300)
  received = 0
  const start = performance.now()
  await pause(seconds * 1000)
  const elapsed = (performance.now() - start) / 1000
  isOver = true
  mux.end()
  const brokeInBulk = mux.broken()
  return brokeInBulk === undefined ? { bulkRate: received / elapsed } : { brokeInBulk }
}

async function oursOverTcp(accept: Accept): Promise<Mux> {
  const [near, far] = await tcpPair()
  const server = new YamuxSession(new SocketCarrier(far), { role: 'server', onStream: accept })
  const client = new YamuxSession(new SocketCarrier(near), { role: 'client' })
  return ours('ours, TCP', client, server, () => {})
}

async function oursOverWebSocket(accept: Accept): Promise<Mux> {
  const listener = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false })
  await once(listener, 'listening')
  const { port } = listener.address() as AddressInfo // a TCP listener
  const near = new WebSocket(`ws://127.0.0.1:${port}`)
  const [[far]] = (await Promise.all([once(listener, 'connection'), once(near, 'open')])) as [[WebSocket], unknown]
  const server = new YamuxSession(new WebSocketCarrier(far), { role: 'server', onStream: accept })
  const client = new YamuxSession(new WebSocketCarrier(near, 'client'), { role: 'client' })
  return ours('ours, WebSocket (masked)', client, server, () => listener.close())
}

function ours(name: string, client: YamuxSession, server: YamuxSession, after: () => void): Mux {
  let broken: string | undefined
  void client.closed.then((error) => (broken = error?.message))
  const end = () => {
    client.destroy()
    server.destroy()
    after()
  }
  return { name, open: () => client.openStream(), end, broken: () => broken }
}

async function yamuxJsOverTcp(accept: Accept): Promise<Mux> {
  const [near, far] = await tcpPair()
  const server = new Server(accept, { enableKeepAlive: false, logger: () => {} })
  const client = new Client({ enableKeepAlive: false, logger: () => {} })
  far.pipe(server).pipe(far)
  near.pipe(client).pipe(near)
  let broken: string | undefined
  for (const session of [server, client]) session.on('error', (error: Error) => (broken ??= error.message))
  const end = () => {
    near.destroy()
    far.destroy()
  }
  return { name: 'yamux-js 0.2.0, TCP', open: () => client.open(), end, broken: () => broken }
}

async function tcpPair(): Promise<[Socket, Socket]> {
  const listener = createServer().listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const near = connect((listener.address() as AddressInfo).port, '127.0.0.1') // a TCP listener
  const [[far]] = (await Promise.all([once(listener, 'connection'), once(near, 'connect')])) as [[Socket], unknown]
  listener.close()
  near.setNoDelay(true)
  far.setNoDelay(true)
  return [near, far]
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
