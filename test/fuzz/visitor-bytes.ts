// Bytes of a visitor: a conversation in HTTP/2 with odd frames, or bytes that are almost HTTP/1.1. Pure: everything
// depends only on the random source.

import { makeRequest } from '../support/odd-http1.ts'
import type { Random } from '../support/random.ts'
import { SETTINGS_ACK, data, encode, headers, mutateFrames, oddFields, settings, showFrame } from './http2-frames.ts'
import type { Field, OddFrame } from './http2-frames.ts'

export interface VisitorBytes {
  /** An ordinary conversation: each of these streams gets 200. */
  streams: number[] | undefined
  /** The bytes, with a pause before each piece. */
  pieces: { afterMs: number; bytes: Buffer }[]
  isHttp2: boolean
  end: 'wait' | 'end' | 'reset'
  /** For a report. */
  words: string
}

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'

export function makeVisitor(random: Random, number: number): VisitorBytes {
  return random.chance(0.2) ? http1(random, number) : http2(random, number)
}

function http1(random: Random, number: number): VisitorBytes {
  const text = random.chance(0.1) ? random.pick(WORDS) : makeRequest(random, number)
  const end = random.pick(['wait', 'end', 'reset'] as const)
  return {
    streams: undefined,
    pieces: split(Buffer.from(text, 'latin1'), random),
    isHttp2: false,
    end,
    words: JSON.stringify(text),
  }
}

function http2(random: Random, number: number): VisitorBytes {
  const count = random.pick([1, 1, 2, 5])
  const streams = Array.from({ length: count }, (_, index) => 2 * index + 1)
  const isPlain = random.chance(0.2)
  const frames = [settings(), SETTINGS_ACK, ...streams.flatMap((id) => request(random, id, number, isPlain))]
  const odd = isPlain ? frames : mutateFrames(frames, random)
  const preface = isPlain || random.chance(0.95) ? PREFACE : random.pick(PREFACES)
  const bytes = Buffer.concat([Buffer.from(preface, 'latin1'), ...odd.map(encode)])
  const whole = isPlain || random.chance(0.9) ? bytes : bytes.subarray(0, random.below(bytes.length))
  return {
    streams: isPlain ? streams : undefined,
    pieces: split(whole, random),
    isHttp2: true,
    end: isPlain ? 'wait' : random.pick(['wait', 'end', 'reset']),
    words: `${JSON.stringify(preface)}\n    ${odd.map(showFrame).join('\n    ')}\n    of ${bytes.length} bytes ${whole.length}`,
  }
}

function request(random: Random, stream: number, number: number, isPlain: boolean): OddFrame[] {
  const path = `/c${number}/${stream}`
  const pseudo = (method: string): Field[] => [
    [':method', method],
    [':scheme', 'http'],
    [':authority', 'app.localhost'],
    [':path', path],
  ]
  const more = isPlain ? [] : oddFields(random)
  return random.pick<() => OddFrame[]>([
    () => [headers(stream, [...pseudo('GET'), ...(random.chance(0.3) ? more : [])], true)],
    () => [headers(stream, pseudo('POST'), false), data(stream, 'hello', true)],
    () => [
      headers(stream, [...pseudo('PUT'), ['content-length', '10']], false),
      data(stream, 'hello', false),
      data(stream, 'again', true),
    ],
    () => [
      headers(stream, pseudo('POST'), false),
      data(stream, 'x'.repeat(16_000), false),
      headers(stream, isPlain ? [['x-sum', '1']] : more, true),
    ],
    ...(isPlain
      ? []
      : [
          () => [
            headers(stream, [...pseudo('CONNECT'), [':protocol', 'websocket'], ['sec-websocket-version', '13']] satisfies Field[], false), // prettier-ignore
            data(stream, '\x81\x80\0\0\0\0', random.chance(0.5)),
          ],
          () => [headers(stream, random.pick(ODD_PSEUDO)(path), random.chance(0.7))],
        ]),
  ])()
}

/** Odd fields instead of a request's four pseudo-headers. */
const ODD_PSEUDO: ((path: string) => Field[])[] = [
  (path) => [[':path', path]],
  (path) => [[':method', 'GET'], [':scheme', 'http'], [':authority', 'app.localhost'], [':path', path], [':path', '/x']], // prettier-ignore
  (path) => [
    ['x-a', 'b'],
    [':method', 'GET'],
    [':scheme', 'http'],
    [':authority', 'app.localhost'],
    [':path', path],
  ],
  (path) => [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':path', path],
    ['host', 'app.localhost'],
    ['host', 'x'],
  ],
  (path) => [
    [':method', 'GET'],
    [':scheme', '__proto__'],
    [':authority', '__proto__'],
    [':path', path],
  ],
  (path) => [
    [':method', 'CONNECT'],
    [':authority', 'app.localhost'],
    [':path', path],
  ],
  () => [
    [':method', 'CONNECT'],
    [':authority', 'app.localhost:80'],
  ],
  (path) => [[':method', 'CONNECT'], [':protocol', '__proto__'], [':scheme', 'http'], [':authority', 'app.localhost'], [':path', path]], // prettier-ignore
  () => [
    [':method', 'OPTIONS'],
    [':scheme', 'http'],
    [':authority', 'app.localhost'],
    [':path', '*'],
  ],
  () => [
    [':method', ''],
    [':scheme', ''],
    [':authority', ''],
    [':path', ''],
  ],
  (path) => [
    [':method', 'G T'],
    [':scheme', 'http'],
    [':authority', 'app.localhost\0'],
    [':path', `${path}\r\nx: y`],
  ],
  (path) => [[':method', 'GET'], [':scheme', 'http'], [':authority', 'app.localhost'], [':path', path], [':status', '200']], // prettier-ignore
  (path) => [[':method', 'GET'], [':scheme', 'http'], [':authority', 'app.localhost'], [':path', path + 'x'.repeat(70_000)]], // prettier-ignore
  (path) => [[':method', 'GET'], [':scheme', 'http'], [':authority', 'app.localhost'], [':path', path], ...many(500)],
  () => [],
]

function many(count: number): Field[] {
  return Array.from({ length: count }, (_, index) => [`x-${index}`, '__proto__'])
}

const PREFACES = ['', 'PRI * HTTP/2.0\r\n\r\nSM\r\n', 'PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n', 'PRI * HTTP/1.1\r\n\r\n', PREFACE + PREFACE, 'PR', `GET / HTTP/1.1\r\nHost: app.localhost\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n${PREFACE}`] // prettier-ignore

/** First bytes of other protocols, and heads that are not ended. */
const WORDS = ['', '\r\n', '\0', '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03', 'SSH-2.0-x\r\n', 'PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n', '\x05\x01\0', 'GET ', 'GET / HTTP/1.1\r\n', `GET /${'x'.repeat(70_000)} HTTP/1.1\r\n\r\n`, `GET / HTTP/1.1\r\n${'X: y\r\n'.repeat(1000)}\r\n`, '\xff'.repeat(1000)] // prettier-ignore

/** In one piece, or in several with turns or milliseconds between them. */
function split(bytes: Buffer, random: Random): VisitorBytes['pieces'] {
  const pieces: VisitorBytes['pieces'] = []
  let rest = bytes
  while (rest.length > 1 && pieces.length < 4 && random.chance(0.4)) {
    const at = 1 + random.below(rest.length - 1)
    pieces.push({ afterMs: random.pick([0, 1, 5]), bytes: rest.subarray(0, at) })
    rest = rest.subarray(at)
  }
  return [...pieces, { afterMs: random.pick([0, 1, 5]), bytes: rest }]
}
