// Reads an app's HTTP/1.1 response from a tunnel stream: strict, incremental, without copying bodies.
// Source: RFC 9112. It refuses everything that two parsers could read differently, and the stream is closed. Knows
// nothing of visitors. State machine:
//
//   head ──▶ (1xx: head again) ──▶ length | chunk size ⇄ chunk data | until close ──▶ done
//                                               └▶ trailers ──▶ done

import { normalHeaderName } from '../../values/normal-header-name.ts'
import { BadResponse } from '../transfer/response-head.ts'
import type { ResponseHead } from '../transfer/response-head.ts'

const CR = 0x0d
const LF = 0x0a
const INFORMATION_MAX = 32 // 1xx responses before one final one
const CHUNK_LINE_MAX_BYTES = 256
const EMPTY = Buffer.alloc(0)

// RFC 9112 4: status-line, with the reason phrase optional.
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/
// RFC 9110 5.6.2
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
// RFC 9110 5.5: anything but controls
// oxlint-disable-next-line no-control-regex -- the control characters are what this looks for
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f]/
// RFC 9112 7.1 and 7.1.1. Of its "bad whitespace" we take the spaces after the size, with which old servers pad it:
// they have no other meaning, and the relay frames its own chunks for the visitor. Node's strict parser refuses them.
const CHUNK_SIZE =
  /^([0-9a-f]{1,12}) *(?:;[!#$%&'*+.^_`|~0-9a-z-]+(?:=(?:[!#$%&'*+.^_`|~0-9a-z-]+|"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"))?)*$/i

const STATUS_LINE_START = 'HTTP/1.'
const FRAMING = /^(?:content-length|transfer-encoding)[ \t]*:/i

export interface ResponseHandler {
  /** An interim response: 100, 102, 103 … */
  onInformation(head: ResponseHead): void
  onHead(head: ResponseHead): void
  /** @param isLast whether the body is complete with this chunk; not known ahead for `close` and `chunked` */
  onBody(chunk: Buffer, isLast: boolean): void
  onTrailers(rawTrailers: string[]): void
  /** The response is complete. Called last. */
  onComplete(): void
  /** The app switched protocols; `rest` came after the head. Only for a requested upgrade. */
  onUpgrade(head: ResponseHead, rest: Buffer): void
}

type State = 'idle' | 'head' | 'length' | 'close' | 'chunk-size' | 'chunk-data' | 'chunk-end' | 'trailers' | 'upgraded'

export class ResponseParser {
  readonly #headMaxBytes: number
  #handler: ResponseHandler | undefined
  #state: State = 'idle'
  #isHead = false
  #wantsUpgrade = false
  #informations = 0
  #left = 0
  #trailers: string[] = []
  #trailerBytes = 0
  /** An incomplete head, chunk line or trailer section. */
  #kept: Buffer = EMPTY
  #keptLength = 0
  #searched = 0

  constructor(headMaxBytes: number) {
    this.#headMaxBytes = headMaxBytes
  }

  /** Expects the response to a request of this method. */
  begin(method: string, handler: ResponseHandler, wantsUpgrade = false): void {
    this.#handler = handler
    this.#isHead = method === 'HEAD'
    this.#wantsUpgrade = wantsUpgrade
    this.#informations = 0
    this.#state = 'head'
  }

  /** @throws BadResponse; the parser must not be used afterwards */
  feed(chunk: Buffer): void {
    let offset = 0
    while (offset < chunk.length) {
      switch (this.#state) {
        case 'head':
          offset = this.#feedHead(chunk, offset)
          break
        case 'length':
        case 'chunk-data':
          offset = this.#feedCounted(chunk, offset)
          break
        case 'close':
          this.#handler!.onBody(offset === 0 ? chunk : chunk.subarray(offset), false) // a handler is set by begin()
          return
        case 'chunk-size':
          offset = this.#feedChunkSize(chunk, offset)
          break
        case 'chunk-end':
          offset = this.#feedChunkEnd(chunk, offset)
          break
        case 'trailers':
          offset = this.#feedTrailers(chunk, offset)
          break
        case 'idle':
          throw new BadResponse('bytes behind the response')
        case 'upgraded':
          return
      }
    }
  }

  /**
   * The app ended the connection.
   * @returns whether that completed the response
   */
  end(): boolean {
    if (this.#state === 'close') {
      this.#complete()
      return true
    }
    return this.#state === 'idle' || this.#state === 'upgraded'
  }

  /** The problem with the bytes that came instead of a head, if the app has ended after them. */
  get complaint(): string | undefined {
    if (this.#state !== 'head' || this.#keptLength === 0) return undefined
    const text = this.#kept.toString('latin1', 0, Math.min(this.#keptLength, STATUS_LINE_START.length))
    if (!STATUS_LINE_START.startsWith(text)) return 'the app sent something that is not HTTP, and closed the connection'
    return 'the app closed the connection in the midst of the response head'
  }

  #feedHead(chunk: Buffer, offset: number): number {
    const section = this.#section(chunk, offset, this.#headMaxBytes, 'the response head')
    if (!section) return chunk.length
    const head = parseHead(section.text)
    if (head.status < 200) {
      if (head.status === 101) return this.#switch(head, chunk, section.next)
      if (++this.#informations > INFORMATION_MAX) throw new BadResponse('too many interim responses')
      this.#handler!.onInformation(head)
      return section.next
    }
    if (this.#isHead || head.status === 204 || head.status === 304) {
      // An announced body that must not come (RFC 9110 6.4.1) may still be on its way, and on a kept connection it
      // would precede another visitor's answer.
      if (head.framing !== 'close' && head.framing !== 0) head.keepAlive = false
      head.framing = 0
    }
    this.#handler!.onHead(head)
    if (head.framing === 0) this.#complete()
    else if (head.framing === 'chunked') this.#state = 'chunk-size'
    else if (head.framing === 'close') this.#state = 'close'
    else {
      this.#left = head.framing
      this.#state = 'length'
    }
    return section.next
  }

  #switch(head: ResponseHead, chunk: Buffer, next: number): number {
    if (!this.#wantsUpgrade) throw new BadResponse('101 to a request that asked for no upgrade')
    this.#state = 'upgraded'
    this.#handler!.onUpgrade(head, chunk.subarray(next))
    return chunk.length
  }

  #feedCounted(chunk: Buffer, offset: number): number {
    const available = chunk.length - offset
    const take = available < this.#left ? available : this.#left
    const piece = offset === 0 && take === chunk.length ? chunk : chunk.subarray(offset, offset + take)
    this.#left -= take
    const isLast = this.#left === 0 && this.#state === 'length'
    if (this.#left === 0 && this.#state === 'chunk-data') {
      this.#left = 2
      this.#state = 'chunk-end'
    }
    this.#handler!.onBody(piece, isLast)
    if (isLast) this.#complete()
    return offset + take
  }

  #feedChunkSize(chunk: Buffer, offset: number): number {
    const line = this.#line(chunk, offset)
    if (!line) return chunk.length
    const size = CHUNK_SIZE.exec(line.text)
    if (!size) throw new BadResponse('a chunk size is not valid')
    this.#left = Number.parseInt(size[1]!, 16) // the group always matches
    this.#state = this.#left === 0 ? 'trailers' : 'chunk-data'
    return line.next
  }

  #feedChunkEnd(chunk: Buffer, offset: number): number {
    if (chunk[offset] !== (this.#left === 2 ? CR : LF)) throw new BadResponse('a chunk is longer than its size')
    if (--this.#left === 0) this.#state = 'chunk-size'
    return offset + 1
  }

  #feedTrailers(chunk: Buffer, offset: number): number {
    // The section is empty when the very next line is; otherwise it ends like a head.
    const line = this.#line(chunk, offset, this.#headMaxBytes)
    if (!line) return chunk.length
    if (line.text === '') {
      if (this.#trailers.length > 0) this.#handler!.onTrailers(this.#trailers)
      this.#complete()
    } else {
      this.#trailerBytes += line.text.length
      if (this.#trailerBytes > this.#headMaxBytes)
        throw new BadResponse('the trailers are too long', { isTooLong: true })
      if (FRAMING.test(line.text)) throw new BadResponse('framing among the trailers')
      parseField(line.text, this.#trailers)
    }
    return line.next
  }

  #complete(): void {
    const handler = this.#handler!
    this.#handler = undefined
    this.#state = 'idle'
    this.#trailers = []
    this.#trailerBytes = 0
    handler.onComplete()
  }

  /** A head up to its empty line, joined from all its chunks. */
  #section(chunk: Buffer, offset: number, maxBytes: number, what: string): { text: string; next: number } | undefined {
    if (this.#keptLength === 0) {
      const end = chunk.indexOf('\r\n\r\n', offset, 'latin1')
      if (end !== -1) {
        if (end - offset > maxBytes) throw new BadResponse(`${what} is too long`, { isTooLong: true })
        return { text: chunk.toString('latin1', offset, end), next: end + 4 }
      }
    }
    const before = this.#keptLength
    this.#keep(chunk, offset, maxBytes + 4, what)
    const end = this.#kept.subarray(0, this.#keptLength).indexOf('\r\n\r\n', Math.max(0, this.#searched - 3), 'latin1')
    this.#searched = this.#keptLength
    if (end === -1) {
      // Without CR the head would never end for this parser, so a bare LF is refused here.
      if (this.#kept.subarray(0, this.#keptLength).includes('\n\n', 0, 'latin1')) {
        throw new BadResponse(`the lines of ${what} end in bare line feeds`)
      }
      if (this.#keptLength > maxBytes + 4) throw new BadResponse(`${what} is too long`, { isTooLong: true })
      return undefined
    }
    if (end > maxBytes) throw new BadResponse(`${what} is too long`, { isTooLong: true })
    const text = this.#kept.toString('latin1', 0, end)
    this.#forget()
    return { text, next: offset + (end + 4 - before) }
  }

  /** One line up to CRLF. */
  #line(chunk: Buffer, offset: number, maxBytes = CHUNK_LINE_MAX_BYTES): { text: string; next: number } | undefined {
    if (this.#keptLength === 0) {
      const end = chunk.indexOf(LF, offset)
      if (end !== -1) return { text: lineText(chunk, offset, end, maxBytes), next: end + 1 }
    }
    const end = chunk.indexOf(LF, offset)
    this.#keep(end === -1 ? chunk : chunk.subarray(0, end + 1), offset, maxBytes + 2, 'a line')
    if (end === -1) {
      if (this.#keptLength > maxBytes + 1) throw new BadResponse('a line is too long', { isTooLong: true })
      return undefined
    }
    const text = lineText(this.#kept, 0, this.#keptLength - 1, maxBytes)
    this.#forget()
    return { text, next: end + 1 }
  }

  /** Appends to the kept bytes; grows by doubling, so that a slowly sending app costs no quadratic copying. */
  #keep(chunk: Buffer, offset: number, maxBytes: number, what: string): void {
    const added = chunk.length - offset
    const needed = this.#keptLength + added
    if (needed > maxBytes + 65_536) throw new BadResponse(`${what} is too long`, { isTooLong: true })
    if (needed > this.#kept.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, this.#kept.length * 2, 256))
      this.#kept.copy(grown, 0, 0, this.#keptLength)
      this.#kept = grown
    }
    chunk.copy(this.#kept, this.#keptLength, offset)
    this.#keptLength = needed
  }

  #forget(): void {
    this.#kept = EMPTY
    this.#keptLength = 0
    this.#searched = 0
  }
}

function lineText(bytes: Buffer, start: number, lineFeed: number, maxBytes: number): string {
  if (lineFeed - start > maxBytes + 1) throw new BadResponse('a line is too long', { isTooLong: true })
  if (lineFeed === start || bytes[lineFeed - 1] !== CR) throw new BadResponse('a line does not end in CR LF')
  return bytes.toString('latin1', start, lineFeed - 1)
}

/** Parses status line and fields, and decides the framing (RFC 9112 6.3). */
function parseHead(text: string): ResponseHead {
  let lineEnd = text.indexOf('\r\n')
  const statusLine = lineEnd === -1 ? text : text.slice(0, lineEnd)
  const status = STATUS_LINE.exec(statusLine)
  if (!status) throw new BadResponse('the status line is not valid')
  const minorVersion = Number(status[1])
  const head: ResponseHead = {
    status: Number(status[2]),
    rawHeaders: [],
    framing: 'close',
    keepAlive: minorVersion === 1,
    connectionOptions: undefined,
  }
  while (lineEnd !== -1) {
    const start = lineEnd + 2
    lineEnd = text.indexOf('\r\n', start)
    parseField(lineEnd === -1 ? text.slice(start) : text.slice(start, lineEnd), head.rawHeaders)
  }
  // RFC 9110 15.2: HTTP/1.0 has no interim responses.
  if (minorVersion === 0 && head.status < 200) throw new BadResponse('an interim response of HTTP/1.0')
  decideFraming(head, minorVersion)
  return head
}

function parseField(line: string, into: string[]): void {
  const colon = line.indexOf(':')
  if (isBlank(line.charCodeAt(0))) throw new BadResponse('a header is folded into several lines')
  if (colon < 1) throw new BadResponse('a header name is not valid')
  // RFC 9112 5.1: a proxy MUST remove such white space from a response. The remaining name counts everywhere: for the
  // framing, which must then be unambiguous like any other, and for headers that no app may set.
  let nameEnd = colon
  while (isBlank(line.charCodeAt(nameEnd - 1))) nameEnd--
  const name = fieldName(line.slice(0, nameEnd))
  let start = colon + 1
  let end = line.length
  while (start < end && isBlank(line.charCodeAt(start))) start++
  while (end > start && isBlank(line.charCodeAt(end - 1))) end--
  // Node's parser does not see chunked in "chunked\t", and would read on until the end of the connection.
  if ((nameEnd === 17 || nameEnd === 14) && FRAMING.test(line) && line.includes('\t')) {
    throw new BadResponse('a tab beside the framing')
  }
  const value = line.slice(start, end)
  if (CONTROL.test(value)) throw new BadResponse('a header value contains control characters')
  into.push(name, value)
}

/** Apps repeat the same few names: each is checked once, and its hash computed once. Bounded. */
const NAMES_MAX = 1024
const NAME_MAX_CHARS = 64
const names = new Map<string, string>()

/** The check for a token also refuses a space within a name. */
function fieldName(text: string): string {
  const known = names.get(text)
  if (known !== undefined) return known
  if (!TOKEN.test(text)) throw new BadResponse('a header name is not valid')
  if (text.length > NAME_MAX_CHARS) return text
  if (names.size >= NAMES_MAX) names.clear()
  const name = Buffer.from(text, 'latin1').toString('latin1') // copied: a slice would keep the whole head
  names.set(name, name)
  return name
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09
}

function decideFraming(head: ResponseHead, minorVersion: number): void {
  const { rawHeaders } = head
  let length: string | undefined
  let coding: string | undefined
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]! // pairs
    switch (name.length) {
      case 10:
        if (name.toLowerCase() === 'connection') readConnection(head, rawHeaders[i + 1]!)
        break
      case 14:
        if (name.toLowerCase() !== 'content-length') break
        if (length !== undefined) throw new BadResponse('two Content-Length headers')
        length = rawHeaders[i + 1]!
        break
      case 17:
        if (name.toLowerCase() !== 'transfer-encoding') break
        if (coding !== undefined) throw new BadResponse('two Transfer-Encoding headers')
        coding = rawHeaders[i + 1]!
        break
    }
  }
  if (coding !== undefined) {
    if (length !== undefined) throw new BadResponse('Content-Length together with Transfer-Encoding')
    if (coding.toLowerCase() !== 'chunked') throw new BadResponse(`the transfer coding ${coding} is not supported`)
    // RFC 9112 6.1: HTTP/1.0 has no transfer codings; such a message cannot be framed safely.
    if (minorVersion === 0) throw new BadResponse('Transfer-Encoding on HTTP/1.0')
    head.framing = 'chunked'
  } else if (length !== undefined) {
    if (!/^\d{1,15}$/.test(length)) throw new BadResponse('the Content-Length is not a number')
    head.framing = Number(length)
  }
}

function readConnection(head: ResponseHead, value: string): void {
  // By far the most common value, and it names no field that could pass anyway.
  if (value === 'keep-alive' || value.toLowerCase() === 'keep-alive') return
  const options = (head.connectionOptions ??= new Set())
  for (const option of value.split(',')) options.add(normalHeaderName(option.trim()))
  if (options.has('close')) head.keepAlive = false
}
