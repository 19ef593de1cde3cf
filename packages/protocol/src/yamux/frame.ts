// The yamux frame: 12 bytes of header, then the payload of a Data frame. Layout and numbers are those of
// https://github.com/hashicorp/yamux/blob/master/spec.md, version 0. Pure: no state, no I/O.
//
//   | version 8 | type 8 | flags 16 | stream id 32 | length 32 |   big endian

export const HEADER_BYTES = 12

export const TYPE_DATA = 0
export const TYPE_WINDOW_UPDATE = 1
export const TYPE_PING = 2
export const TYPE_GO_AWAY = 3

export const FLAG_SYN = 1
export const FLAG_ACK = 2
export const FLAG_FIN = 4
export const FLAG_RST = 8
export const FLAGS_KNOWN = FLAG_SYN | FLAG_ACK | FLAG_FIN | FLAG_RST

export const GO_AWAY_NORMAL = 0
export const GO_AWAY_PROTOCOL_ERROR = 1
export const GO_AWAY_INTERNAL_ERROR = 2

/** How much each side may send on a new stream before any credit (spec.md, "Flow Control"). */
export const INITIAL_WINDOW_BYTES = 256 * 1024

/** Stream ids, lengths and windows are unsigned 32-bit numbers. */
export const UINT32_MAX = 0xffff_ffff

/**
 * Writes one header and returns the offset after it. By hand, since `writeUInt32BE` makes checks that are not needed
 * here.
 */
export function writeHeader(
  target: Uint8Array,
  offset: number,
  type: number,
  flags: number,
  streamId: number,
  length: number,
): number {
  target[offset] = 0
  target[offset + 1] = type
  target[offset + 2] = flags >>> 8
  target[offset + 3] = flags
  target[offset + 4] = streamId >>> 24
  target[offset + 5] = streamId >>> 16
  target[offset + 6] = streamId >>> 8
  target[offset + 7] = streamId
  target[offset + 8] = length >>> 24
  target[offset + 9] = length >>> 16
  target[offset + 10] = length >>> 8
  target[offset + 11] = length
  return offset + HEADER_BYTES
}

/** Reads the big-endian unsigned 32-bit number at `offset`; the caller knows that four bytes are there. */
export function readUint32(source: Uint8Array, offset: number): number {
  // `?? 0` is for the type checker only: the caller has checked the length.
  return (
    (((source[offset] ?? 0) << 24) |
      ((source[offset + 1] ?? 0) << 16) |
      ((source[offset + 2] ?? 0) << 8) |
      (source[offset + 3] ?? 0)) >>>
    0
  )
}
