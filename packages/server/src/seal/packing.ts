// The byte format of a box that must be short. Pure: no I/O, no clock.

export interface Packing<Content> {
  /** @param expires in milliseconds since 1970 */
  pack(content: Content, expires: number): Uint8Array
  /** Reads bytes that pack() has made: they were authenticated. */
  unpack(bytes: Buffer): { expires: number; content: Content }
}

export const TIME_BYTES = 6 // milliseconds until the year 10889

export function packTime(time: number): Buffer {
  const bytes = Buffer.alloc(TIME_BYTES)
  bytes.writeUIntBE(time, 0, TIME_BYTES)
  return bytes
}
