// The first bytes of every stream the relay opens, and the agent's reply. Layouts: docs/protocol.md.
// Pure: bytes in, values out. The reader keeps no more than one header's length.

import type { Duplex } from 'node:stream'

import { ProtocolError } from '../process/errors.ts'
import { printable } from '../process/printable.ts'

const STREAM_HEADER_VERSION = 1
const FIXED_BYTES = 9 // version 1, protocol 1, length 2, tunnel id 4, address length 1
const HEADER_MAX_BYTES = 512 // a later version may add fields; nobody needs more than this
const REASON_MAX_BYTES = 255

const PROTOCOLS = { http1: 1, http2: 2 } as const

/** The relay's protocol on the stream after the header. */
export type StreamProtocol = keyof typeof PROTOCOLS

export interface StreamHeader {
  /** The tunnel inside this session, as the agent numbered it in `bind`. */
  tunnelId: number
  /** The visitor's address, for the agent's log; it never decides which address the agent dials. */
  visitor: string
  protocol: StreamProtocol
}

const REFUSALS = {
  app_refused: 1,
  app_unreachable: 2,
  app_timeout: 3,
  tunnel_unknown: 4,
  header_invalid: 5,
  busy: 6,
} as const

/** Why an agent could not connect the stream to its upstream. */
export type RefusalCode = keyof typeof REFUSALS

export type StreamReply = { ok: true } | { ok: false; code: RefusalCode; reason: string }

/** One byte: the upstream is connected, everything after it is the upstream's own. */
export const REPLY_OK = Buffer.from([0])

/** Encodes a stream header; at most 9 + 255 bytes. A longer visitor address is cut. */
export function encodeStreamHeader({ tunnelId, visitor, protocol }: StreamHeader): Buffer {
  const address = Buffer.from(visitor, 'latin1').subarray(0, 255)
  const header = Buffer.allocUnsafe(FIXED_BYTES + address.length)
  header[0] = STREAM_HEADER_VERSION
  header[1] = PROTOCOLS[protocol]
  header.writeUInt16BE(header.length, 2)
  header.writeUInt32BE(tunnelId, 4)
  header[8] = address.length
  address.copy(header, FIXED_BYTES)
  return header
}

/**
 * Decodes a header from the front of `bytes`.
 * @returns the header and its length, or undefined while more bytes are needed
 * @throws ProtocolError `mux_violation` if the bytes can never become a header
 */
export function decodeStreamHeader(bytes: Buffer): { header: StreamHeader; length: number } | undefined {
  if (bytes.length < 4) return undefined
  if (bytes[0] !== STREAM_HEADER_VERSION) throw new ProtocolError('mux_violation', `stream header version ${bytes[0]}`)
  const length = bytes.readUInt16BE(2)
  if (length < FIXED_BYTES || length > HEADER_MAX_BYTES) {
    throw new ProtocolError('mux_violation', `stream header of ${length} bytes`)
  }
  if (bytes.length < length) return undefined
  const addressLength = bytes.readUInt8(8)
  if (FIXED_BYTES + addressLength > length) throw new ProtocolError('mux_violation', 'stream header address too long')
  const protocol = bytes[1] === PROTOCOLS.http1 ? 'http1' : bytes[1] === PROTOCOLS.http2 ? 'http2' : undefined
  if (!protocol) throw new ProtocolError('mux_violation', `stream protocol ${bytes[1]}`)
  const visitor = bytes.toString('latin1', FIXED_BYTES, FIXED_BYTES + addressLength)
  return { header: { tunnelId: bytes.readUInt32BE(4), visitor, protocol }, length }
}

/** Encodes a refusal: code, length of the reason, reason (UTF-8, cut at 255 bytes). */
export function encodeRefusal(code: RefusalCode, reason: string): Buffer {
  const text = Buffer.from(reason, 'utf8').subarray(0, REASON_MAX_BYTES)
  return Buffer.concat([Buffer.from([REFUSALS[code], text.length]), text])
}

/**
 * Decodes the agent's reply from the front of `bytes`.
 * @returns the reply and how many bytes it took, or undefined while more are needed.
 *   An unknown refusal code counts as `app_unreachable`: a newer agent may know more reasons.
 */
export function decodeStreamReply(bytes: Buffer): { reply: StreamReply; length: number } | undefined {
  if (bytes.length === 0) return undefined
  if (bytes[0] === 0) return { reply: { ok: true }, length: 1 }
  if (bytes.length < 2 || bytes.length < 2 + bytes.readUInt8(1)) return undefined
  const length = 2 + bytes.readUInt8(1)
  const known = Object.entries(REFUSALS).find(([, value]) => value === bytes[0])
  const code = known ? (known[0] as RefusalCode) : 'app_unreachable' // the keys of REFUSALS are RefusalCodes
  return { reply: { ok: false, code, reason: printable(bytes.toString('utf8', 2, length)) }, length }
}

/**
 * Reads the header from a fresh stream and puts the bytes after it back.
 * The wait is bounded by the caller: with `signal`, or by destroying the stream.
 * @throws ProtocolError `mux_violation` for garbage, `connection_lost` when the stream ends first;
 *   the signal's reason when it aborts. The caller destroys the stream then.
 */
export function readStreamHeader(stream: Duplex, signal?: AbortSignal): Promise<StreamHeader> {
  return new Promise((resolve, reject) => {
    let kept: Buffer | undefined
    const onReadable = (): void => {
      for (let chunk = read(stream); chunk; chunk = read(stream)) {
        kept = kept ? Buffer.concat([kept, chunk]) : chunk
        try {
          const decoded = decodeStreamHeader(kept)
          if (!decoded) continue
          stop()
          if (decoded.length < kept.length) stream.unshift(kept.subarray(decoded.length))
          return resolve(decoded.header)
        } catch (error) {
          stop()
          return reject(error as Error) // decodeStreamHeader throws ProtocolError only
        }
      }
    }
    const onGone = (): void => {
      stop()
      reject(new ProtocolError('connection_lost', 'the stream ended before its header'))
    }
    const onAbort = (): void => {
      stop()
      reject(signal?.reason as Error) // an AbortSignal made by our own code
    }
    function stop(): void {
      stream.off('readable', onReadable).off('end', onGone).off('close', onGone)
      signal?.removeEventListener('abort', onAbort)
    }
    stream.on('readable', onReadable).on('end', onGone).on('close', onGone)
    signal?.addEventListener('abort', onAbort, { once: true })
    if (signal?.aborted) onAbort()
    else if (stream.destroyed || stream.readableEnded) onGone()
    else onReadable()
  })
}

function read(stream: Duplex): Buffer | null {
  return stream.read() as Buffer | null // binary mode: Buffers only
}
