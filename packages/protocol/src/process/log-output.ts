// Writes the lines of a log to standard output or standard error, whatever that is connected to. A full disk, or a
// reader that has stalled or gone, must cost only lines, which are counted: no unbounded memory, no thread, and not the
// process.
//
//   idle ──lines──▶ writing ──written──▶ idle
//                    │    └──no room (EAGAIN)──▶ waiting ──▶ writing again from where it stopped
//                    └──error──▶ the piece is dropped ──▶ waiting

import { constants, openSync, write, writeSync } from 'node:fs'
import { isatty } from 'node:tty'

import { HeldLines } from './held-lines.ts'
import type { LogPiece } from './log-piece.ts'

const HELD_MAX_BYTES = 4 * 1024 * 1024 // some seconds of a busy relay
const PIECE_BYTES = 64 * 1024
// A pipe does not say when it has room again. It holds 64 KiB: with a pause of 100 ms no more than 640 KB/s would get
// through, however fast the reader. So the pause begins short, and doubles while the pipe is full.
const FULL_PAUSE_MS = { first: 1, longest: 100 }
const ERROR_PAUSE_MS = 1000 // a disk that is full stays so for a while
const LAST_TRY_MS = 100 // at the end of the process, for a reader that is only slow
const LAST_PAUSE_MS = 5

export interface LogOutputOptions {
  /** How many bytes to gather before a write, and for how long at most. None by default. */
  gather?: { bytes: number; ms: number }
  /** The size of one write, in whole lines: a pipe that several processes write to takes so much as a whole. */
  pieceBytes?: number
  /** Called with the number of lost lines, once there is room again. */
  onDropped?: (lines: number) => void
  /** A test shortens this. */
  heldMaxBytes?: number
  errorPauseMs?: number
}

export class LogOutput {
  /** Lines that were not written since the start. */
  droppedLines = 0
  readonly #fd: number
  readonly #options: LogOutputOptions
  readonly #heldMaxBytes: number
  readonly #held: HeldLines
  /** The piece that is being written. */
  #piece: LogPiece | undefined
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
    this.#heldMaxBytes = options.heldMaxBytes ?? HELD_MAX_BYTES
    this.#held = new HeldLines(options.pieceBytes ?? PIECE_BYTES)
    process.once('exit', () => this.#writeLast())
  }

  /** @param line with its line feed */
  write(line: string): void {
    if (this.#held.bytes + line.length > this.#heldMaxBytes) {
      this.#drop(1)
      return
    }
    this.#held.add(line)
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
    if (!gather || this.#held.bytes >= gather.bytes || isAwaited) this.#writeNext()
    else if (this.#held.bytes > 0) this.#gathering ??= setTimeout(() => this.#writeNext(), gather.ms).unref()
  }

  #writeNext(): void {
    clearTimeout(this.#gathering)
    this.#gathering = undefined
    if (this.#isWriting || this.#pause) return
    const piece = (this.#piece ??= this.#nextPiece())
    if (!piece) return this.#rest()
    this.#isWriting = true
    write(this.#fd, piece.bytes, piece.next, piece.end - piece.next, null, (error, count) => {
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
      piece.next += count
      if (piece.next < piece.end) return this.#writeNext()
      this.#done(piece)
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
        piece.next += writeSync(this.#fd, piece.bytes, piece.next, piece.end - piece.next)
      } catch (error) {
        if (codeOf(error) !== 'EAGAIN') return
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LAST_PAUSE_MS)
      }
      if (piece.next === piece.end) piece = this.#nextPiece()
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

  #nextPiece(): LogPiece | undefined {
    const piece = this.#held.take()
    if (this.#isTorn) piece?.endTornLine()
    return piece
  }

  #done(piece: LogPiece): void {
    this.#piece = undefined
    this.#held.giveBack(piece)
  }

  #giveUp(piece: LogPiece): void {
    if (piece.next > 0) this.#isTorn = piece.isTorn
    this.#drop(piece.countLinesLeft())
    this.#done(piece)
  }

  #drop(lines: number): void {
    this.droppedLines += lines
    this.#untold += lines
  }

  /** Only once there is room again, or a reader that is always too slow would get this line with every piece. */
  #tell(): void {
    if (this.#untold === 0 || this.#held.bytes > this.#heldMaxBytes / 2) return
    const lines = this.#untold
    this.#untold = 0
    this.#options.onDropped?.(lines)
  }
}

/** A write must fail instead of waiting: a thread that waits in write() for ever also keeps the process from ending. */
function openWithoutWaiting(fd: 1 | 2): number {
  if (isatty(fd)) {
    try {
      // The terminal is opened again, because its other users expect writes to wait. Ctrl+S stops a terminal.
      return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
    } catch {
      return fd // not Linux, or another user's terminal
    }
  }
  // Node puts a pipe or socket into that mode when it makes its stream, on the first access.
  void (fd === 1 ? process.stdout : process.stderr).writable
  return fd
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
