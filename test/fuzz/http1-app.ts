// Odd answers of an app that speaks HTTP/1.1, and the app that gives them. The answers are pure: they depend only on
// the random source.

import { createHash } from 'node:crypto'
import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'

import { makeResponse } from '../support/odd-http1.ts'
import type { Random } from '../support/random.ts'
import { NAMES, VALUES, LINKS } from './odd-words.ts'
import { VISITORS } from './visitors.ts'
import type { Visitor } from './visitors.ts'

export interface Http1Answer {
  visitor: Visitor
  /** An ordinary answer: this visitor must get it despite the others. */
  isPlain: boolean
  /** The app's bytes, with a pause before each piece; bytes as latin1. `{accept}` is filled in. */
  pieces: { afterMs: number; text: string }[]
  end: 'stay' | 'end' | 'reset'
}

const PLAIN = 'HTTP/1.1 200 OK\r\nX-Case: {case}\r\nContent-Length: 4\r\n\r\nfine'
const SWITCH =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n'
/** An app that keeps half an answer open forever would only show the relay's deadlines. */
const STAY_MS = 200
const LATE_MS = 50 // bytes sent so long ago have arrived

export function makeAnswer(random: Random, number: number): Http1Answer {
  if (random.chance(0.15)) {
    const visitor = random.pick(VISITORS.filter((each) => !each.endsWith('upgrade')))
    return {
      visitor,
      isPlain: true,
      pieces: [{ afterMs: 0, text: PLAIN.replace('{case}', String(number)) }],
      end: random.pick(['stay', 'stay', 'end']),
    }
  }
  const kind = random.pick(KINDS)
  const whole = kind(random).replaceAll('{case}', String(number))
  const text = random.chance(0.15) ? whole.slice(0, random.below(whole.length + 1)) : whole
  return {
    visitor: /^(?:.*\r\n)?HTTP\/1.1 101/.test(text) ? random.pick(UPGRADES) : random.pick(VISITORS),
    isPlain: false,
    pieces: split(text, random),
    end: random.pick(['stay', 'stay', 'end', 'end', 'reset']),
  }
}

/**
 * A server whose connections answer each request for `/c<number>` with the answer that is found for it.
 * @param onLate called for a request that came while bytes beyond the last answer may still have been on the
 * connection; says whether that answer must have no body: then none of these bytes may reach a visitor (B6),
 * otherwise they cannot be told from the next answer
 */
export function http1App(
  find: (number: number) => Http1Answer | undefined,
  onLate: (number: number, wasBodiless: boolean) => void,
): Server {
  return createServer((socket) => {
    let received = ''
    let last: { answer: Http1Answer; saidAt: number } | undefined
    socket.on('error', () => {}) // the relay may end a connection at any time
    socket.setEncoding('latin1').on('data', (text: string) => {
      received += text
      const number = Number(/^[A-Z]+ \/c(\d+) [^]*?\r\n\r\n/.exec(received)?.[1] ?? -1)
      if (number === -1) return
      const key = /^sec-websocket-key: (.*)\r$/im.exec(received)?.[1] ?? ''
      received = ''
      if (last && !last.answer.isPlain && performance.now() - last.saidAt < LATE_MS) {
        onLate(number, isBodiless(last.answer))
      }
      const answer = find(number)
      if (!answer) return
      last = { answer, saidAt: Infinity }
      const mine = last
      void say(socket, answer, key).then(() => (mine.saidAt = performance.now()))
    })
  })
}

function isBodiless({ visitor, pieces }: Http1Answer): boolean {
  return visitor.endsWith('HEAD') || /^HTTP\/1\.1 (?:204|304)/.test(pieces.map(({ text }) => text).join(''))
}

async function say(socket: Socket, { pieces, end }: Http1Answer, key: string): Promise<void> {
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
  for (const { afterMs, text } of pieces) {
    if (afterMs > 0) await new Promise((resolve) => setTimeout(resolve, afterMs))
    if (socket.destroyed) return
    socket.write(Buffer.from(text.replace('{accept}', accept), 'latin1'))
  }
  if (end === 'end') socket.end()
  else if (end === 'reset') socket.resetAndDestroy()
  else setTimeout(() => socket.destroy(), STAY_MS)
}

