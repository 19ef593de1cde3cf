// Writes the lines of a log to standard output or standard error, whatever that is connected to. A full disk, or a
// reader that has stalled or gone, must cost only lines, which are counted: no unbounded memory, no thread, and not the
// process.
//
//   idle ──lines──▶ writing ──written──▶ idle
//                    │    └──no room (EAGAIN)──▶ waiting ──▶ writing again from where it stopped
//                    └──error──▶ the piece is dropped ──▶ waiting

import { constants, openSync, write, writeSync } from 'node:fs'
import { isatty } from 'node:tty'

const HELD_MAX_CHARS = 4 * 1024 * 1024 // some seconds of a busy relay
const PIECE_BYTES = 64 * 1024
// A pipe does not say when it has room again. It holds 64 KiB: with a pause of 100 ms no more than 640 KB/s would get
// through, however fast the reader. So the pause begins short, and doubles while the pipe is full.
const FULL_PAUSE_MS = { first: 1, longest: 100 }
const ERROR_PAUSE_MS = 1000 // a disk that is full stays so for a while
const LAST_TRY_MS = 100 // at the end of the process, for a reader that is only slow
const LAST_PAUSE_MS = 5
const LINE_FEED = 0x0a
/** Characters that JSON leaves unescaped and a terminal obeys: C1 controls, and those that end or reorder a line. */
const HOSTILE = /[\u0080-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

export interface LogOutputOptions {
  /** How many characters to gather before a write, and for how long at most. None by default. */
  gather?: { chars: number; ms: number }
  /** The size of one write, in whole lines: a pipe that several processes write to takes so much as a whole. */
  pieceBytes?: number
  /** Called with the number of lost lines, once there is room again. */
  onDropped?: (lines: number) => void
  /** A test shortens this. */
  heldMaxChars?: number
  errorPauseMs?: number
}

/** A piece that is being written. */
interface Piece {
  bytes: Buffer
  written: number
  /** The start of its first line: after the line feed that ends a line torn off before. */
  start: number
}

export class LogOutput {
  /** Lines that were not written since the start. */
  droppedLines = 0
  readonly #fd: number
  readonly #options: LogOutputOptions
  readonly #heldMaxChars: number
  readonly #pieceBytes: number
  #lines: string[] = []
  #heldChars = 0
  #piece: Piece | undefined
  #isWriting = false
  #pause: NodeJS.Timeout | undefined
  #fullPauseMs = FULL_PAUSE_MS.first
  #gathering: NodeJS.Timeout | undefined
  /** The last line was written only in part. */
  #isTorn = false
  /** Dropped lines not reported yet. */
  #untold = 0
  #onIdle: (() => void)[] = []

  /** @param fd of standard output or standard error; any other one must be in a mode in which writing does not wait */
  constructor(fd: number, options: LogOutputOptions = {}) {
    this.#fd = fd === 1 || fd === 2 ? openWithoutWaiting(fd) : fd
    this.#options = options
    this.#heldMaxChars = options.heldMaxChars ?? HELD_MAX_CHARS
    this.#pieceBytes = options.pieceBytes ?? PIECE_BYTES
    process.once('exit', () => this.#writeLast())
  }

  /** @param line with its line feed */
  write(line: string): void {
    if (this.#heldChars + line.length > this.#heldMaxChars) {
      this.#drop(1)
      return
    }
    this.#lines.push(line)
    this.#heldChars += line.length
    this.#writeWhenEnough()
  }

  /** Resolves when everything is written, or the deadline has passed. */
  async drained(deadlineMs: number): Promise<void> {
    this.#writeNext()
    if (!this.#isWriting && !this.#pause) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, deadlineMs)
      this.#onIdle.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  #writeWhenEnough(): void {
    const { gather } = this.#options
    const isAwaited = this.#onIdle.length > 0
    if (!gather || this.#heldChars >= gather.chars || isAwaited) this.#writeNext()
    else if (this.#heldChars > 0) this.#gathering ??= setTimeout(() => this.#writeNext(), gather.ms).unref()
  }

  #writeNext(): void {
    clearTimeout(this.#gathering)
    this.#gathering = undefined
    if (this.#isWriting || this.#pause) return
    const piece = (this.#piece ??= this.#nextPiece())
    if (!piece) return this.#rest()
    this.#isWriting = true
    write(this.#fd, piece.bytes, piece.written, (error, count) => {
      this.#isWriting = false
      if (error?.code === 'EAGAIN') {
        this.#waitFor(this.#fullPauseMs)
        this.#fullPauseMs = Math.min(2 * this.#fullPauseMs, FULL_PAUSE_MS.longest)
        return
      }
      this.#fullPauseMs = FULL_PAUSE_MS.first
      if (error) {
        this.#giveUp(piece)
        return this.#waitFor(this.#options.errorPauseMs ?? ERROR_PAUSE_MS)
      }
      piece.written += count
      if (piece.written < piece.bytes.length) return this.#writeNext()
      this.#piece = undefined
      this.#isTorn = false
      this.#tell()
      // Not at once: only a few lines may have come meanwhile, and a write costs the same for a hundred.
      this.#writeWhenEnough()
    })
  }

  /** The process ends and waits for nothing: lines that cannot be written at once are lost. */
  #writeLast(): void {
    const until = performance.now() + LAST_TRY_MS
    // A piece that a thread is writing will be written, or not; the thread cannot be asked.
    let piece = this.#isWriting ? this.#nextPiece() : (this.#piece ?? this.#nextPiece())
    while (piece && performance.now() < until) {
      try {
        piece.written += writeSync(this.#fd, piece.bytes, piece.written)
      } catch (error) {
        if (codeOf(error) !== 'EAGAIN') return
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LAST_PAUSE_MS)
      }
      if (piece.written === piece.bytes.length) piece = this.#nextPiece()
    }
  }

  #waitFor(ms: number): void {
    this.#pause = setTimeout(() => {
      this.#pause = undefined
      this.#writeNext()
    }, ms).unref()
  }

  #rest(): void {
    for (const resolve of this.#onIdle.splice(0)) resolve()
  }

  #nextPiece(): Piece | undefined {
    let lines = firstWithin(this.#pieceBytes, this.#lines, (line) => line.length)
    if (lines.length === 0) return undefined
    // A torn-off line must not become the front of the next one.
    const front = this.#isTorn ? '\n' : ''
    let text = lines.join('')
    let bytes = Buffer.from(front + text)
    const isAscii = bytes.length === front.length + text.length
    if (!isAscii) {
      const safe = lines.map((line) => line.replaceAll(HOSTILE, escaped))
      const fitting = firstWithin(this.#pieceBytes, safe, (line) => Buffer.byteLength(line))
      bytes = Buffer.from(front + fitting.join(''))
      lines = lines.slice(0, fitting.length)
      text = lines.join('')
    }
    this.#lines.splice(0, lines.length)
    this.#heldChars -= text.length
    return { bytes, written: 0, start: front.length }
  }

  #giveUp({ bytes, written, start }: Piece): void {
    this.#piece = undefined
    if (written > 0) this.#isTorn = bytes[written - 1] !== LINE_FEED
    let lines = 0
    for (let at = bytes.indexOf(LINE_FEED, Math.max(written, start)); at !== -1; at = bytes.indexOf(LINE_FEED, at + 1))
      lines++
    this.#drop(lines)
  }

  #drop(lines: number): void {
    this.droppedLines += lines
    this.#untold += lines
  }

  /** Only once there is room again, or a reader that is always too slow would get this line with every piece. */
  #tell(): void {
    if (this.#untold === 0 || this.#heldChars > this.#heldMaxChars / 2) return
    const lines = this.#untold
    this.#untold = 0
    this.#options.onDropped?.(lines)
  }
}

/** A write must fail instead of waiting: a thread that waits in write() for ever also keeps the process from ending. */
function openWithoutWaiting(fd: 1 | 2): number {
  if (isatty(fd)) {
    try {
      // Opened anew: the terminal's other users expect writes to wait. Ctrl+S stops a terminal.
      return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
    } catch {
      return fd // not Linux, or another user's terminal
    }
  }
  // Node puts a pipe or socket into that mode when it makes its stream, on the first access.
  void (fd === 1 ? process.stdout : process.stderr).writable
  return fd
}

/** The first lines that together are no longer than that, but at least one if there is any. */
function firstWithin(longest: number, lines: readonly string[], lengthOf: (line: string) => number): string[] {
  let count = 0
  let length = 0
  for (const line of lines) {
    length += lengthOf(line)
    if (count > 0 && length > longest) break
    count++
  }
  return lines.slice(0, count)
}

/** As JSON may write it, so that the line still says the same. */
function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
