// What our parsers accept, Node's strict parser accepts too, and reads the same out of it: the same head, the same end
// of the body. Generated messages (seeded: grammar, then mutations) go through both.
//
// Responses: packages/server/src/forward/response-parser.ts beside the client of node:http, both in memory.
// Requests: through a whole relay and agent to an app that is node:http; the yardstick is a node:http server that gets
// the visitor's bytes directly. The app may see less than that server, never more and never something else.
// SALLYPORT_DIFFERENTIAL=seed,times looks at other messages, and at more of them.

import assert from 'node:assert/strict'
import { createServer, request as httpRequest } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { Duplex } from 'node:stream'
import { after, before, describe, it } from 'node:test'

import { BadResponse, ResponseParser } from '../packages/server/src/forward/response-parser.ts'
import { APP_HOST, startStack } from './support/stack.ts'
import type { Stack } from './support/stack.ts'

const [SEED = 20_261, TIMES = 1] = (process.env.SALLYPORT_DIFFERENTIAL ?? '').split(',').filter(Boolean).map(Number)
const RESPONSES = 44_000 * TIMES
const REQUESTS = 8_000 * TIMES
const LANES = 32 // visitors at once
const HEAD_MAX_BYTES = 16_384 // as node:http
const SHOWN = 5
const SILENCE_MS = 10_000
const STRICT = { insecureHTTPParser: false, shouldUpgradeCallback: () => false }

describe('our response parser beside node:http', { timeout: 60_000 * TIMES }, () => {
  it(`attack 16: accepts nothing of ${RESPONSES} generated responses that Node refuses or reads differently`, async (test) => {
    const random = new Random(SEED)
    const problems: string[] = []
    let accepted = 0
    let refused = 0
    for (let count = 0; count < RESPONSES; count++) {
      const method = random.chance(0.1) ? 'HEAD' : 'GET'
      const bytes = Buffer.from(makeResponse(random), 'latin1')
      const ours = readByUs(method, [bytes])
      const split = readByUs(method, splitUp(bytes, random))
      if (ours.end === 'whole') accepted++
      else if (ours.end === 'refused') refused++
      const problem =
        differenceOf(ours, split, 'in pieces it reads differently') ??
        problemOf(ours, await readByNode(method, ours.rest > 0 ? bytes.subarray(0, bytes.length - ours.rest) : bytes))
      if (problem) problems.push(`${problem}\n    ${method} ← ${JSON.stringify(bytes.toString('latin1'))}`)
    }
    test.diagnostic(`${accepted} accepted, ${refused} refused, ${RESPONSES - accepted - refused} incomplete`)
    assert.equal(problems.length, 0, shown(problems))
    // Both kinds are there in numbers, or the comparison would say nothing.
    for (const part of [accepted, refused]) assert.ok(part > RESPONSES / 8, `${accepted} accepted, ${refused} refused`)
  })
})

describe('what the relay forwards beside node:http', { timeout: 60_000 * TIMES }, () => {
  let stack: Stack
  let unreadable = 0
  /** By the case's number, which stands in every target: what the app has read in full. */
  const forwarded = new Map<number, Request[]>()

  before(async () => {
    const app = createServer(STRICT, (incoming, response) => {
      void collect(incoming).then((request) => {
        response.end()
        if (!request) return
        const number = Number(/\/c(\d+)\//.exec(request.url)?.[1] ?? -1)
        forwarded.set(number, [...(forwarded.get(number) ?? []), request])
      })
    })
    app.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      if (error.code?.startsWith('HPE_') && error.code !== 'HPE_INVALID_EOF_STATE') unreadable++
      socket.destroy()
    })
    stack = await startStack({ app, config: 'timeouts: { app_answer_seconds: 5, request_stall_seconds: 5 }' })
  })
  after(() => stack.close())

  it(`attack 17: of ${REQUESTS} generated requests an app sees nothing that Node reads differently`, async (test) => {
    const random = new Random(SEED)
    const problems: string[] = []
    const cases: { number: number; bytes: Buffer; expected: Request[]; silent: string | undefined }[] = []
    let next = 0
    const lane = async (): Promise<void> => {
      while (next < REQUESTS) {
        const number = next++
        const bytes = Buffer.from(makeRequest(random, number), 'latin1')
        const { requests: expected, refuses } = await serveByNode(bytes)
        const silent = await visit(stack.port, bytes, expected.length, refuses)
        cases.push({ number, bytes, expected, silent })
      }
    }
    await Promise.all(Array.from({ length: LANES }, lane))
    let requests = 0
    for (const { number, bytes, expected, silent } of cases) {
      const seen = forwarded.get(number) ?? []
      forwarded.delete(number)
      requests += seen.length
      const problem = silent ?? forwardingProblem(seen, expected)
      if (problem) problems.push(`${problem}\n    ${JSON.stringify(bytes.toString('latin1'))}`)
    }
    test.diagnostic(`the app saw ${requests} requests`)
    assert.equal(problems.length, 0, shown(problems))
    assert.equal(unreadable, 0, 'the relay has written something that Node cannot read')
    assert.deepEqual([...forwarded.keys()], [], 'the app saw requests of nobody')
    assert.ok(requests > REQUESTS / 4, `${requests} requests arrived`)
  })
})

