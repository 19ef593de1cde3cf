// An agent whose messages a test writes by hand, over a real WebSocket.

import { once } from 'node:events'

import { AGENT_PATH, ControlChannel, SUBPROTOCOL, WebSocketCarrier, YamuxSession } from '@sallyport/protocol'
import type { ControlMessage, YamuxStream } from '@sallyport/protocol'
import { WebSocket } from 'ws'

import { within } from './until.ts'

export class HandAgent {
  readonly session: YamuxSession
  readonly stream: YamuxStream
  readonly messages: ControlMessage[] = []
  readonly streams: YamuxStream[] = []
  readonly #socket: WebSocket
  readonly #waiting: (() => void)[] = []
  /** Takes the relay's streams instead of `nextStream`. */
  onStream: ((stream: YamuxStream) => void) | undefined
  isOver = false
  closeCode = 0

  private constructor(socket: WebSocket) {
    this.#socket = socket
    this.session = new YamuxSession(new WebSocketCarrier(socket, 'client'), {
      role: 'client',
      onStream: (stream) => {
        if (this.onStream) return this.onStream(stream)
        this.streams.push(stream)
        this.#wake()
      },
    })
    this.stream = this.session.openStream()
    this.stream.on('error', () => {}) // the bytes of a test may end it
    void new ControlChannel(this.stream, {
      onMessage: (message) => {
        this.messages.push(message)
        this.#wake()
      },
      onEnd: () => this.#wake(),
    })
    socket.on('close', (code) => {
      this.isOver = true
      this.closeCode = code
      this.#wake()
    })
  }

  static async connect(stack: { port: number }, token: string): Promise<HandAgent> {
    const socket = new WebSocket(`ws://127.0.0.1:${stack.port}${AGENT_PATH}`, SUBPROTOCOL, {
      headers: { authorization: `Bearer ${token}` },
      perMessageDeflate: false,
    })
    await once(socket, 'open')
    return new HandAgent(socket)
  }

  send(message: object): void {
    this.sendText(JSON.stringify(message))
  }

  /** One message with any content. */
  sendText(text: string): void {
    const json = Buffer.from(text)
    this.sendBytes(Buffer.concat([lengthOf(json.length), json]))
  }

  sendBytes(bytes: Buffer): void {
    this.stream.write(bytes)
  }

  /** Bytes of the mux, in addition to those of our own session. */
  sendFrames(bytes: Buffer): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(bytes)
  }

  /** A forbidden message: the mux is binary. */
  sendWebSocketText(text: string): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(text)
  }

  hello(fields: object = {}): void {
    this.send({
      type: 'hello',
      versions: [1],
      instance_id: 'hand-agent-1',
      connection_index: 0,
      capabilities: [],
      agent_version: 'test',
      os: 'test',
      ...fields,
    })
  }

  async next(type: ControlMessage['type']): Promise<ControlMessage> {
    for (;;) {
      const index = this.messages.findIndex((message) => message.type === type)
      if (index !== -1) return this.messages.splice(index, 1)[0]!
      if (this.isOver) throw new Error(`the session ended before a ${type}`)
      await this.#change(`a ${type}`)
    }
  }

  async nextStream(): Promise<YamuxStream> {
    while (this.streams.length === 0) await this.#change('a stream')
    return this.streams.shift()!
  }

  async over(): Promise<void> {
    while (!this.isOver) await this.#change('the end of the session')
  }

  /** Stops reading, as a stopped process does. */
  freeze(): void {
    this.#socket.pause()
  }

  close(): void {
    this.session.destroy()
    this.#socket.terminate()
  }

  #change(what: string): Promise<void> {
    return within(what, new Promise((resolve) => this.#waiting.push(resolve)))
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

export function lengthOf(bytes: number): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes)
  return length
}
