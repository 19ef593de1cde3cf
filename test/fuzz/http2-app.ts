// Plots for the connections of an app that should speak HTTP/2, and the app that plays them. The plots are pure: they
// depend only on the random source.

import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'

import { DATA, END_STREAM, HEADERS, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE } from '../support/raw-http2.ts'
import type { Random } from '../support/random.ts'
import {
  SETTINGS_ACK,
  data,
  encode,
  headers,
  mutateFrames,
  oddFields,
  settings,
  showFrame,
  strayFrame,
} from './http2-frames.ts'
import type { Field, OddFrame } from './http2-frames.ts'
import { LINKS } from './odd-words.ts'
import type { Visitor } from './visitors.ts'

export interface Http2Plot {
  /** Healthy apps answer every request, hopeless ones none. */
  kind: 'healthy' | 'hopeless' | 'odd'
  /** The visitors, side by side, and the size of their bodies. */
  visitors: Visitor[]
  bodyBytes: number
  greeting: Buffer
  acknowledges: boolean
  /** The frames that answer each request, on the stream ASKED. */
  answer: OddFrame[]
  /** Whether it waits for the end of the request. */
  isPatient: boolean
  /** When and how a connection ends. */
  ending: { when: Moment; afterMs: number; say: Buffer; how: 'stay' | 'end' | 'reset' } | undefined
  /** Only the first connection is like this; later ones are healthy, as after a restart. */
  recovers: boolean
}

/** A moment of a connection, by the bytes or frames received from the relay. */
type Moment = { bytes: number } | { type: number; nth: number }

const ASKED = 0x7fff_fffe // even: no relay asks on it
const PREFACE_BYTES = 24
/** An app that keeps everything open forever would only show the relay's deadlines. */
const STAY_MS = 150

const FINE = [headers(ASKED, [[':status', '200']], false), data(ASKED, 'fine', true)]
const HELLO = encode(settings())
const HEALTHY = {
  bodyBytes: 20,
  greeting: HELLO,
  acknowledges: true,
  answer: FINE,
  isPatient: true,
  ending: undefined,
  recovers: false,
} satisfies Partial<Http2Plot>

export function makePlot(random: Random): Http2Plot {
  if (random.chance(0.12)) {
    return { ...HEALTHY, kind: 'healthy', visitors: manyOf(['1 GET', '2 GET'], random) }
  }
  const isHopeless = random.chance(0.5)
  const visitors = manyOf(['1 GET', '1 POST', '1 POST', '2 GET', '2 POST', '2 POST', '1 HEAD'], random)
  return {
    kind: isHopeless ? 'hopeless' : 'odd',
    visitors,
    bodyBytes: random.pick([1, 20, 20_000, 200_000]),
    greeting: random.chance(isHopeless ? 0.4 : 0.15) ? Buffer.from(random.pick(GREETINGS), 'latin1') : hello(random),
    acknowledges: random.chance(0.9),
    answer: isHopeless ? [] : oddAnswer(random),
    isPatient: random.chance(0.5),
    ending: isHopeless || random.chance(0.6) ? oddEnding(random, isHopeless) : undefined,
    recovers: !isHopeless && random.chance(0.2),
  }
}

export function showPlot({
  kind,
  visitors,
  bodyBytes,
  greeting,
  acknowledges,
  answer,
  isPatient,
  ending,
  recovers,
}: Http2Plot): string {
  // prettier-ignore
  const words = [
    `${kind}: ${visitors.join(', ')} with ${bodyBytes} bytes ← on connect ${JSON.stringify(greeting.toString('latin1'))}`,
    answer.length > 0 && `; on ${isPatient ? 'a whole request' : 'HEADERS'} ${answer.map(showFrame).join(' ')}`,
    ending && `; ${ending.afterMs} ms after ${JSON.stringify(ending.when)} ${JSON.stringify(ending.say.toString('latin1'))} ${ending.how}`, // prettier-ignore
    !acknowledges && '; no ACK',
    recovers && '; later connections are healthy',
  ]
  return words.filter(Boolean).join('')
}

/** An app whose connections follow the current plot. */
export class Http2App {
  readonly server: Server
  #plot: Http2Plot | undefined
  #connections = 0
  readonly #sockets = new Set<Socket>()

  constructor() {
    this.server = createServer((socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
      const plot = this.#plot
      const isLater = this.#connections++ > 0
      if (plot) serve(socket, isLater && plot.recovers ? { ...plot, ...HEALTHY } : plot)
      else socket.destroy()
    })
  }

  begin(plot: Http2Plot): void {
    this.#connections = 0
    this.#plot = plot
  }