// ── responses ──────────────────────────────────────────────────────────────────────────────────────

interface Reading {
  end: 'whole' | 'refused' | 'incomplete'
  informations: number[]
  status: number
  headers: readonly string[]
  body: string
  trailers: readonly string[]
  /** Bytes behind a whole response. */
  rest: number
}

function readByUs(method: string, chunks: readonly Buffer[]): Reading {
  const reading = emptyReading()
  const parser = new ResponseParser(HEAD_MAX_BYTES)
  parser.begin(method, {
    onInformation: ({ status }) => reading.informations.push(status),
    onHead: ({ status, rawHeaders }) => {
      reading.status = status
      reading.headers = rawHeaders
    },
    onBody: (chunk) => (reading.body += chunk.toString('latin1')),
    onTrailers: (trailers) => (reading.trailers = trailers),
    onComplete: () => (reading.end = 'whole'),
    onUpgrade: () => assert.fail('nobody asked for an upgrade'),
  })
  for (const [index, chunk] of chunks.entries()) {
    try {
      parser.feed(chunk)
    } catch (error) {
      assert.ok(error instanceof BadResponse, String(error))
      if (reading.end === 'whole') reading.rest = restOf(method, Buffer.concat(chunks))
      else reading.end = 'refused'
      return reading
    }
    if (reading.end === 'whole' && index < chunks.length - 1) {
      reading.rest = Buffer.concat(chunks.slice(index + 1)).length
      return reading
    }
  }
  parser.end()
  return reading
}

/** How many bytes stand behind the response: fed byte by byte, it says itself when it is whole. */
function restOf(method: string, bytes: Buffer): number {
  let isWhole = false
  const parser = new ResponseParser(HEAD_MAX_BYTES)
  const onComplete = (): void => void (isWhole = true)
  parser.begin(method, {
    onInformation: ignore,
    onHead: ignore,
    onBody: ignore,
    onTrailers: ignore,
    onComplete,
    onUpgrade: ignore,
  })
  let length = 0
  while (!isWhole) parser.feed(bytes.subarray(length, ++length))
  return bytes.length - length
}

/** The client of node:http on a connection in memory, where the app says these bytes and ends. */
async function readByNode(method: string, bytes: Buffer): Promise<Reading> {
  const reading = emptyReading()
  const connection = new Wire()
  const request = httpRequest({ method, insecureHTTPParser: false, createConnection: () => connection })
  let failed = false
  request.on('error', () => (failed = true))
  request.on('information', ({ statusCode }) => reading.informations.push(statusCode))
  request.on('response', (response) => {
    reading.status = response.statusCode ?? 0
    reading.headers = response.rawHeaders
    response.on('data', (chunk: Buffer) => (reading.body += chunk.toString('latin1')))
    response.on('error', () => (failed = true))
    response.on('end', () => {
      reading.trailers = response.rawTrailers
      if (response.complete) reading.end = 'whole'
    })
  })
  request.on('upgrade', () => (failed = true))
  const closed = new Promise((resolve) => request.once('close', resolve))
  request.end()
  connection.push(bytes)
  connection.push(null)
  await closed
  if (failed && reading.end !== 'whole') reading.end = 'refused'
  return reading
}

/** What is wrong with having read it like this where Node reads it like that. */
function problemOf(ours: Reading, theirs: Reading): string | undefined {
  if (ours.end === 'refused') return undefined // stricter than Node is what we want to be
  if (ours.end === 'incomplete') return theirs.end === 'whole' ? 'Node sees the end earlier' : undefined
  if (theirs.end !== 'whole') return `accepted, and Node says ${theirs.end}`
  return differenceOf(ours, theirs, 'both accept it, and read it differently')
}

