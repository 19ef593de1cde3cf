// Visitors who come at a steady rate, even if answers take long: this measures latency at a rate that every chain can
// serve, whereas wrk would measure the queue that it has made itself. HTTP/1.1 by hand over kept connections.

import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'

export interface PacedLoad {
  port: number
  path: string
  headers: Readonly<Record<string, string>>
  requestsPerSecond: number
  connections: number
  seconds: number
}

const TICK_MS = 1
const LAST_ANSWER_DEADLINE_MS = 10_000

/** @returns milliseconds of every request from its scheduled time, sorted */
export async function pacedLatencies(load: PacedLoad): Promise<number[]> {
  const head = Object.entries(load.headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const request = `GET ${load.path} HTTP/1.1\r\n${head.join('')}\r\n`
  const latencies: number[] = []
  const idle: Visitor[] = []
  const waiting: number[] = []
  const count = Math.round(load.requestsPerSecond * load.seconds)
  const { promise: done, resolve, reject } = Promise.withResolvers<void>()

  const visitors = await Promise.all(
    Array.from({ length: load.connections }, async () => {
      const socket = connect({ port: load.port, host: '127.0.0.1', noDelay: true })
      await once(socket, 'connect')
      return new Visitor(socket, {
        answered(visitor, dueAt) {
          latencies.push(performance.now() - dueAt)
          const next = waiting.shift()
          if (next === undefined) idle.push(visitor)
          else visitor.ask(request, next)
          if (latencies.length === count) resolve()
        },
        failed: reject,
      })
    }),
  )
  idle.push(...visitors)

  let asked = 0
  const startedAt = performance.now()
  const ticks = setInterval(() => {
    const now = performance.now()
    const due = Math.min(count, Math.floor(((now - startedAt) * load.requestsPerSecond) / 1000))
    for (; asked < due; asked++) {
      const visitor = idle.shift() // in turn, so that all connections stay in use
      if (visitor) visitor.ask(request, now)
      else waiting.push(now)
    }
  }, TICK_MS)
  const deadline = setTimeout(
    () => reject(new Error(`only ${latencies.length} of ${count} requests were answered`)),
    load.seconds * 1000 + LAST_ANSWER_DEADLINE_MS,
  )
  try {
    await done
  } finally {
    clearInterval(ticks)
    clearTimeout(deadline)
    for (const visitor of visitors) visitor.close()
  }
  return latencies.toSorted((a, b) => a - b)
}

interface Owner {
  answered: (visitor: Visitor, dueAt: number) => void
  failed: (error: Error) => void
}

/** One connection, one request at a time. */
class Visitor {
  readonly #socket: Socket
  #dueAt = 0
  #text = ''

  constructor(socket: Socket, owner: Owner) {
    this.#socket = socket
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => {
      this.#text += text
      const headEnd = this.#text.indexOf('\r\n\r\n')
      if (headEnd === -1) return
      if (!this.#text.startsWith('HTTP/1.1 200 ')) return owner.failed(new Error(this.#text.slice(0, 30).trim()))
      const length = Number(/\r\ncontent-length: *(\d+)/i.exec(this.#text.slice(0, headEnd + 2))?.[1])
      if (this.#text.length < headEnd + 4 + length) return
      this.#text = ''
      owner.answered(this, this.#dueAt)
    })
    socket.on('error', (error) => owner.failed(error))
    socket.on('end', () => owner.failed(new Error('the connection was closed')))
  }

  ask(request: string, dueAt: number): void {
    this.#dueAt = dueAt
    this.#socket.write(request)
  }

  close(): void {
    this.#socket.destroy()
  }
}
