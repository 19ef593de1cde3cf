// The lines that wait for a log's output, in their order, as pieces of whole lines.

import { LogPiece } from './log-piece.ts'

export class HeldLines {
  readonly #pieceBytes: number
  readonly #full: LogPiece[] = []
  #fullBytes = 0
  #filling: LogPiece
  #spare: LogPiece | undefined

  constructor(pieceBytes: number) {
    this.#pieceBytes = pieceBytes
    this.#filling = new LogPiece(pieceBytes)
  }

  get bytes(): number {
    return this.#fullBytes + this.#filling.size
  }

  add(line: string): void {
    if (this.#filling.add(line)) return
    if (this.#filling.size > 0) {
      this.#full.push(this.#filling)
      this.#fullBytes += this.#filling.size
    }
    this.#filling = LogPiece.for(line, this.#pieceBytes)
    this.#filling.add(line)
  }

  /** Returns the first piece, which is then no longer held; undefined if there are no lines. */
  take(): LogPiece | undefined {
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
