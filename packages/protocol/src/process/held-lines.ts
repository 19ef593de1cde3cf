// The lines that wait for a log's output, in their order, as pieces of whole lines.

import { LogPiece } from './log-piece.ts'

// Turning one access line into bytes takes as long as making the line. Turning four at once takes about twice as long;
// joining more gains nothing.
const JOINED_MAX_CHARS = 1024
const PIECE_PARTS = 8 // as bytes, and escaped, joined lines take up to six times as much as in characters

export class HeldLines {
  readonly #pieceBytes: number
  readonly #full: LogPiece[] = []
  #fullBytes = 0
  #filling: LogPiece
  /** The newest lines, which become bytes together. */
  #joined = ''
  readonly #joinedMaxChars: number
  #spare: LogPiece | undefined

  constructor(pieceBytes: number) {
    this.#pieceBytes = pieceBytes
    this.#filling = new LogPiece(pieceBytes)
    this.#joinedMaxChars = Math.min(JOINED_MAX_CHARS, pieceBytes / PIECE_PARTS)
  }

  /** The newest lines are counted by their characters. */
  get bytes(): number {
    return this.#fullBytes + this.#filling.size + this.#joined.length
  }

  add(line: string): void {
    if (this.#joined.length + line.length > this.#joinedMaxChars) this.#encode()
    this.#joined += line
  }

  #encode(): void {
    const lines = this.#joined
    this.#joined = ''
    if (lines === '' || this.#filling.add(lines)) return
    if (this.#filling.size > 0) {
      this.#full.push(this.#filling)
      this.#fullBytes += this.#filling.size
    }
    this.#filling = LogPiece.for(lines, this.#pieceBytes)
    this.#filling.add(lines)
  }

  /** Returns the first piece, which is then no longer held; undefined if there are no lines. */
  take(): LogPiece | undefined {
    this.#encode()
    const full = this.#full.shift()
    if (full) {
      this.#fullBytes -= full.size
      return full
    }
    if (this.#filling.size === 0) return undefined
    const piece = this.#filling
    this.#filling = this.#spare ?? new LogPiece(this.#pieceBytes)
    this.#spare = undefined
    return piece
  }

  /** Takes back a piece that nobody writes any more, to be filled again. */
  giveBack(piece: LogPiece): void {
    if (piece.bytes.length !== this.#pieceBytes) return // it was made for one long line
    piece.clear()
    this.#spare = piece
  }
}
