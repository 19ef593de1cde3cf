// A TCP proxy that behaves like a long or narrow link: every byte arrives half a round trip later, in order, and no
// faster than the bandwidth, which all connections share, each direction on its own. Bytes that do not fit onto the
// link wait in a queue of bounded size; then the sender has to wait, as with TCP. As a program: node
// bench/delay-proxy.ts --to PORT --rtt MS [--mbit N] prints {"port": …}.

import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { parseArgs } from 'node:util'

export interface DelayProxyOptions {
  target: { host: string; port: number }
  roundTripMs: number
  /** Of each direction; without it only the machine limits the link. */
  bitsPerSecond?: number
  /** How much may wait for the link, in each direction. */
  queueBytes?: number
}

const QUEUE_BYTES = 64 * 1024 // of a small router: 26 ms at 20 Mbit/s
const WIDE_QUEUE_BYTES = 6 * 1024 * 1024 // Linux lets a connection have this in flight (net.ipv4.tcp_rmem)
const SLICE_MS = 1 // a large chunk crosses a narrow link in pieces of this duration, and arrives gradually

export class DelayProxy {
  readonly #server: Server
  readonly #there: Line
  readonly #back: Line
  readonly #options: DelayProxyOptions
  readonly #sockets = new Set<Socket>()

  constructor(options: DelayProxyOptions) {
    this.#options = options
    this.#there = new Line(options)
    this.#back = new Line(options)
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket))
  }

  async listen(port = 0): Promise<number> {
    this.#server.listen(port, '127.0.0.1')
    await once(this.#server, 'listening')
    return (this.#server.address() as AddressInfo).port // it listens on a port
  }

  /** Ends every connection at once. */
  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    this.#there.close()
    this.#back.close()
  }

  #accept(near: Socket): void {
    const far = connect({ ...this.#options.target, allowHalfOpen: true, noDelay: true })
    for (const [from, to, line] of [
      [near, far, this.#there],
      [far, near, this.#back],
    ] as const) {
      this.#sockets.add(from)
      from.on('data', (bytes: Buffer) => line.carry(bytes, from, to))
      from.on('end', () => line.carryEnd(to))
      from.on('error', () => to.resetAndDestroy())
      from.on('close', () => this.#sockets.delete(from))
    }
  }
}

interface Parcel {
  /** Undefined: the end of the sender's bytes. */
  bytes: Buffer | undefined
  to: Socket
  arrivesAt: number
}

/** One direction of the link. */
class Line {
  readonly #delayMs: number
  readonly #bytesPerMs: number
  readonly #queueBytes: number
  readonly #parcels: Parcel[] = []
  /** Senders that wait until the link has room. */
  readonly #held = new Set<Socket>()
  #timer: NodeJS.Timeout | undefined
  /** When the last accepted byte will have left. */
  #freeAt = 0
  /** Without a bandwidth: bytes on their way or not yet taken by the receiver. */
  #carriedBytes = 0

  constructor({ roundTripMs, bitsPerSecond, queueBytes }: DelayProxyOptions) {
    this.#delayMs = roundTripMs / 2
    this.#bytesPerMs = bitsPerSecond === undefined ? Infinity : bitsPerSecond / 8000
    this.#queueBytes = queueBytes ?? (bitsPerSecond === undefined ? WIDE_QUEUE_BYTES : QUEUE_BYTES)
  }

  carry(bytes: Buffer, from: Socket, to: Socket): void {
    const slice = this.#bytesPerMs === Infinity ? bytes.length : Math.max(1, Math.floor(this.#bytesPerMs * SLICE_MS))
    for (let at = 0; at < bytes.length; at += slice) {
      const piece = bytes.subarray(at, at + slice)
      this.#freeAt = Math.max(this.#freeAt, performance.now()) + piece.length / this.#bytesPerMs
      this.#put({ bytes: piece, to, arrivesAt: this.#freeAt + this.#delayMs })
    }
    this.#carriedBytes += bytes.length
    if (this.#isFull) {
      from.pause()
      this.#held.add(from)
    }
  }

  carryEnd(to: Socket): void {
    this.#put({ bytes: undefined, to, arrivesAt: Math.max(this.#freeAt, performance.now()) + this.#delayMs })
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#parcels.length = 0
  }

  get #isFull(): boolean {
    if (this.#bytesPerMs === Infinity) return this.#carriedBytes >= this.#queueBytes
    return (this.#freeAt - performance.now()) * this.#bytesPerMs >= this.#queueBytes
  }

  #put(parcel: Parcel): void {
    this.#parcels.push(parcel)
    this.#timer ??= setTimeout(this.#deliver, parcel.arrivesAt - performance.now())
  }

  readonly #deliver = (): void => {
    this.#timer = undefined
    const now = performance.now()
    let due = 0
    for (; due < this.#parcels.length && this.#parcels[due]!.arrivesAt <= now; due++) {
      const { bytes, to } = this.#parcels[due]! // below the length
      if (!bytes) to.end()
      else to.write(bytes, () => this.#arrived(bytes.length)) // also if the receiver is gone
    }
    this.#parcels.splice(0, due)
    if (this.#parcels[0]) this.#timer = setTimeout(this.#deliver, Math.max(0, this.#parcels[0].arrivesAt - now))
    this.#release()
  }

  #arrived(bytes: number): void {
    this.#carriedBytes -= bytes
    this.#release()
  }

  #release(): void {
    if (this.#held.size === 0 || this.#isFull) return
    for (const socket of this.#held) socket.resume()
    this.#held.clear()
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { to: { type: 'string' }, rtt: { type: 'string' }, mbit: { type: 'string' } },
  })
  const proxy = new DelayProxy({
    target: { host: '127.0.0.1', port: Number(values.to) },
    roundTripMs: Number(values.rtt ?? 0),
    ...(values.mbit !== undefined && { bitsPerSecond: Number(values.mbit) * 1e6 }),
  })
  console.log(JSON.stringify({ port: await proxy.listen() }))
  process.once('SIGTERM', () => process.exit(0))
}
