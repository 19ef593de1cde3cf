// Node's strict parser accepts each message that our parsers accept, and reads the same from it: the same head, the
// same end of the body. Generated messages (seeded: grammar, then mutations) go through both.
//
// Responses: packages/server/src/forward/http1/response-parser.ts beside the client of node:http, both in memory.
// Requests: through a whole relay and agent to an app that is node:http; the yardstick is a node:http server that gets
// the visitor's bytes directly. The app may see less than that server, never more and never something else.
// SALLYPORT_DIFFERENTIAL=seed,times looks at other messages, and at more of them.

import assert from 'node:assert/strict'
import { createServer, request as httpRequest } from 'node:http'
import type { RequestListener } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { Duplex } from 'node:stream'
import { after, before, describe, it } from 'node:test'

import { ResponseParser } from '../../packages/server/src/forward/http1/response-parser.ts'
import { BadResponse } from '../../packages/server/src/forward/transfer/response-head.ts'
import { makeRequest, makeResponse } from '../support/odd-http1.ts'
import { Random } from '../support/random.ts'
import { APP_HOST, startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'

const [SEED = 20_261, TIMES = 1] = (process.env.SALLYPORT_DIFFERENTIAL ?? '').split(',').filter(Boolean).map(Number)
const RESPONSES = 11_000 * TIMES
const REQUESTS = 2_000 * TIMES
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
      const whole = ours.rest > 0 ? bytes.subarray(0, bytes.length - ours.rest) : bytes
      if (ours.end === 'whole') accepted++
      else if (ours.end === 'refused') refused++
      const problem =
        differenceOf(ours, split, 'in pieces it reads differently') ??
        problemOf(ours, await readByNode(method, withoutPadding(whole, ours)))
      if (problem) problems.push(`${problem}\n    ${method} ← ${JSON.stringify(bytes.toString('latin1'))}`)
    }
    test.diagnostic(`${accepted} accepted, ${refused} refused, ${RESPONSES - accepted - refused} incomplete`)
    assert.equal(problems.length, 0, shown(problems))
    // Both kinds must be frequent, or the comparison would say nothing.
    for (const part of [accepted, refused]) assert.ok(part > RESPONSES / 8, `${accepted} accepted, ${refused} refused`)
  })
})

describe('forwarded requests beside node:http', { timeout: 60_000 * TIMES }, () => {
  let stack: Stack
  let unreadable = 0
  /** The requests that the app has read in full, by the case's number, which is in every target. */
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
  /** Bytes after a whole response. */
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

/**
 * The message without unambiguous parts that we accept and Node refuses: white space before the colons of fields (RFC
 * 9112 5.1), and spaces after the sizes of chunks. The rest is unchanged.
 */
function withoutPadding(bytes: Buffer, { informations, headers }: Reading): Buffer {
  const text = bytes.toString('latin1')
  let at = 0
  let clean = ''
  const line = (): string => {
    const end = text.indexOf('\r\n', at)
    const taken = text.slice(at, end === -1 ? text.length : end + 2)
    at += taken.length
    return taken
  }
  const section = (): void => {
    for (let field = line(); field !== ''; field = field === '\r\n' ? '' : line()) {
      clean += field.replace(/^([^ \t:]+)[ \t]+:/, '$1:')
    }
  }
  for (let head = 0; head <= informations.length; head++) section()
  if (headers.some((name, index) => index % 2 === 0 && name.toLowerCase() === 'transfer-encoding')) {
    for (let size = Infinity; size > 0;) {
      const sizeLine = line()
      clean += sizeLine.replace(/^([0-9a-f]+) +/i, '$1')
      size = Number.parseInt(sizeLine, 16) || 0
      const data = size > 0 ? text.slice(at, at + size + 2) : ''
      clean += data
      at += data.length
    }
    section()
  }
  return Buffer.from(clean + text.slice(at), 'latin1')
}

/** The number of bytes after the response: fed byte by byte, the parser says when it is whole. */
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

/** The client of node:http on a connection in memory, on which the app sends these bytes and ends. */
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

/** The fault in our reading, compared with Node's. */
function problemOf(ours: Reading, theirs: Reading): string | undefined {
  if (ours.end === 'refused') return undefined // we mean to be stricter than Node
  if (ours.end === 'incomplete') return theirs.end === 'whole' ? 'Node sees the end earlier' : undefined
  if (theirs.end !== 'whole') return `accepted, and Node says ${theirs.end}`
  return differenceOf(ours, theirs, 'both accept it, and read it differently')
}

function differenceOf(one: Reading, other: Reading, words: string): string | undefined {
  const text = (reading: Reading): string =>
    JSON.stringify({ ...reading, rest: 0, ...(reading.end !== 'whole' && END) })
  return text(one) === text(other) ? undefined : `${words}:\n    ${text(one)}\n    ${text(other)}`
}

// Of a refused or incomplete message only this is compared: the progress depends on the pieces.
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

/** Undefined if the request does not come in full. */
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

/** The requests that a node:http server reads in full from these bytes, and whether it refuses the rest. */
async function serveByNode(bytes: Buffer): Promise<{ requests: Request[]; refuses: boolean }> {
  const requests: (Request | undefined)[] = []
  let refuses = false
  const server = createServer(STRICT)
  const serve: RequestListener = (incoming, response) => {
    const index = requests.push(undefined) - 1
    void collect(incoming).then((request) => {
      requests[index] = request
      response.end()
    })
  }
  server.on('request', serve)
  server.on('checkExpectation', serve) // its own 417 would not show how it reads the request
  const refuse = (socket: Duplex): void => {
    refuses = true
    setImmediate(() => socket.destroy()) // earlier bytes are read first
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
  setImmediate(() => connection.push(null)) // earlier bytes are read first
  await closed
  return { requests: requests.filter((request) => request !== undefined), refuses }
}

/** A visitor who sends the bytes and leaves after the last possible answer. Reports a missing answer. */
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
    // Half a request for Node gets no answer; if it were more for the relay, its answer would begin now.
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
  // A request for another host gets its 404, and the next one is served; after any other fault none is.
  const possible = expected.filter(({ host: [host = ''] }) => !isOtherHost(host))
  if (seen.length > possible.length) return `the app saw ${seen.length} requests, Node reads ${possible.length}`
  for (const [index, request] of seen.entries()) {
    const wanted = possible[index]!
    // An empty body needs no framing, and the relay omits it if the method gives it no meaning.
    const framing = request.framing === wanted.framing || (request.body === '' && request.framing === 'none')
    const same = request.method === wanted.method && request.url === wanted.url && request.body === wanted.body
    if (!same || !framing || request.host.length !== 1 || request.host[0] !== APP_HOST) {
      return `the app saw ${JSON.stringify(request)}, Node reads ${JSON.stringify(wanted)}`
    }
  }
  return undefined
}

function isOtherHost(host: string): boolean {
  return /^[\w.-]+(?::\d+)?$/.test(host) && host.toLowerCase().replace(/\.?(?::\d+)?$/, '') !== APP_HOST
}

// ── tools ──────────────────────────────────────────────────────────────────────────────────────────

/** One end of a connection in memory: pushed bytes arrive, written bytes are dropped. */
class Wire extends Duplex {
  override _read(): void {
    // Everything is pushed at once.
  }

  override _write(_chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    done()
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
  // It has no effect.
}
