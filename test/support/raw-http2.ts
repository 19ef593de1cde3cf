// An HTTP/2 visitor who writes frames by hand (RFC 9113 4), for frames that no HTTP library would send. It answers
// nothing by itself, neither SETTINGS nor PING, and opens no window.

import { connect } from 'node:net'
import type { Socket } from 'node:net'

import { within } from './until.ts'

export const DATA = 0
export const HEADERS = 1
export const PRIORITY = 2
export const RST_STREAM = 3
export const SETTINGS = 4
export const PING = 6
export const GOAWAY = 7
export const WINDOW_UPDATE = 8
export const CONTINUATION = 9

export const END_STREAM = 1
export const ACK = 1
export const END_HEADERS = 4

export interface Frame {
  type: number
  flags: number
  stream: number
  payload: Buffer
}

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'

export class RawHttp2 {
  readonly socket: Socket
  readonly frames: Frame[] = []
  #unread: Buffer = Buffer.alloc(0)
  #isOver = false
  readonly #waiting = new Set<() => void>()

  /** Connects, and sends the preface with empty SETTINGS. */
  constructor(port: number, socket: Socket = connect({ port, host: '127.0.0.1' })) {
    this.socket = socket
    this.socket.on('data', (chunk: Buffer) => this.#onData(chunk))
    this.socket.on('error', () => {}) // the tests wait for a cut connection
    this.socket.on('close', () => {
      this.#isOver = true
      this.#look()
    })
    this.socket.write(Buffer.from(PREFACE, 'latin1'))
    this.write(frame(SETTINGS, 0, 0))
  }

  write(bytes: Buffer): boolean {
    return this.socket.write(bytes)
  }

  /** Waits for a frame. @throws if the connection ends first */
  async until(found: (frame: Frame) => boolean): Promise<Frame> {
    for (;;) {
      const frame = this.frames.find(found)
      if (frame) return frame
      if (this.#isOver) throw new Error(`the connection ended; frames: ${this.frames.map(describe).join(', ')}`)
      await this.#change()
    }
  }

  /** The status of the answer on a stream, or `reset <code>`. @throws if the connection ends first */
  async answer(stream: number): Promise<string> {
    const frame = await this.until(
      (each) => each.stream === stream && (each.type === HEADERS || each.type === RST_STREAM),
    )
    return frame.type === HEADERS ? statusOf(frame.payload) : `reset ${frame.payload.readUInt32BE()}`
  }

  /** Waits until the relay has ended the connection. @returns the code of its GOAWAY, if it sent one */
  async untilOver(): Promise<number | undefined> {
    while (!this.#isOver) await this.#change()
    return this.frames.findLast(({ type }) => type === GOAWAY)?.payload.readUInt32BE(4)
  }

  close(): void {
    this.socket.destroy()
  }

  #onData(chunk: Buffer): void {
    this.#unread = Buffer.concat([this.#unread, chunk])
    while (this.#unread.length >= 9) {
      const length = this.#unread.readUIntBE(0, 3)
      if (this.#unread.length < 9 + length) break
      // The answers to floods are not kept.
      const isAck = (this.#unread[3] === PING || this.#unread[3] === SETTINGS) && this.#unread[4] === ACK
      if (!isAck)
        this.frames.push({
          type: this.#unread[3]!,
          flags: this.#unread[4]!,
          stream: this.#unread.readUInt32BE(5) & 0x7fffffff,
          payload: this.#unread.subarray(9, 9 + length),
        })
      this.#unread = this.#unread.subarray(9 + length)
    }
    this.#look()
  }

  #change(): Promise<void> {
    const what = (): string => `a frame or the end; frames: ${this.frames.map(describe).join(', ')}`
    return within(what, new Promise<void>((resolve) => this.#waiting.add(resolve)))
  }

  #look(): void {
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }
}

/** One frame. */
export function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** A header block of literals without indexing (RFC 7541 6.2.2); bytes are sent as given. */
export function block(fields: readonly (readonly [name: string, value: string])[]): Buffer {
  return Buffer.concat(
    fields.flatMap(([name, value]) => [Buffer.of(0), ...[name, value].flatMap((text) => string(text))]),
  )
}

/** HEADERS that begin a request of these fields. */
export function request(stream: number, fields: readonly (readonly [string, string])[], flags = END_STREAM): Buffer {
  return frame(HEADERS, flags | END_HEADERS, stream, block(fields))
}

function string(text: string): Buffer[] {
  const bytes = Buffer.from(text, 'latin1')
  if (bytes.length < 127) return [Buffer.of(bytes.length), bytes]
  const length = [127]
  let rest = bytes.length - 127
  for (; rest >= 128; rest = Math.floor(rest / 128)) length.push((rest % 128) + 128)
  return [Buffer.from([...length, rest]), bytes]
}

// RFC 7541 appendix A: the statuses of the static table; appendix B: digits are 00000 to 00010, 011001 to 011111.
const INDEXED = new Map(
  [8, 9, 10, 11, 12, 13, 14].map((index, i) => [0x80 + index, [200, 204, 206, 304, 400, 404, 500][i]]),
)

/** The status, which always comes first. Dynamic entries are not read: one answer with a rare status per connection. */
function statusOf(payload: Buffer): string {
  const first = payload[0]!
  const indexed = INDEXED.get(first)
  if (indexed !== undefined) return String(indexed)
  const length = payload[1]! & 0x7f
  const value = payload.subarray(2, 2 + length)
  if ((payload[1]! & 0x80) === 0) return value.toString('latin1')
  let bits = [...value].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  let status = ''
  while (status.length < 3) {
    const isShort = bits.startsWith('000')
    status += isShort ? parseInt(bits.slice(0, 5), 2) : parseInt(bits.slice(0, 6), 2) - 0b011001 + 3
    bits = bits.slice(isShort ? 5 : 6)
  }
  return status
}

function describe({ type, flags, stream, payload }: Frame): string {
  return `${type}/${flags}@${stream}(${payload.toString('hex', 0, 16)})`
}
