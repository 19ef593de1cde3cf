// Reads from the exchanges on one stream the data for a list of requests. The relay sends one request after another,
// each when the answer to the last one is complete, and writes its own framing: so the requests alone show their ends,
// and of an answer only the status and the time of the last byte are read. Once a stream is not HTTP/1.1 (any more), it
// is not read further.

import type { SeenRequest } from './seen-request.ts'

/** The relay sends shorter ones. */
const HEAD_MAX_BYTES = 64 * 1024
const METHOD_MAX_CHARS = 20
const PATH_MAX_CHARS = 512
/** "HTTP/1.1 200" */
const STATUS_BYTES = 12
const CR = 13
const LF = 10

type Expects =
  /** Bytes of the next request, or the rest of it. */
  | { what: 'head'; bytes: Buffer }
  | { what: 'body'; left: number }
  /** A line of the chunked coding: the length of a chunk, or a line after the last one. */
  | { what: 'line'; text: string; isTrailer: boolean }
  /** The rest of a chunk, with the line end after it. */
  | { what: 'chunk'; left: number }
  | { what: 'nothing' }

export class ExchangeReader {
  readonly #onRequest: (request: SeenRequest) => void
  #expects: Expects = { what: 'head', bytes: NO_BYTES }
  #request: SeenRequest | undefined
  #since = 0
  /** The head of an answer before its status; undefined after it. */
  #answer: Buffer | undefined

  constructor(onRequest: (request: SeenRequest) => void) {
    this.#onRequest = onRequest
  }

  /** Never throws. */
  readRequest(chunk: Buffer): void {
    let rest = chunk
    while (rest.length > 0 && this.#expects.what !== 'nothing') rest = this.#readPart(rest, this.#expects)
  }

  /** Never throws. */
  readAnswer(chunk: Buffer): void {
    const request = this.#request
    if (!request) return
    if (request.status !== 101) request.ms = performance.now() - this.#since // not the life of a 101
    if (this.#answer) this.#readStatus(joined(this.#answer, chunk), request)
  }

  #readPart(bytes: Buffer, expects: Exclude<Expects, { what: 'nothing' }>): Buffer {
    switch (expects.what) {
      case 'head':
        return this.#readHead(joined(expects.bytes, bytes))
      case 'line':
        return this.#readLine(bytes, expects)
      case 'body':
      case 'chunk': {
        const taken = Math.min(expects.left, bytes.length)
        expects.left -= taken
        if (expects.left === 0) this.#expects = expects.what === 'body' ? HEAD : lineOf('chunk')
        return bytes.subarray(taken)
      }
    }
  }

  #readHead(bytes: Buffer): Buffer {
    const end = bytes.indexOf('\r\n\r\n')
    if (end < 0) {
      this.#expects = bytes.length > HEAD_MAX_BYTES ? NOTHING : { what: 'head', bytes }
      return NO_BYTES
    }
    const head = bytes.toString('latin1', 0, end)
    const [, method, target] = /^([!-~]+) ([^ \r\n]+) HTTP\/1\.1\r\n/.exec(`${head}\r\n`) ?? []
    if (method === undefined || target === undefined) {
      this.#expects = NOTHING
      return NO_BYTES
    }
    this.#begin(method, target, /\r\nsallyport-request-id: *([\w-]{1,64})\r?$/im.exec(head)?.[1])
    if (/\r\ntransfer-encoding:/i.test(head)) this.#expects = lineOf('chunk')
    else {
      const length = Number(/\r\ncontent-length:[ \t]*(\d+)/i.exec(head)?.[1] ?? 0)
      this.#expects = length > 0 ? { what: 'body', left: length } : HEAD
    }
    return bytes.subarray(end + 4)
  }

  #begin(method: string, target: string, id: string | undefined): void {
    const query = target.indexOf('?')
    const path = query < 0 ? target : target.slice(0, query)
    this.#request = {
      id,
      at: Date.now(),
      method: method.slice(0, METHOD_MAX_CHARS),
      path: path.slice(0, PATH_MAX_CHARS),
      status: undefined,
      ms: undefined,
    }
    this.#since = performance.now()
    this.#answer = NO_BYTES
    this.#onRequest(this.#request)
  }

  #readLine(bytes: Buffer, line: Extract<Expects, { what: 'line' }>): Buffer {
    const end = bytes.indexOf(LF)
    line.text += bytes.toString('latin1', 0, end < 0 ? bytes.length : end)
    if (line.text.length > HEAD_MAX_BYTES) this.#expects = NOTHING
    if (end < 0 || this.#expects === NOTHING) return NO_BYTES
    const text = line.text.charCodeAt(line.text.length - 1) === CR ? line.text.slice(0, -1) : line.text
    const length = Number.parseInt(text, 16)
    if (line.isTrailer) this.#expects = text === '' ? HEAD : lineOf('trailer')
    else if (length === 0) this.#expects = lineOf('trailer')
    else this.#expects = length > 0 ? { what: 'chunk', left: length + 2 } : NOTHING
    return bytes.subarray(end + 1)
  }

  /** @param bytes of the answer, from the beginning of a head on */
  #readStatus(bytes: Buffer, request: SeenRequest): void {
    for (let from = 0; ;) {
      this.#answer = bytes.subarray(from)
      if (this.#answer.length < STATUS_BYTES) return
      const [, digits] = /^HTTP\/1\.[01] ([1-9]\d\d)$/.exec(bytes.toString('latin1', from, from + STATUS_BYTES)) ?? []
      const status = digits === undefined ? undefined : Number(digits)
      if (status === undefined || status >= 200 || status === 101) {
        request.status = status
        this.#answer = undefined
        if (status === undefined || status === 101) this.#expects = NOTHING
        return
      }
      // Interim answers (RFC 9110 15.2) are not shown.
      const end = bytes.indexOf('\r\n\r\n', from)
      if (end < 0) {
        if (this.#answer.length > HEAD_MAX_BYTES) this.#answer = undefined
        return
      }
      from = end + 4
    }
  }
}

const NO_BYTES = Buffer.alloc(0)
const HEAD: Expects = { what: 'head', bytes: NO_BYTES }
const NOTHING: Expects = { what: 'nothing' }

function lineOf(body: 'chunk' | 'trailer'): Expects {
  return { what: 'line', text: '', isTrailer: body === 'trailer' }
}

function joined(before: Buffer, bytes: Buffer): Buffer {
  return before.length === 0 ? bytes : Buffer.concat([before, bytes])
}
