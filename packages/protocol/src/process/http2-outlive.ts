// Prevents a failed assertion in Node.js that the peer of any HTTP/2 connection could cause.
//
// An HTTP/2 session of node:http2 has a native half, and so has each of its streams. A stream that ends in the middle
// of a header block (HEADERS without END_HEADERS, a block that is refused halfway, half a block of trailers) holds
// memory of its session. If it ends while its bytes wait on the socket, its native half is left to the garbage
// collector, and so is the session's after the connection has ended. Their order is chance; if the session's half goes
// first, Node.js finds that memory missing and ends the process: `(current_nghttp2_memory_) == (0)` in `~Http2Session`
// (Node.js 24.21; similar to CVE-2024-27983, whose fix covers only the streams that the session still knows).
// So the session's native half is kept until the native halves of such streams are gone. All of them, some 20 kB for
// each past session, wait for a garbage collection that V8 does not start by itself, because it does not count their
// memory: this file starts one now and then. See decision 27.

import type { Http2Session, Http2Stream } from 'node:http2'

import { collectGarbage } from './tune-v8.ts'

/** Sessions that have ended since the last collection of ours: 80 MB. It takes as much time as serving a few dozen. */
const COLLECT_AFTER = 4000

/** An entry keeps the native half: until the stream has been collected. */
const kept = new FinalizationRegistry<object>(() => {})
let ended = 0

/**
 * Call this as soon as the session exists, at either end.
 * @returns a function to call with each of its streams and its `watchEnd()` when that stream closes
 */
export function outliveStreams(session: Http2Session): (stream: Http2Stream, sawEnd: () => boolean) => void {
  let native = nativeHalfOf(session)
  session.once('close', () => {
    // Its streams end with it. Node.js releases them in an immediate that runs before this one, which holds the session
    // until then. Nothing may hold it longer: if its SETTINGS were never acknowledged, session and native half would
    // keep each other for ever.
    setImmediate(() => {
      native = undefined
      noteEnd()
    })
  })
  return (stream, sawEnd) => {
    if (native && !sawEnd()) kept.register(stream, native)
  }
}

/**
 * Call this as soon as the stream exists.
 * @param onPiece called for each piece of the body when it comes, read or not
 * @returns whether END_STREAM has come: then no header block can be open, and the body is complete
 */
export function watchEnd(stream: Http2Stream, onPiece?: (bytes: number) => void): () => boolean {
  let sawEnd = false
  const push = stream.push.bind(stream)
  stream.push = (chunk: Buffer | null, encoding) => {
    // A reset ends the readable side as well, but after the close of the stream.
    if (chunk !== null) onPiece?.(chunk.length)
    else if (!stream.closed && !stream.destroyed) sawEnd = true
    return push(chunk, encoding)
  }
  return () => sawEnd
}

/** @returns undefined if a Node.js of another version keeps it elsewhere; a test holds that ours does not */
export function nativeHalfOf(session: Http2Session): object | undefined {
  const key = Object.getOwnPropertySymbols(session).find(({ description }) => description === 'kHandle')
  return key && (session as unknown as Record<symbol, object | undefined>)[key] // where node:http2 keeps it
}

function noteEnd(): void {
  if (++ended < COLLECT_AFTER) return
  ended = 0
  collectGarbage()
}