function differenceOf(one: Reading, other: Reading, words: string): string | undefined {
  const text = (reading: Reading): string =>
    JSON.stringify({ ...reading, rest: 0, ...(reading.end !== 'whole' && END) })
  return text(one) === text(other) ? undefined : `${words}:\n    ${text(one)}\n    ${text(other)}`
}

// Of what is refused or incomplete only that counts: how far each got depends on the pieces.
const END = { body: '', status: 0, headers: [], trailers: [], informations: [] }

function emptyReading(): Reading {
  return { end: 'incomplete', informations: [], status: 0, headers: [], body: '', trailers: [], rest: 0 }
}

// ── requests ───────────────────────────────────────────────────────────────────────────────────────

interface Request {
  method: string
  url: string
  body: string
  framing: 'chunked' | 'length' | 'none'
  host: string[]
}

/** Undefined where the request does not come in full. */
function collect(incoming: IncomingMessage): Promise<Request | undefined> {
  let body = ''
  incoming.setEncoding('latin1')
  incoming.on('data', (text: string) => (body += text))
  incoming.on('error', ignore)
  const { headers, method = '', url = '', rawHeaders } = incoming
  const framing = headers['transfer-encoding'] ? 'chunked' : headers['content-length'] ? 'length' : 'none'
  const host = rawHeaders.filter((_, index) => rawHeaders[index - 1]?.toLowerCase() === 'host' && index % 2 === 1)
  return new Promise((resolve) => {
    incoming.once('end', () => resolve({ method, url, body, framing, host }))
    incoming.once('close', () => resolve(undefined))
  })
}

/** What a node:http server reads in full out of these bytes, and whether it refuses what is left. */
async function serveByNode(bytes: Buffer): Promise<{ requests: Request[]; refuses: boolean }> {
  const requests: (Request | undefined)[] = []
  let refuses = false
  const server = createServer(STRICT, (incoming, response) => {
    const index = requests.push(undefined) - 1
    void collect(incoming).then((request) => {
      requests[index] = request
      response.end()
    })
  })
  const refuse = (socket: Duplex): void => {
    refuses = true
    setImmediate(() => socket.destroy()) // what was read before is read
  }
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'HPE_INVALID_EOF_STATE') setImmediate(() => socket.destroy())
    else refuse(socket)
  })
  server.on('connect', (_, socket) => refuse(socket))
  const connection = new Wire()
  const closed = new Promise((resolve) => connection.once('close', resolve))
  server.emit('connection', connection)
  connection.push(bytes)
  setImmediate(() => connection.push(null)) // what was read before is read
  await closed
  return { requests: requests.filter((request) => request !== undefined), refuses }
}

/** A visitor who sends the bytes and leaves with the last answer that can come. Tells where none comes. */
async function visit(port: number, bytes: Buffer, answers: number, isRefused: boolean): Promise<string | undefined> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  let received = ''
  let problem: string | undefined
  socket.setTimeout(SILENCE_MS, () => {
    problem = `no answer, no end: ${JSON.stringify(received)}`
    socket.destroy()
  })
  const look = (): void => {
    if (isRefused || received.split(/HTTP\/1\.1 [2-5]\d\d /).length <= answers) return
    // What Node takes for half a request gets no answer; were it more to the relay, it would begin now.
    setTimeout(() => socket.end(), answers === 0 ? 20 : 0)
  }
  socket.setEncoding('latin1').on('data', (text: string) => {
    received += text
    look()
  })
  socket.on('error', ignore)
  socket.on('end', () => socket.destroy())
  socket.write(bytes)
  look()
  await new Promise((resolve) => socket.once('close', resolve))
  return problem
}

function forwardingProblem(seen: readonly Request[], expected: readonly Request[]): string | undefined {
  // A request for another host gets its 404, and the next one is served; behind everything else nothing is.
  const possible = expected.filter(({ host: [host = ''] }) => !isOtherHost(host))
  if (seen.length > possible.length) return `the app saw ${seen.length} requests, Node reads ${possible.length}`
  for (const [index, request] of seen.entries()) {
    const wanted = possible[index]!
    // An empty body needs no framing, and the relay leaves it out where the method gives it no meaning.
    const framing = request.framing === wanted.framing || (request.body === '' && request.framing === 'none')
    const same = request.method === wanted.method && request.url === wanted.url && request.body === wanted.body
    if (!same || !framing || request.host.length !== 1 || request.host[0] !== wanted.host[0]) {
      return `the app saw ${JSON.stringify(request)}, Node reads ${JSON.stringify(wanted)}`
    }
  }
  return undefined
}

