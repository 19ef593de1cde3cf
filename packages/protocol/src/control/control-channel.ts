// The control stream: each message is a 4-byte big-endian length and that many bytes of JSON.
// Reads as long as its owner lives; a message over the cap, a message that does not parse, or an exception of its owner
// ends it. If messages have a budget, a peer that overdraws it waits: its messages stay in the stream, and
// back-pressure stops it.

import type { Duplex } from 'node:stream'

import { CONTROL_MESSAGE_MAX_BYTES, parseControlMessage } from './control.ts'
import type { ControlMessage, ControlMessageInput } from './control.ts'
import { ProtocolError } from '../process/errors.ts'
import { MessageBudget } from './message-budget.ts'
import type { MessageRate } from './message-budget.ts'

const LENGTH_BYTES = 4
// A peer that reads nothing must not make us keep answers for ever.
const UNSENT_MAX_BYTES = 1024 * 1024

export interface ControlChannelOptions {
  onMessage: (message: ControlMessage) => void
  /** Called once, when the stream ends or breaks its rules; undefined means that the peer ended it in order. */
  onEnd: (error?: ProtocolError) => void
  /** How much the peer may send; unlimited by default. */
  rate?: MessageRate
  /** Called once, when the peer has to wait for the first time. */
  onOverdrawn?: () => void
}

export class ControlChannel {
  readonly #stream: Duplex
  readonly #options: ControlChannelOptions
  #kept: Buffer[] = []
  #keptBytes = 0
  #ended = false
  readonly #budget: MessageBudget | undefined
  #pause: NodeJS.Timeout | undefined
  #wasOverdrawn = false

  constructor(stream: Duplex, options: ControlChannelOptions) {
    this.#stream = stream
    this.#options = options
    this.#budget = options.rate && new MessageBudget(options.rate, performance.now())
    stream.on('data', (chunk: Buffer) => this.#take(chunk))
    stream.on('end', () => this.#end())
    stream.on('error', (error: Error) =>
      this.#end(
        error instanceof ProtocolError ? error : new ProtocolError('connection_lost', error.message, { cause: error }),
      ),
    )
    // After 'end' or 'error' this does nothing; without them the stream was cut.
    stream.on('close', () => this.#end(new ProtocolError('connection_lost', 'the control stream was cut')))
  }

  /** Sends one message. After the end it does nothing: the peer is not there to be told. */
  send(message: ControlMessageInput): void {
    if (this.#ended || !this.#stream.writable) return
    if (this.#stream.writableLength > UNSENT_MAX_BYTES) {
      this.#end(new ProtocolError('control_violation', 'the peer does not read its control stream'))
      return
    }
    const json = Buffer.from(JSON.stringify(message), 'utf8')
    const framed = Buffer.allocUnsafe(LENGTH_BYTES + json.length)
    framed.writeUInt32BE(json.length, 0)
    json.copy(framed, LENGTH_BYTES)
    this.#stream.write(framed)
  }

  /** Says goodbye: nothing more is sent. The peer's `onEnd` runs without an error. */
  end(): void {
    if (!this.#stream.writableEnded) this.#stream.end()
  }

  #take(chunk: Buffer): void {
    if (this.#ended) return
    this.#kept.push(chunk)
    this.#keptBytes += chunk.length
    if (!this.#pause) this.#readOn()
  }

  #readOn(): void {
    try {
      for (let json = this.#nextMessage(); json && !this.#ended; json = this.#nextMessage()) {
        const waitMs = this.#budget?.spend(performance.now()) ?? 0
        const message = parseControlMessage(json)
        if (message) this.#options.onMessage(message)
        if (waitMs > 0) return this.#pauseFor(waitMs)
      }
    } catch (error) {
      const isKnown = error instanceof ProtocolError
      this.#end(isKnown ? error : new ProtocolError('internal', 'a message could not be handled', { cause: error }))
    }
  }

  #pauseFor(ms: number): void {
    if (this.#ended) return
    this.#stream.pause()
    this.#pause = setTimeout(() => {
      this.#pause = undefined
      this.#readOn()
      if (!this.#pause) this.#stream.resume()
    }, ms).unref()
    if (this.#wasOverdrawn) return
    this.#wasOverdrawn = true
    this.#options.onOverdrawn?.()
  }

  #nextMessage(): Buffer | undefined {
    if (this.#keptBytes < LENGTH_BYTES) return undefined
    if (this.#kept[0]!.length < LENGTH_BYTES) this.#kept = [Buffer.concat(this.#kept)] // length was just checked
    const length = this.#kept[0]!.readUInt32BE(0)
    if (length > CONTROL_MESSAGE_MAX_BYTES) {
      throw new ProtocolError('control_violation', `a control message of ${length} bytes`)
    }
    if (this.#keptBytes < LENGTH_BYTES + length) return undefined
    const all = this.#kept.length === 1 ? this.#kept[0]! : Buffer.concat(this.#kept)
    const rest = all.subarray(LENGTH_BYTES + length)
    this.#kept = rest.length > 0 ? [rest] : []
    this.#keptBytes = rest.length
    return all.subarray(LENGTH_BYTES, LENGTH_BYTES + length)
  }

  #end(error?: ProtocolError): void {
    if (this.#ended) return
    this.#ended = true
    clearTimeout(this.#pause)
    this.#kept = []
    this.#keptBytes = 0
    this.#options.onEnd(error)
  }
}
