// One tunnel stream used as an HTTP/1.1 connection to an app: the agent's reply, then responses in turn.
// Its listeners are attached once; each exchange only sets itself as the handler.
//
//   waiting for reply ──ok──▶ busy ⇄ idle (in the pool)
//          └─refused──▶ over

import { decodeStreamReply } from '@sallyport/protocol'
import type { StreamReply, YamuxStream } from '@sallyport/protocol'

import { within } from '../../exchange/border.ts'
import type { Bordered, OnFault } from '../../exchange/border.ts'
import type { Lane, Tunnel } from '../../tunnel/tunnel.ts'
import { BadResponse } from '../transfer/response-head.ts'
import { ResponseParser } from './response-parser.ts'
import type { ResponseHandler } from './response-parser.ts'

export interface Http1Handler extends ResponseHandler, Bordered {
  /** The agent has said whether it reached the app. Called once per connection. */
  onReply(reply: StreamReply): void
  /** All bytes so far have been handled. */
  onFed(): void
  /** The stream takes bytes again. */
  onDrain(): void
  /** The connection broke, or sent an invalid response; it is destroyed. */
  onLost(error: Error): void
}

export class Http1Connection implements Bordered {
  readonly tunnel: Tunnel
  readonly lane: Lane
  readonly stream: YamuxStream
  /** Monotonic ms; set when the connection is put into the pool. */
  idleSince = 0
  /** Whether the agent has reached the app. */
  isConnected = false
  /** Whether any byte of the current response has come. */
  hasAnswered = false

  readonly #parser: ResponseParser
  readonly #onFault: OnFault
  #handler: Http1Handler | undefined
  #replyKept: Buffer | undefined
  #onIdleGone: (() => void) | undefined
  #lost: Error | undefined

  /** @throws ProtocolError `session_closed` */
  constructor(tunnel: Tunnel, visitor: string, headMaxBytes: number, onFault: OnFault) {
    this.tunnel = tunnel
    this.#parser = new ResponseParser(headMaxBytes)
    this.#onFault = onFault
    this.lane = tunnel.pickLane()
    this.stream = this.lane.openStream(visitor)
    this.stream.on('data', (chunk: Buffer) => this.#onData(chunk))
    this.stream.on(
      'drain',
      within(this, () => this.#handler?.onDrain()),
    )
    this.stream.on(
      'end',
      within(this, () => this.#onEnd()),
    )
    this.stream.on('error', (error: Error) => {
      this.#lost ??= error
    })
    this.stream.on(
      'close',
      within(this, () => this.#onClose()),
    )
  }

  /** Starts an exchange; the request itself goes to `stream`. */
  begin(method: string, handler: Http1Handler, wantsUpgrade = false): void {
    this.#handler = handler
    this.#onIdleGone = undefined
    this.hasAnswered = false
    this.#parser.begin(method, handler, wantsUpgrade)
  }

  /** Puts it at rest in the pool; `onGone` runs if the app or the session ends the connection meanwhile. */
  rest(now: number, onGone: () => void): void {
    this.#handler = undefined
    this.idleSince = now
    this.#onIdleGone = onGone
  }

  /** Gives the stream to other code that moves its bytes; this class does not read it any more. */
  release(): YamuxStream {
    this.#handler = undefined
    this.stream.removeAllListeners('data').removeAllListeners('drain').removeAllListeners('end')
    this.stream.pause()
    return this.stream
  }

  /** Code threw on input from this connection: it ends, with its exchange. */
  fault(thrown: unknown): void {
    const handler = this.#handler
    this.destroy()
    if (handler) handler.fault(thrown)
    else this.#onFault(thrown, 'app_connection')
  }

  /** Ends it at once: RST if it has not ended by itself. */
  destroy(): void {
    this.#handler = undefined
    this.stream.destroy()
  }

  /** The border of `within`, without its closure: every piece of every answer comes through here. */
  #onData(chunk: Buffer): void {
    const handler = this.#handler
    try {
      this.#read(chunk)
    } catch (error) {
      if (error instanceof BadResponse) return this.#lose(error)
      this.#handler ??= handler // it may have released the connection before it threw
      this.fault(error)
    }
  }

  #read(chunk: Buffer): void {
    let bytes: Buffer | undefined = chunk
    if (!this.isConnected) {
      bytes = this.#takeReply(chunk)
      if (!bytes) return
    }
    if (!this.#handler) {
      // A byte while idle: the app's state differs from ours.
      this.stream.destroy()
      return
    }
    this.hasAnswered = true
    this.#parser.feed(bytes)
    this.#handler?.onFed()
  }

  /** Reads the reply; returns the app's bytes after it, if any. */
  #takeReply(chunk: Buffer): Buffer | undefined {
    const bytes = this.#replyKept ? Buffer.concat([this.#replyKept, chunk]) : chunk
    const decoded = decodeStreamReply(bytes)
    if (!decoded) {
      this.#replyKept = bytes
      return undefined
    }
    this.#replyKept = undefined
    this.tunnel.health.noteReply(decoded.reply)
    const handler = this.#handler
    if (!decoded.reply.ok) {
      this.#handler = undefined
      this.stream.end()
      this.stream.resume()
      handler?.onReply(decoded.reply)
      return undefined
    }
    this.isConnected = true
    handler?.onReply(decoded.reply)
    return bytes.length > decoded.length ? bytes.subarray(decoded.length) : undefined
  }

  #onEnd(): void {
    if (this.#handler && this.#parser.end()) return
    const complaint = this.#handler && this.#parser.complaint
    this.#lose(
      new Error(complaint ?? (this.isConnected ? 'the app closed the connection' : 'the agent closed the stream')),
    )
  }

  #onClose(): void {
    this.#lose(this.#lost ?? (this.#handler && new Error('the stream ended')))
  }

  /** @param error for the handler only */
  #lose(error: Error | undefined): void {
    const handler = this.#handler
    this.#handler = undefined
    this.stream.destroy()
    this.#onIdleGone?.()
    this.#onIdleGone = undefined
    if (error) handler?.onLost(error)
  }
}
