// The name in a ClientHello, read before node:tls reads it: versions and the demand for a certificate can no longer be
// changed when node:tls tells the name. Nothing relies on this name: each request is compared with the settings of its
// connection, whatever name the hello has. Pure: no I/O, no clock. RFC 8446 4.1.2 and 5.1, RFC 6066 3.

const HANDSHAKE = 22
const CLIENT_HELLO = 1
const SERVER_NAME = 0
const HOST_NAME = 0
const RECORD_HEAD_BYTES = 5
const MESSAGE_HEAD_BYTES = 4
const FIXED_BYTES = 34 // version and random
// Hellos with post-quantum keys have about two thousand.
const HELLO_MAX_BYTES = 16 * 1024
const RECORDS_MAX = 16 // each piece costs a look at all of them

/**
 * @param bytes the beginning of a connection
 * @returns the name in lower case; empty if there is none, or this is no ClientHello; undefined if more bytes are needed
 */
export function serverNameIn(bytes: Buffer): string | undefined {
  const hello = helloIn(bytes)
  if (hello === 'incomplete') return bytes.length < HELLO_MAX_BYTES ? undefined : ''
  return hello === 'none' ? '' : nameIn(hello)
}

/** The body of the first message, which several records may carry. */
function helloIn(bytes: Buffer): Buffer | 'incomplete' | 'none' {
  let message: Buffer = Buffer.alloc(0)
  let at = 0
  for (let records = 0; records < RECORDS_MAX; records++) {
    if (bytes.length > at && bytes[at] !== HANDSHAKE) return 'none'
    if (bytes.length < at + RECORD_HEAD_BYTES) return 'incomplete'
    const start = at + RECORD_HEAD_BYTES
    at = start + bytes.readUInt16BE(at + 3)
    message = Buffer.concat([message, bytes.subarray(start, at)])
    if (message.length > 0 && message[0] !== CLIENT_HELLO) return 'none'
    if (message.length >= MESSAGE_HEAD_BYTES) {
      const end = MESSAGE_HEAD_BYTES + message.readUIntBE(1, 3)
      if (end > HELLO_MAX_BYTES) return 'none'
      if (message.length >= end) return message.subarray(MESSAGE_HEAD_BYTES, end)
    }
    if (bytes.length < at) return 'incomplete'
  }
  return 'none'
}

function nameIn(hello: Buffer): string {
  // Session id, cipher suites, compression methods, extensions.
  let [, , , extensions = NOTHING] = vectorsIn(hello.subarray(FIXED_BYTES), [1, 2, 1, 2])
  while (extensions.length >= 4) {
    const type = extensions.readUInt16BE(0)
    const [content = NOTHING] = vectorsIn(extensions.subarray(2), [2])
    if (type === SERVER_NAME) return hostNameIn(content)
    extensions = extensions.subarray(4 + content.length)
  }
  return ''
}

/** `struct { NameType name_type; opaque HostName<1..2^16-1> } ServerName`, in a list of which OpenSSL reads the first, too. */
function hostNameIn(extension: Buffer): string {
  const [list = NOTHING] = vectorsIn(extension, [2])
  if (list.length < 3 || list[0] !== HOST_NAME) return ''
  const [name = NOTHING] = vectorsIn(list.subarray(1), [2])
  return name.toString('latin1').toLowerCase()
}

/** Reads consecutive vectors, each behind its length in the given number of bytes. Stops at the first that is cut off. */
function vectorsIn(bytes: Buffer, lengthBytes: readonly number[]): Buffer[] {
  const vectors: Buffer[] = []
  let at = 0
  for (const size of lengthBytes) {
    if (bytes.length < at + size) break
    const start = at + size
    at = start + bytes.readUIntBE(at, size)
    if (bytes.length < at) break
    vectors.push(bytes.subarray(start, at))
  }
  return vectors
}

const NOTHING = Buffer.alloc(0)
