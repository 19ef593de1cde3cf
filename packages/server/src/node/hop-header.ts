// The first bytes of a stream from one node to another: which lane it is for. After it come the agent's reply and the
// app's bytes, as on a stream of the lane itself. Pure: bytes in, values out.
//
//   version 1 · hop 1 · length 2 · tunnel number 4 · length of session id 1 · session id · visitor's address
// `hop` counts the nodes that a request has passed: always 1. A node that gets such a stream serves it from a lane of
// its own or refuses it; it never passes it on, so that two nodes with stale knowledge of each other cannot send a
// request in circles.

import { ProtocolError } from '@sallyport/protocol'

import type { LaneKey } from './directory.ts'

const VERSION = 1
const HOP = 1
const FIXED_BYTES = 9
const HEADER_MAX_BYTES = FIXED_BYTES + 255 + 255

export interface HopHeader extends LaneKey {
  /** The visitor's address, for the agent's log. */
  visitor: string
}

/** A longer address is cut. */
export function encodeHopHeader({ sessionId, number, visitor }: HopHeader): Buffer {
  const id = Buffer.from(sessionId, 'latin1').subarray(0, 255)
  const address = Buffer.from(visitor, 'latin1').subarray(0, 255)
  const header = Buffer.allocUnsafe(FIXED_BYTES + id.length + address.length)
  header[0] = VERSION
  header[1] = HOP
  header.writeUInt16BE(header.length, 2)
  header.writeUInt32BE(number, 4)
  header[8] = id.length
  id.copy(header, FIXED_BYTES)
  address.copy(header, FIXED_BYTES + id.length)
  return header
}

/**
 * Decodes a header from the front of `bytes`.
 * @returns the header and its length, or undefined while more bytes are needed
 * @throws ProtocolError `mux_violation` if the bytes can never become a header, a second hop included
 */
export function decodeHopHeader(bytes: Buffer): { header: HopHeader; length: number } | undefined {
  if (bytes.length < 4) return undefined
  if (bytes[0] !== VERSION) throw new ProtocolError('mux_violation', `hop header version ${bytes[0]}`)
  if (bytes[1] !== HOP) throw new ProtocolError('mux_violation', `hop ${bytes[1]}: one is all there may be`)
  const length = bytes.readUInt16BE(2)
  if (length < FIXED_BYTES || length > HEADER_MAX_BYTES) {
    throw new ProtocolError('mux_violation', `hop header of ${length} bytes`)
  }
  if (bytes.length < length) return undefined
  const end = FIXED_BYTES + bytes.readUInt8(8)
  if (end > length) throw new ProtocolError('mux_violation', 'the session id is longer than the hop header')
  const sessionId = bytes.toString('latin1', FIXED_BYTES, end)
  const visitor = bytes.toString('latin1', end, length)
  return { header: { sessionId, number: bytes.readUInt32BE(4), visitor }, length }
}
