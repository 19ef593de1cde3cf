// Everything a session has to send, in the order in which it leaves: GoAway, pongs, pings and RST, then flags and
// credit, then data, where streams take turns. Frames are gathered and leave as one message per turn of the event loop,
// or as soon as 32 KiB or the data of a dozen streams are there. Streams keep their bytes until the carrier has room:
// nothing can overtake bytes that a socket has taken, so turns would be worthless.

import type { Carrier } from './carrier.ts'
import {
  FLAG_ACK,
  FLAG_FIN,
  FLAG_RST,
  FLAG_SYN,
  HEADER_BYTES,
  TYPE_DATA,
  TYPE_GO_AWAY,
  TYPE_PING,
  TYPE_WINDOW_UPDATE,
  writeHeader,
} from './frame.ts'
import type { YamuxStream } from './stream.ts'

const PAYLOAD_BYTES = 32 * 1024 // of one message, and so of one frame: half of what a socket reads at once, so that few need joining
const MESSAGE_BYTES = PAYLOAD_BYTES + 8 * 1024 // the payload and the headers of some hundred frames
// Then the message leaves in the middle of the turn: the other end works on it while this one continues. With fewer
// streams the messages cost more than they gain, with more both ends wait for each other (docs/decisions/0012).
const STREAMS_GATHERED = 12
const SHARED_TURN_BYTES = 8 * 1024 // of one stream while others wait: a small answer passes ten downloads in 80 KiB
const CARRIER_ROOM_BYTES = 48 * 1024 // a message is handed over below this, so the carrier holds at most 88 KiB
const MESSAGES_PER_TURN = 32 // 1 MiB, then the event loop gets its turn
const LARGE_MESSAGE_BYTES = 16 * 1024 // from here on a message is built in its own memory, below it is copied out
const SPARES_AT_MOST = 3 // what a carrier with 88 KiB of room holds; making new memory for each costs a third of bulk
const PONGS_AT_MOST = 64 // a peer that asks more often in one turn gets no more answers
const RESETS_AT_MOST = 64 * 1024 // 768 KiB of RST that nobody takes: the peer provokes them and does not read

// Small messages are built here before they get memory of their exact size. Holds nothing between two calls.
const scratch = Buffer.allocUnsafeSlow(MESSAGE_BYTES)

export class Outbox {
  readonly #carrier: Carrier
  readonly #pongs: number[] = []
  readonly #pings: number[] = []
  readonly #resets: number[] = []
  #goAwayCode: number | undefined
  readonly #announcing = new Set<YamuxStream>()
  readonly #ready = new Set<YamuxStream>()
  #readyBytes = 0
  readonly #served: YamuxStream[] = []
  /** Memory of large messages that the carrier has given back. */
  readonly #spares: Buffer[] = []
  #isScheduled = false
  #isFlushing = false
  #isBlocked = false
  #isClosed = false

  constructor(carrier: Carrier) {
    this.#carrier = carrier
  }

  /** Whether a message leaves at the end of this turn: then further frames cost no system call. */
  get isGathering(): boolean {
    return this.#isScheduled && !this.#isBlocked
  }

