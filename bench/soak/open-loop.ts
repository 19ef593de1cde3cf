// Visitors who come at a steady rate whatever happens: each request has a scheduled time, and its latency counts from
// then, so that a stall affects all requests of its duration. HTTP/1.1 by hand over kept-alive connections.

import { connect } from 'node:net'
import type { Socket } from 'node:net'

export interface OpenLoopOptions {
  port: number
  /** Value of the Host header. */
  host: string
  requestsPerSecond: number
  /** At most; further requests wait. */
  connections: number
  /** The prefix of every id, which distinguishes runs. */
  prefix: string
}

/**
 * - `answered`: a whole answer, of any status
 * - `cut`: the connection ended when the request was on its way, or within the answer
 * - `stale`: an idle connection ended before any byte of an answer: closed already, or while the request was on its way
 * - `refused`: no process listened
 */
export type Outcome = 'answered' | 'cut' | 'stale' | 'refused'

export interface Asked {
  method: 'GET' | 'POST'
  path: string
  outcome: Outcome
  status: number
  /** Milliseconds since the request's scheduled time. */
  latencyMs: number
  at: number
}

const BODY = 'x'.repeat(64)

export class OpenLoop {
  /** Everything that was not a 200. */
  readonly failed: Asked[] = []
  /** Of the requests with 200. */
  readonly latenciesMs: number[] = []
  asked = 0
  readonly #options: OpenLoopOptions
  readonly #idle: Connection[] = []
  readonly #waiting: Due[] = []
  readonly #startedAt = performance.now()
  readonly #timer: NodeJS.Timeout
  #open = 0
  #underWay = 0
  #onIdle: (() => void) | undefined

  constructor(options: OpenLoopOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.#tick(), 1)
  }

  /** Starts no new requests; resolves when the last has ended. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    if (this.#underWay > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve))
    for (const connection of this.#idle.splice(0)) connection.close()
  }

  #tick(): void {
    const due = Math.floor(((performance.now() - this.#startedAt) * this.#options.requestsPerSecond) / 1000)
    while (this.asked < due) {
      const number = this.asked++
      this.#underWay++
      this.#ask({
        method: number % 2 === 0 ? 'GET' : 'POST',
        path: `/${this.#options.prefix}-${number}`,
        dueAt: this.#startedAt + (number * 1000) / this.#options.requestsPerSecond,
      })
    }
  }

  #ask(due: Due): void {
    const connection = this.#idle.pop() ?? this.#another()
    if (connection) connection.ask(due)
    else this.#waiting.push(due)
  }

  #another(): Connection | undefined {
    if (this.#open >= this.#options.connections) return undefined
    this.#open++
    const { port, host } = this.#options
    return new Connection(port, host, {
      done: (due, outcome, status) => this.#done(due, outcome, status),
      free: (connection) => {
        const next = this.#waiting.shift()
        if (next) connection.ask(next)
        else this.#idle.push(connection)
      },
      gone: (connection) => {
        this.#open--
        const index = this.#idle.indexOf(connection)
        if (index !== -1) this.#idle.splice(index, 1)
        const next = this.#waiting.shift()
        if (next) this.#ask(next)
      },
    })
  }

  #done({ method, path, dueAt }: Due, outcome: Outcome, status: number): void {
    const latencyMs = performance.now() - dueAt
    if (outcome === 'answered' && status === 200) this.latenciesMs.push(latencyMs)
    else this.failed.push({ method, path, outcome, status, latencyMs, at: performance.now() - this.#startedAt })
    if (--this.#underWay === 0) this.#onIdle?.()
  }
}

interface Due {
  method: 'GET' | 'POST'
  path: string
  dueAt: number
}

interface Owner {
  done(due: Due, outcome: Outcome, status: number): void
  free(connection: Connection): void
  gone(connection: Connection): void
}

/** One connection, one request at a time. */
class Connection {
  readonly #socket: Socket
  readonly #host: string
  readonly #owner: Owner
  #due: Due | undefined
  #text = ''
  #answered = 0
  #isConnected = false

  constructor(port: number, host: string, owner: Owner) {
    this.#host = host
    this.#owner = owner
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true })
    this.#socket.setEncoding('latin1')
    this.#socket.on('connect', () => (this.#isConnected = true))
    this.#socket.on('data', (text: string) => this.#read(text))
    this.#socket.on('error', () => {}) // 'close' tells
    this.#socket.on('close', () => this.#closed())
  }

  ask(due: Due): void {
    this.#due = due
    const head = `${due.method} ${due.path} HTTP/1.1\r\nHost: ${this.#host}\r\n`
    this.#socket.write(due.method === 'GET' ? `${head}\r\n` : `${head}Content-Length: ${BODY.length}\r\n\r\n${BODY}`)
  }

  close(): void {
    this.#socket.destroy()
  }

  #read(text: string): void {
    this.#text += text
    const headEnd = this.#text.indexOf('\r\n\r\n')
    if (headEnd === -1) return
    const head = this.#text.slice(0, headEnd)
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1])
    if (this.#text.length < headEnd + 4 + length) return
    const due = this.#due
    this.#due = undefined
    this.#text = ''
    this.#answered++
    if (due) this.#owner.done(due, 'answered', Number(head.slice(9, 12)))
    if (/\r\nconnection: *close/i.test(head)) this.#socket.destroy()
    else this.#owner.free(this)
  }

  #closed(): void {
    const due = this.#due
    this.#due = undefined
    if (due) {
      const isStale = this.#answered > 0 && this.#text === ''
      this.#owner.done(due, !this.#isConnected ? 'refused' : isStale ? 'stale' : 'cut', 0)
    }
    this.#owner.gone(this)
  }
}
