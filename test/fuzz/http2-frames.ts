// Odd frames of HTTP/2 (RFC 9113 4): valid ones of either side, and mutations of them. Pure.

import {
  ACK,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  GOAWAY,
  HEADERS,
  PING,
  PRIORITY,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
  block,
  frame,
} from '../support/raw-http2.ts'
import type { Random } from '../support/random.ts'
import { LINKS, NAMES, VALUES } from './odd-words.ts'

const PUSH_PROMISE = 5
const PADDED = 8
const WITH_PRIORITY = 0x20
const TYPES = [DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION, 10, 12, 16, 255] // prettier-ignore
const NUMBERS = [0, 1, 2, 3, 5, 7, 8, 11, 100, 16_383, 16_384, 65_535, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]

export interface OddFrame {
  type: number
  flags: number
  stream: number
  payload: Buffer
  /** Written into the head instead of the payload's length. */
  length?: number
}

export type Field = readonly [name: string, value: string]

export function encode({ type, flags, stream, payload, length }: OddFrame): Buffer {
  const bytes = frame(type, flags & 0xff, stream >>> 0, payload)
  if (length !== undefined) bytes.writeUIntBE(length & 0xffffff, 0, 3)
  return bytes
}

export function settings(pairs: readonly (readonly [id: number, value: number])[] = []): OddFrame {
  const payload = Buffer.alloc(6 * pairs.length)
  for (const [index, [id, value]] of pairs.entries()) {
    payload.writeUInt16BE(id, 6 * index)
    payload.writeUInt32BE(value, 6 * index + 2)
  }
  return { type: SETTINGS, flags: 0, stream: 0, payload }
}

export const SETTINGS_ACK: OddFrame = { type: SETTINGS, flags: ACK, stream: 0, payload: Buffer.alloc(0) }

export function headers(stream: number, fields: readonly Field[], isEnd: boolean): OddFrame {
  return { type: HEADERS, flags: END_HEADERS | (isEnd ? END_STREAM : 0), stream, payload: block(fields) }
}

export function data(stream: number, text: string, isEnd: boolean): OddFrame {
  return { type: DATA, flags: isEnd ? END_STREAM : 0, stream, payload: Buffer.from(text, 'latin1') }
}

/** Fields of any kind, those of connections too, as trailers or in a head. */
export function oddFields(random: Random): Field[] {
  const fields: Field[] = []
  do {
    const name = random.pick(NAMES)
    fields.push([random.chance(0.9) ? name.toLowerCase() : name, random.pick([...VALUES, ...LINKS])])
  } while (random.chance(0.5))
  return fields
}

/** One frame that belongs to nothing. */
export function strayFrame(random: Random, streams: readonly number[]): OddFrame {
  const stream = random.pick(streams)
  return random.pick<() => OddFrame>([
    () => settings([[random.pick([1, 2, 3, 4, 5, 6, 8, 9, 0xffff]), random.pick(NUMBERS)]]),
    () => settings(Array.from({ length: random.pick([0, 5, 40]) }, () => [3, random.pick(NUMBERS)] as const)),
    () => SETTINGS_ACK,
    () => ({ type: PING, flags: random.pick([0, ACK]), stream: 0, payload: Buffer.alloc(8) }),
    () => ({ type: WINDOW_UPDATE, flags: 0, stream: random.pick([0, stream]), payload: number(random) }),
    () => ({ type: RST_STREAM, flags: 0, stream, payload: number(random) }),
    () => ({ type: PRIORITY, flags: 0, stream, payload: Buffer.concat([number(random), Buffer.of(1)]) }),
    () => ({
      type: GOAWAY,
      flags: 0,
      stream: 0,
      payload: Buffer.concat([number(random), number(random), word(random)]),
    }),
    () => ({ type: PUSH_PROMISE, flags: END_HEADERS, stream, payload: Buffer.concat([number(random), block([[':status', '200']])]) }), // prettier-ignore
    () => ({ type: CONTINUATION, flags: random.pick([0, END_HEADERS]), stream, payload: block(oddFields(random)) }),
    () => ({ type: random.pick(TYPES), flags: random.below(256), stream, payload: word(random) }),
    () => data(stream, 'x'.repeat(random.pick([0, 1, 16_384, 16_385])), random.chance(0.5)),
    () => headers(stream, oddFields(random), random.chance(0.5)),
  ])()
}