  /** Ends every connection: the next plot begins with new ones. */
  end(): void {
    this.#plot = undefined
    for (const socket of this.#sockets) socket.destroy()
  }
}

function serve(socket: Socket, plot: Http2Plot): void {
  const { greeting, acknowledges, answer, isPatient, ending } = plot
  let received = 0
  let unread = Buffer.alloc(0)
  let isOver = false
  const counts = new Map<number, number>()
  const finish = (): void => {
    if (isOver || !ending) return
    isOver = true
    setTimeout(() => {
      if (ending.say.length > 0) socket.write(ending.say)
      if (ending.how === 'end') socket.end()
      else if (ending.how === 'reset') socket.resetAndDestroy()
      else setTimeout(() => socket.destroy(), STAY_MS)
    }, ending.afterMs)
  }
  const onFrame = (type: number, flags: number, stream: number): void => {
    const nth = (counts.get(type) ?? 0) + 1
    counts.set(type, nth)
    if (type === SETTINGS && (flags & 1) === 0 && acknowledges) socket.write(encode(SETTINGS_ACK))
    // Without credit only the relay's deadlines would be tested.
    if (type === DATA) for (const id of [0, stream]) socket.write(encode(credit(id)))
    const isAsked = isPatient ? (type === HEADERS || type === DATA) && (flags & END_STREAM) !== 0 : type === HEADERS
    if (isAsked && answer.length > 0) socket.write(Buffer.concat(answer.map((each) => encode(onStream(each, stream)))))
    if (ending && 'type' in ending.when && ending.when.type === type && ending.when.nth === nth) finish()
  }
  socket.on('error', () => {}) // the relay may end a connection at any time
  socket.on('data', (chunk: Buffer) => {
    if (isOver) return
    received += chunk.length
    unread = Buffer.concat([unread, chunk])
    if (received === unread.length && received >= PREFACE_BYTES) unread = unread.subarray(PREFACE_BYTES)
    while (received > unread.length && unread.length >= 9 && unread.length >= 9 + unread.readUIntBE(0, 3)) {
      const length = unread.readUIntBE(0, 3)
      onFrame(unread[3]!, unread[4]!, unread.readUInt32BE(5)) // nine bytes are there
      unread = unread.subarray(9 + length)
    }
    if (ending && 'bytes' in ending.when && received >= ending.when.bytes) finish()
  })
  if (greeting.length > 0) socket.write(greeting)
  if (ending && 'bytes' in ending.when && ending.when.bytes === 0) finish()
  // An odd connection ends after some time in any case.
  if (plot.kind !== 'healthy') setTimeout(() => socket.destroy(), 4 * STAY_MS)
}

function onStream(one: OddFrame, stream: number): OddFrame {
  return one.stream === ASKED ? { ...one, stream } : one
}

function credit(stream: number): OddFrame {
  return { type: WINDOW_UPDATE, flags: 0, stream, payload: Buffer.of(0, 0, 0x40, 0) }
}

function hello(random: Random): Buffer {
  const odd = random.chance(0.25) ? mutateFrames([settings()], random) : [settings()]
  return Buffer.concat(odd.map(encode))
}

function oddAnswer(random: Random): OddFrame[] {
  const information = Array.from({ length: random.pick([0, 0, 1, 2]) }, () =>
    headers(ASKED, [[':status', random.pick(['100', '102', '103', '103', '101', '199'])], ...hints(random)], false),
  )
  const status = random.pick(['200', '200', '204', '304', '404', '500', '205', '100', '101', '099', '999', '20', ''])
  const length: Field[] = random.chance(0.3) ? [['content-length', random.pick(['4', '3', '5', 'x', '-1'])]] : []
  const head = headers(ASKED, [[':status', status], ...length, ...(random.chance(0.5) ? oddFields(random) : [])], false)
  const whole = [...information, head, data(ASKED, 'fine', false), headers(ASKED, oddFields(random), true)]
  const plain = [...information, head, data(ASKED, 'fine', true)]
  const answer = random.chance(0.5) ? whole : plain
  const cut = random.chance(0.2) ? answer.slice(0, random.below(answer.length)) : answer
  return random.chance(0.5) ? mutateFrames(cut, random) : cut
}

function hints(random: Random): Field[] {
  return random.chance(0.6) ? [['link', random.pick(LINKS)]] : oddFields(random)
}

function oddEnding(random: Random, isHopeless: boolean): NonNullable<Http2Plot['ending']> {
  const farewell = (): Buffer => Buffer.concat([encode(strayFrame(random, [0, 1, 3])), encode(strayFrame(random, [1]))])
  const words = [
    () => Buffer.alloc(0),
    () => Buffer.alloc(0),
    () => encode({ type: 7, flags: 0, stream: 0, payload: goaway(random) }),
    () => encode({ type: RST_STREAM, flags: 0, stream: 1, payload: Buffer.of(0, 0, 0, random.below(14)) }),
    () => Buffer.from(random.pick(GREETINGS), 'latin1'),
    // Nothing from a hopeless app may look like an answer.
    ...(isHopeless ? [] : [farewell]),
  ]
  return {
    when: random.pick<Moment>([
      { bytes: random.pick([0, 0, 1, 23, 24, 33, random.below(200), 10_000]) },
      { type: SETTINGS, nth: random.pick([1, 1, 2]) },
      { type: HEADERS, nth: random.pick([1, 1, 2, 3]) },
      { type: DATA, nth: random.pick([1, 2, 5]) },
      { type: WINDOW_UPDATE, nth: 1 },
      { type: PING, nth: 1 },
    ]),
    afterMs: random.pick([0, 0, 1, 10]),
    say: random.pick(words)(),
    how: random.pick(['stay', 'end', 'end', 'reset', 'reset']),
  }
}

function goaway(random: Random): Buffer {
  const payload = Buffer.alloc(8)
  payload.writeUInt32BE(random.pick([0, 1, 3, 0x7fff_ffff]))
  payload.writeUInt32BE(random.below(14), 4)
  return payload
}

function manyOf(choices: readonly Visitor[], random: Random): Visitor[] {
  return Array.from({ length: random.pick([1, 1, 2, 3, 6, 20]) }, () => random.pick(choices))
}

/** The greetings of other programs, and half of an app's. */
const GREETINGS = [
  '',
  'SSH-2.0-x\r\n',
  'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n',
  '\x15\x03\x01\x00\x02\x02\x46',
  '220 smtp ready\r\n', // prettier-ignore
  '\0\0\0\x04\0\0\0\0\0',
  '\0\0\0\x04\0\0\0\0',
  '\0\0\0\x04\x01\0\0\0\0',
  '\0',
  '\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\0',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', // prettier-ignore
  '\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0',
  '\xff'.repeat(9),
  '\0\0\0\0\0\0\0\0\0'.repeat(300),
  'x'.repeat(70_000),
  '<html>', // prettier-ignore
]
