// A visitor who writes bytes by hand, for requests that no HTTP library would send.

import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'

import { within } from './until.ts'

export class RawClient {
  readonly socket: Socket
  received: Buffer = Buffer.alloc(0)
  readonly #waiting = new Set<() => void>()

  /** @param localAddress the visitor's address; 127.0.0.1 by default */
  constructor(port: number, localAddress = '127.0.0.1') {
    this.socket = connect({ port, host: '127.0.0.1', localAddress, allowHalfOpen: true })
    this.socket.on('data', (chunk: Buffer) => {
      this.received = Buffer.concat([this.received, chunk])
      this.#look()
    })
    for (const event of ['end', 'close', 'error']) this.socket.on(event, () => this.#look())
  }

  get text(): string {
    return this.received.toString('latin1')
  }

  get isOver(): boolean {
    return this.socket.destroyed || this.socket.readableEnded
  }

  write(bytes: string | Buffer): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  }

  /** Waits until the received text matches. @throws if the connection ends first */
  async until(pattern: RegExp): Promise<string> {
    while (!pattern.test(this.text)) {
      if (this.isOver) throw new Error(`the connection ended before ${pattern}; received: ${this.text.slice(0, 2000)}`)
      await this.#change(() => `${pattern}; received: ${this.text.slice(0, 2000)}`)
    }
    return this.text
  }

  /** Waits until the relay has ended the connection. */
  async untilOver(): Promise<string> {
    while (!this.isOver) await this.#change(() => `the end; received: ${this.text.slice(-2000)}`)
    return this.text
  }

  close(): void {
    this.socket.destroy()
  }

  #change(what: () => string): Promise<void> {
    return within(what, new Promise<void>((resolve) => this.#waiting.add(resolve)))
  }

  #look(): void {
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }
}

/** Sends bytes on a new connection and returns everything received until its end. */
export async function sendRaw(port: number, bytes: string | Buffer): Promise<string> {
  const client = new RawClient(port)
  await once(client.socket, 'connect')
  client.write(bytes)
  const text = await client.untilOver()
  client.close()
  return text
}