function isOtherHost(host: string): boolean {
  return /^[\w.-]+(?::\d+)?$/.test(host) && host.toLowerCase().replace(/\.?(?::\d+)?$/, '') !== APP_HOST
}

// ── grammar ────────────────────────────────────────────────────────────────────────────────────────

const ODD = 0.06 // how often one element is not the usual one

function makeResponse(random: Random): string {
  let message = ''
  while (random.chance(0.08)) {
    message += `HTTP/1.1 ${random.pick(['100 Continue', '103 Early Hints', '102', '199 x'])}\r\n`
    message += random.chance(0.5) ? `Link: </a>${lineEnd(random)}\r\n` : '\r\n'
  }
  message += `${odd(random, 'HTTP/1.1', VERSIONS)}${odd(random, ' ', SPACES)}${status(random)}${odd(random, ' OK', REASONS)}${lineEnd(random)}`
  message += fields(random)
  message += framedBody(random, message)
  return mutate(message, random)
}

function makeRequest(random: Random, number: number): string {
  let message = ''
  do {
    const method = odd(random, random.pick(['GET', 'POST', 'PUT', 'HEAD', 'OPTIONS', 'DELETE']), METHODS)
    const target = `/c${number}/${odd(random, random.pick(['', 'a?b=c', '%2e', 'x;y']), TARGETS)}`
    const start = message.length
    message += `${method}${odd(random, ' ', SPACES)}${target}${odd(random, ' ', SPACES)}${odd(random, 'HTTP/1.1', VERSIONS)}${lineEnd(random)}`
    message += odd(random, `Host: ${APP_HOST}\r\n`, HOSTS)
    message += fields(random)
    message += framedBody(random, message.slice(start))
  } while (random.chance(0.15))
  const mutated = mutate(message, random)
  // The number must stay: by it we know whose request the app has seen.
  const [, ...numbers] = mutated.split('/c')
  const stays =
    numbers.length === message.split('/c').length - 1 && numbers.every((text) => text.startsWith(`${number}/`))
  return stays ? mutated : message
}

function fields(random: Random): string {
  let head = ''
  while (random.chance(0.5)) head += field(random, odd(random, 'X-A', NAMES), odd(random, 'b', VALUES))
  if (random.chance(0.25)) head += field(random, 'Connection', random.pick(CONNECTIONS))
  if (random.chance(0.45)) {
    head += field(random, odd(random, 'Content-Length', LENGTH_NAMES), odd(random, String(random.below(12)), LENGTHS))
  }
  if (random.chance(0.4)) {
    head += field(random, odd(random, 'Transfer-Encoding', CODING_NAMES), odd(random, 'chunked', CODINGS))
  }
  while (random.chance(0.2)) head += field(random, odd(random, 'X-B', NAMES), odd(random, 'c d', VALUES))
  return head + lineEnd(random)
}

function field(random: Random, name: string, value: string): string {
  return `${name}${odd(random, ':', COLONS)}${random.pick([' ', ' ', '', '\t', '  '])}${value}${random.pick(['', '', '', ' ', '\t'])}${lineEnd(random)}`
}

/** A body that fits what the head says, most of the time. */
function framedBody(random: Random, text: string): string {
  if (random.chance(0.04)) return random.pick(['', 'x', '0\r\n\r\n', text]) // text: the same once more
  if (/transfer-encoding/i.test(text)) {
    let body = ''
    while (random.chance(0.6)) body += chunk(random)
    body += `${odd(random, '0', CHUNK_SIZES)}${odd(random, '', EXTENSIONS)}${lineEnd(random)}`
    while (random.chance(0.15)) body += field(random, odd(random, 'X-Sum', NAMES), odd(random, '1', VALUES))
    return body + lineEnd(random)
  }
  const length = Number(/content-length[ \t]*:\s*(\d{1,3})\b/i.exec(text)?.[1] ?? (random.chance(0.2) ? 3 : 0))
  return 'x'.repeat(Math.max(0, length + (random.chance(0.04) ? random.pick([-1, 1, 2]) : 0)))
}