  /** Answers a ping, unless too many answers wait already. */
  pong(opaque: number): void {
    if (this.#isClosed || this.#pongs.length >= PONGS_AT_MOST) return
    this.#pongs.push(opaque)
    this.#schedule()
  }

  ping(opaque: number): void {
    if (this.#isClosed) return
    this.#pings.push(opaque)
    this.#schedule()
  }

  /** False when the peer lets too many pile up. */
  reset(streamId: number): boolean {
    if (this.#isClosed) return true
    if (this.#resets.length >= RESETS_AT_MOST) return false
    this.#resets.push(streamId)
    this.#schedule()
    return true
  }

  goAway(code: number): void {
    this.#goAwayCode = code
    this.#schedule()
  }

  /** The stream has flags or credit to send. They travel with its data if there is any. */
  announce(stream: YamuxStream): void {
    if (this.#isClosed) return
    this.#announcing.add(stream)
    this.#schedule()
  }

  /** The stream has `added` more bytes, or a FIN, that its window allows. */
  ready(stream: YamuxStream, added: number): void {
    if (this.#isClosed) return
    if (this.#ready.has(stream)) {
      this.#readyBytes += added
    } else {
      this.#ready.add(stream)
      this.#readyBytes += stream.queuedBytes
    }
    if (this.#readyBytes >= PAYLOAD_BYTES || this.#ready.size >= STREAMS_GATHERED) this.flush()
    else this.#schedule()
  }

  /** The stream is gone; called before it drops its bytes. */
  forget(stream: YamuxStream): void {
    this.#announcing.delete(stream)
    if (this.#ready.delete(stream)) this.#readyBytes -= stream.queuedBytes
  }

  /** Sends as much as the carrier has room for. */
  flush(): void {
    if (this.#isFlushing || this.#isBlocked || this.#isClosed) return
    this.#isFlushing = true
    try {
      for (let sent = 0; this.#hasWork(); sent++) {
        if (this.#carrier.bufferedBytes >= CARRIER_ROOM_BYTES) {
          this.#isBlocked = true
          return
        }
        if (sent === MESSAGES_PER_TURN) return this.#schedule()
        this.#sendMessage()
        this.#settleServed()
        // A writer that is called back from here on may end the session.
        if (this.#isClosed) return
      }
    } finally {
      this.#isFlushing = false
    }
  }

  /** Sends everything queued except data, even if the carrier has no room, and nothing afterwards. */
  close(): void {
    if (this.#isClosed) return
    this.#ready.clear()
    while (this.#hasWork()) this.#sendMessage()
    this.discard()
  }

  /** Sends nothing more. */
  discard(): void {
    this.#isClosed = true
    this.#goAwayCode = undefined
    this.#pongs.length = 0
    this.#pings.length = 0
    this.#resets.length = 0
    this.#announcing.clear()
    this.#ready.clear()
    this.#readyBytes = 0
    this.#spares.length = 0
  }

  #hasWork(): boolean {
    return (
      this.#ready.size > 0 ||
      this.#announcing.size > 0 ||
      this.#pongs.length > 0 ||
      this.#resets.length > 0 ||
      this.#pings.length > 0 ||
      this.#goAwayCode !== undefined
    )
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isBlocked || this.#isClosed) return
    this.#isScheduled = true
    setImmediate(this.#onTurn)
  }

  readonly #onTurn = (): void => {
    this.#isScheduled = false
    this.flush()
  }

  readonly #onSent = (): void => {
    if (!this.#isBlocked || this.#carrier.bufferedBytes >= CARRIER_ROOM_BYTES) return
    this.#isBlocked = false
    this.flush()
  }

  #sendMessage(): void {
    const isLarge = this.#readyBytes >= LARGE_MESSAGE_BYTES
    const target = isLarge ? (this.#spares.pop() ?? Buffer.allocUnsafeSlow(MESSAGE_BYTES)) : scratch
    let end = this.#writeControl(target, 0)
    end = this.#writeAnnouncements(target, end)
    end = this.#writeData(target, end)
    if (end === 0) return
    if (isLarge) this.#carrier.send(target.subarray(0, end), (error) => this.#onLargeSent(target, error))
    else this.#carrier.send(Buffer.from(target.subarray(0, end)), this.#onSent)
  }

  #onLargeSent(memory: Buffer, error?: Error | null): void {
    if (!error && !this.#isClosed && this.#spares.length < SPARES_AT_MOST) this.#spares.push(memory)
    this.#onSent()
  }

  #writeControl(target: Buffer, start: number): number {
    let end = start
    if (this.#goAwayCode !== undefined) {
      end = writeHeader(target, end, TYPE_GO_AWAY, 0, 0, this.#goAwayCode)
      this.#goAwayCode = undefined
    }
    for (const opaque of this.#pongs) end = writeHeader(target, end, TYPE_PING, FLAG_ACK, 0, opaque)
    for (const opaque of this.#pings) end = writeHeader(target, end, TYPE_PING, FLAG_SYN, 0, opaque)
    this.#pongs.length = 0
    this.#pings.length = 0
    if (this.#resets.length === 0) return end
    const resets = Math.min(this.#resets.length, Math.floor((PAYLOAD_BYTES - end) / HEADER_BYTES))
    for (const streamId of this.#resets.splice(0, resets)) {
      end = writeHeader(target, end, TYPE_WINDOW_UPDATE, FLAG_RST, streamId, 0)
    }
    return end
  }

  #writeAnnouncements(target: Buffer, start: number): number {
    let end = start
    for (const stream of this.#announcing) {
      if (end > PAYLOAD_BYTES - HEADER_BYTES) break
      this.#announcing.delete(stream)
      // Flags alone wait for the data that is about to leave anyway; credit does not.
      if (!stream.hasCredit && (!stream.hasAnnouncement || this.#ready.has(stream))) continue
      end = writeHeader(target, end, TYPE_WINDOW_UPDATE, stream.takeFlags(), stream.id, stream.takeCredit())
    }
    return end
  }

  #writeData(target: Buffer, start: number): number {
    let end = start
    let payloadLeft = PAYLOAD_BYTES - start
    // A stream that was served and has more goes to the back of the set, and this loop meets it there again.
    for (const stream of this.#ready) {
      // Room for a Data header, a FIN and some payload.
      const room = Math.min(payloadLeft, target.length - end - 2 * HEADER_BYTES)
      if (room <= 0) break
      const turn = this.#ready.size > 1 ? Math.min(room, SHARED_TURN_BYTES) : room
      const count = Math.min(stream.sendableBytes, turn)
      if (count > 0) {
        end = writeHeader(target, end, TYPE_DATA, stream.takeFlags(), stream.id, count)
        stream.moveTo(target, end, count)
        end += count
        payloadLeft -= count
        this.#readyBytes -= count
      }
      if (stream.isFinDue) {
        // Not on the Data frame: hashicorp's reader may see the FIN before the bytes that came with it.
        end = writeHeader(
          target,
          end,
          TYPE_WINDOW_UPDATE,
          stream.takeFlags() | FLAG_FIN,
          stream.id,
          stream.takeCredit(),
        )
        stream.markFinSent()
      }
      this.#served.push(stream)
      this.#ready.delete(stream)
      if (stream.isReady) this.#ready.add(stream)
      else this.#readyBytes -= stream.queuedBytes
    }
    return end
  }

  #settleServed(): void {
    if (this.#served.length === 0) return
    const served = this.#served.splice(0)
    for (const stream of served) stream.settle()
  }
}