const UPGRADES = VISITORS.filter((each) => each.endsWith('upgrade'))

const head = (random: Random): string =>
  `HTTP/1.1 ${random.pick(['200 OK', '200 OK', '404 Not Found', '500 x', '304 x'])}\r\nX-Case: {case}\r\n`
const field = (random: Random): string => `${random.pick(NAMES)}: ${random.pick(VALUES)}\r\n`
const fields = (random: Random): string => {
  let text = field(random)
  while (random.chance(0.4)) text += random.chance(0.3) ? text : field(random)
  return text
}
const chunked = (trailers: string): string => `Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n${trailers}\r\n`

/** Each makes a complete answer of one kind; it may be cut and split afterwards. */
const KINDS: ((random: Random) => string)[] = [
  (random) => `${head(random)}${fields(random)}Content-Length: 2\r\n\r\nok`,
  (random) => `${head(random)}${fields(random)}\r\nuntil the end`,
  (random) => head(random) + chunked(fields(random)),
  (random) => head(random) + `Trailer: ${random.pick(NAMES)}\r\n` + chunked(fields(random)),
  (random) => `HTTP/1.1 103 Early Hints\r\nLink: ${random.pick(LINKS)}\r\n\r\n${PLAIN}`,
  (random) =>
    `HTTP/1.1 103 x\r\nLink: ${random.pick(LINKS)}\r\nlink: ${random.pick(LINKS)}\r\n${fields(random)}\r\n`.repeat(
      random.pick([1, 1, 2, 30]),
    ) + PLAIN,
  (random) => `HTTP/1.1 ${random.pick(['100', '102', '104', '199', '110'])} x\r\n${fields(random)}\r\n${PLAIN}`,
  (random) => `${SWITCH}${fields(random)}\r\n${random.pick(['', 'bytes', '\x81\x05hello', '\x88\x00'])}`,
  (random) =>
    `HTTP/1.1 101 x\r\n${random.pick(['Upgrade: websocket\r\n', 'Upgrade: h2c\r\n', ''])}${fields(random)}\r\n`,
  (random) =>
    `HTTP/1.1 ${random.pick(['403', '200', '426', '407'])} No\r\nX-Case: {case}\r\n${chunked(fields(random))}`,
  // An answer that may have no body has one, or bytes follow its end (B6).
  (random) =>
    `HTTP/1.1 ${random.pick(['204', '304', '205'])} x\r\nX-Case: {case}\r\nContent-Length: 2\r\n\r\n${random.pick(['{}', PLAIN, 'HTTP/1.1 ', '\0'])}`,
  (random) => PLAIN + random.pick([PLAIN, 'x', '\r\n', 'HTTP/1.1 408 Request Timeout\r\n\r\n', '\0'.repeat(70_000)]),
  (random) => `HTTP/1.1 200 OK\r\n${'X-Case: {case}\r\n'.repeat(random.pick([1, 100, 1100]))}Content-Length: 0\r\n\r\n`,
  (random) => `${head(random)}Content-Length: ${random.pick(['2', '1', '3', '99999999999999999999'])}\r\n\r\nok`,
  (random) => random.pick(['SSH-2.0-x\r\n', '\x15\x03\x01\x00\x02\x02\x46', '', '\0\0\0\x04\0\0\0\0\0', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', '220 smtp\r\n', '\r\n\r\n', '<html>']), // prettier-ignore
  makeResponse,
  makeResponse,
  makeResponse,
]

/** In one piece, or in several with turns or milliseconds between them. */
function split(text: string, random: Random): Http1Answer['pieces'] {
  const pieces: Http1Answer['pieces'] = []
  let rest = text
  while (rest.length > 1 && pieces.length < 4 && random.chance(0.4)) {
    const at = random.pick([1 + random.below(rest.length - 1), rest.indexOf('\r\n\r\n') + 4])
    pieces.push({ afterMs: random.pick(PAUSES_MS), text: rest.slice(0, at) })
    rest = rest.slice(at)
  }
  return [...pieces, { afterMs: random.pick(PAUSES_MS), text: rest }]
}

const PAUSES_MS = [0, 0, 1, 5, 30]