function chunk(random: Random): string {
  const data = random.pick(['a', 'hello', '\r\n', '0\r\n\r\n', 'x'.repeat(17)])
  const size = random.pick([
    data.length.toString(16),
    data.length.toString(16).toUpperCase(),
    `0${data.length.toString(16)}`,
  ])
  return `${odd(random, size, CHUNK_SIZES)}${odd(random, '', EXTENSIONS)}${lineEnd(random)}${data}${lineEnd(random)}`
}

function status(random: Random): string {
  return odd(random, random.pick(['200', '200', '200', '404', '204', '304', '500']), STATUSES)
}

function lineEnd(random: Random): string {
  return random.chance(0.006) ? random.pick(LINE_ENDS) : '\r\n'
}

function odd(random: Random, usual: string, others: readonly string[]): string {
  return random.chance(ODD) ? random.pick(others) : usual
}

/** Bytes lost, doubled, exchanged or put in. */
function mutate(message: string, random: Random): string {
  let text = message
  for (let times = random.chance(0.3) ? 1 + random.below(3) : 0; times > 0; times--) {
    const at = random.below(text.length + 1)
    const length = random.pick([0, 0, 1, 1, 2, random.below(12)])
    const put = random.pick([random.pick(BYTES), random.pick(BYTES), '', text.slice(at, at + random.below(20))])
    text = text.slice(0, at) + put + text.slice(at + length)
  }
  return random.chance(0.03) ? text.slice(0, random.below(text.length + 1)) : text
}