/** Frames lost, doubled, swapped, inserted, and changed in every part. */
export function mutateFrames(frames: readonly OddFrame[], random: Random): OddFrame[] {
  const odd = [...frames]
  const streams = [0, 1, 2, 3, 5, 0x7fff_ffff, ...frames.map(({ stream }) => stream)]
  for (let times = 1 + random.below(4); times > 0; times--) {
    const at = random.below(odd.length + 1)
    const one = odd[at]
    const roll = random.below(100)
    if (!one || roll < 30) odd.splice(at, 0, strayFrame(random, streams))
    else if (roll < 37) odd.splice(at, 1)
    else if (roll < 44) odd.splice(at, 0, one)
    else if (roll < 52) odd.splice(at, 1, ...inPieces(one, random))
    else odd[at] = changed(one, random, streams)
  }
  return odd
}

function changed(one: OddFrame, random: Random, streams: readonly number[]): OddFrame {
  return random.pick<() => OddFrame>([
    () => ({ ...one, flags: one.flags ^ (1 << random.below(8)) }),
    () => ({ ...one, flags: one.flags | random.pick([END_STREAM, END_HEADERS, PADDED, WITH_PRIORITY]) }),
    () => ({ ...one, stream: random.pick(streams) }),
    () => ({ ...one, type: random.pick(TYPES) }),
    () => ({ ...one, length: random.pick([...NUMBERS, one.payload.length - 1, one.payload.length + 1]) }),
    () => ({ ...one, payload: one.payload.subarray(0, random.below(one.payload.length + 1)) }),
    () => ({ ...one, payload: flipped(one.payload, random) }),
    () => ({ ...one, payload: Buffer.concat([word(random), one.payload]) }),
    () => ({ ...one, payload: Buffer.concat([one.payload, word(random)]) }),
    () => ({ ...one, payload: Buffer.concat([one.payload, block(oddFields(random))]) }),
  ])()
}

/** A head in HEADERS and CONTINUATION, complete or not. */
function inPieces(one: OddFrame, random: Random): OddFrame[] {
  if (one.type !== HEADERS) return [one, one]
  const at = random.below(one.payload.length + 1)
  const rest = { type: CONTINUATION, flags: END_HEADERS, stream: one.stream, payload: one.payload.subarray(at) }
  const empty = { ...rest, flags: 0, payload: Buffer.alloc(0) }
  const pieces = [{ ...one, flags: one.flags & ~END_HEADERS, payload: one.payload.subarray(0, at) }]
  return [...pieces, ...Array.from({ length: random.pick([0, 0, 1, 20]) }, () => empty), rest]
}

function flipped(bytes: Buffer, random: Random): Buffer {
  const copy = Buffer.from(bytes)
  if (copy.length > 0) copy[random.below(copy.length)]! ^= 1 << random.below(8) // below its length
  return copy
}

function number(random: Random): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(random.pick(NUMBERS))
  return random.chance(0.9) ? bytes : bytes.subarray(0, random.below(4))
}

function word(random: Random): Buffer {
  return Buffer.from(random.pick(['', '\0', '\xff', '\x3f\xe1\x1f', '\x80', '\xbf\xff\xff\xff\xff\x0f', 'GET / HTTP/1.1\r\n\r\n', '\0'.repeat(20)]), 'latin1') // prettier-ignore
}

export function showFrame({ type, flags, stream, payload, length }: OddFrame): string {
  const name = ['DATA', 'HEADERS', 'PRIORITY', 'RST_STREAM', 'SETTINGS', 'PUSH_PROMISE', 'PING', 'GOAWAY', 'WINDOW_UPDATE', 'CONTINUATION'][type] ?? `type ${type}` // prettier-ignore
  const lie = length === undefined ? '' : ` length ${length & 0xffffff}`
  return `${name}/${flags}@${stream >>> 0}${lie} ${JSON.stringify(payload.toString('latin1'))}`
}