const LINE_ENDS = ['\n', '\r', '\r\r\n', '\n\r', '\r\n ', ' \r\n', '\r\n\t', '', '\r\n\r\n', '\0\r\n', '\v\r\n']
const SPACES = ['  ', '\t', '', ' \t', '\v', '\xa0', '\r', '\n']
const VERSIONS = ['HTTP/1.0', 'HTTP/2.0', 'HTTP/0.9', 'HTTP/1.2', 'HTTP/1.10', 'HTTP/01.1', 'http/1.1', 'HTTP/1', 'HTTP/ 1.1', 'HTTP /1.1', 'HTTP/1,1', 'ICY', 'RTSP/1.0', 'HTTP/-1.1', 'HTTP/3.0'] // prettier-ignore
const STATUSES = ['100', '101', '103', '199', '204', '205', '304', '099', '600', '999', '0', '20', '2000', '+20', '-200', '2 0', '0x1', ' 200', '1e2', '²00', '200.1'] // prettier-ignore
const REASONS = ['', ' ', ' Très bien', ' a\tb', ' a\0b', '  ', 'OK', '\tOK', ' OK\x7f', ' \x80', ' OK: 1', ' \x1f']
const METHODS = ['get', 'G', 'GETT', 'PATCH', 'CONNECT', 'TRACE', 'FOO', 'PRI', 'M-SEARCH', 'POST\t', 'GE T', '', 'QUERY', 'SOURCE', 'PROPFIND', '\r\nGET', '\nGET'] // prettier-ignore
const TARGETS = ['#a', '\\a', '%00', '\x7f', '\x80', ' b', '\tb', '..', '//', '?a b', '"<>', '\0', 'é', '*', ':80@x', '%zz', '{}|^`'] // prettier-ignore
const HOSTS = [`host:${APP_HOST}\r\n`, '', 'Host: \r\n', `Host: ${APP_HOST}\r\nHost: ${APP_HOST}\r\n`, `Host : ${APP_HOST}\r\n`, `Host: a@${APP_HOST}\r\n`, `Host: ${APP_HOST}:80\r\n`, `Host: ${APP_HOST}.\r\n`, `Host: ${APP_HOST}, x\r\n`, `Host:\r\n ${APP_HOST}\r\n`, `Host: ${APP_HOST}/\r\n`, `hOsT:\t${APP_HOST}\t\r\n`] // prettier-ignore
const NAMES = ['', ' X-C', 'X C', 'X-C ', 'X\tC', 'X(C', 'X\0', 'X-É', 'X:', '\tX', 'Trailer', 'Upgrade', 'Expect', 'Keep-Alive', 'Cookie', 'TE', 'X_A', 'Host', 'Content-Length', 'Transfer-Encoding', '__proto__', 'Content-Length\0', '\x80', '{', 'a/b', 'X-Forwarded-For', 'Sallyport-Auth-Jwt'] // prettier-ignore
const VALUES = ['', 'é\xff', 'a\0b', 'a\rb', 'a\nb', 'a\x7fb', 'a\x01', '"q"', 'a\tb', '\x80', ',', '100-continue', 'trailers', 'websocket', 'h2c', 'a\r\n b', 'a\r\n\tb', 'a\r\n', '\x0b', 'x'.repeat(300)] // prettier-ignore
const CONNECTIONS = ['close', 'keep-alive', 'Close', 'keep-alive, close', 'upgrade', 'x-a', 'TE, close', '', ',', 'close\t', 'content-length', 'transfer-encoding', 'host', 'close;q=1'] // prettier-ignore
const LENGTH_NAMES = ['content-length', 'CONTENT-LENGTH', 'Content-length', 'Content_Length', ' Content-Length', 'Content-Length '] // prettier-ignore
const LENGTHS = ['+3', '-1', '3, 3', '3,3', '0x3', '3.0', '', '3 3', '03', '0000000000000003', '18446744073709551616', '99999999999999999999', '3;', '3\r\nContent-Length: 3', '3\r\nContent-Length: 4', '1e1', "'3'", '3\v', '٣', '9007199254740993', '000', '3\r\nTransfer-Encoding: chunked'] // prettier-ignore
const CODING_NAMES = ['transfer-encoding', 'TRANSFER-ENCODING', 'Transfer_Encoding', 'Transfer-Encoding ', 'X-Transfer-Encoding', 'Transfer-encoding', ' Transfer-Encoding'] // prettier-ignore
const CODINGS = ['Chunked', 'CHUNKED', 'gzip', 'gzip, chunked', 'chunked, gzip', 'chunked, chunked', 'identity', '', '"chunked"', 'chunked;q=1', ' chunked', 'xchunked', 'chunkedx', 'chunked\v', 'chunked,', ',chunked', 'chun\tked', 'chunked\r\nTransfer-Encoding: chunked', 'chunked\r\nContent-Length: 3', 'chunked\r\nTransfer-Encoding: identity', 'identity\r\nTransfer-Encoding: chunked'] // prettier-ignore
const COLONS = [' :', '\t:', '', '::', ': :', ';', '=', ':\0', ':\r\n ']
const CHUNK_SIZES = ['', '+5', '-1', '0x5', ' 5', '5 ', '5\t', '00000000000000000005', 'fffffffffffffffff', 'ffffffff', '100000000', 'g', '5 5', '0', '000', '1', 'A', '5\v', '5.0', '٥', '0 ', '0\t', '123456789abcdef0'] // prettier-ignore
const EXTENSIONS = [';x', ';x=y', ';', ' ;x', ';x = y', ';x="y"', ';x="y;z"', ';x="y', ';\0', ';x=y;z', ' x', ';a b', ';=', ';x=', ';x=\n', ';é', '; x=y', ';x=\t', ';x="\\""', ';\x80', ';x;;y', ';x=y=z', ';"x"', ';x=(', ';x="a"b', `;${'y'.repeat(300)}`, ';a\tb', ';x=y ', ';x ', ';x\t=y'] // prettier-ignore
const BYTES = ['\r', '\n', '\r\n', '\0', ' ', '\t', ':', ',', ';', '0', '1', 'f', '+', '-', '"', '\x7f', '\x80', '\xff', '\v', '/', '?', '#', '%', 'x', '\r\n\r\n', '\x1f', '\xa0', '\x85'] // prettier-ignore

// ── tools ──────────────────────────────────────────────────────────────────────────────────────────

/** One end of a connection in memory: what is pushed arrives, what is written is gone. */
class Wire extends Duplex {
  override _read(): void {
    // Everything is pushed at once.
  }

  override _write(_chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    done()
  }
}

/** mulberry32: small, fast, the same everywhere. */
class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  chance(probability: number): boolean {
    return this.#next() < probability
  }

  below(limit: number): number {
    return Math.floor(this.#next() * limit)
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]! // below its length
  }

  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

function splitUp(bytes: Buffer, random: Random): Buffer[] {
  const [first, second] = [random.below(bytes.length + 1), random.below(bytes.length + 1)].toSorted((a, b) => a - b)
  return [bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(second)]
}

function shown(problems: readonly string[]): string {
  return `${problems.length} messages:\n${problems.slice(0, SHOWN).join('\n')}`
}

function ignore(): void {
  // Nothing hangs on it.
}
