// Keeps the process from an assertion of Node.js that anybody at the other end of an HTTP/2 connection could bring about.
//
// An HTTP/2 session of node:http2 has a native half, and so has each of its streams. A stream that ends in the midst of
// a header block (HEADERS without END_HEADERS, a block that is refused halfway, half a block of trailers) holds memory of
// its session. If it ends while bytes of it wait on the socket, its native half is left to the garbage collector, and
// so is that of the session when the connection is over. Whichever goes first is chance; if it is the session's, Node.js
// finds that memory missing and ends the process: `(current_nghttp2_memory_) == (0)` in `~Http2Session` (Node.js 24.21;
// of the same kind as CVE-2024-27983, whose remedy covers the streams that the session still knows).
//
// So a session's native half stays until those of such streams are gone. All of them, that is some 20 kB for each session
// of the past, wait for a collection of which V8 sees no need: it does not count them. It is told, now and then. See decision 27.

import type { Http2Session, Http2Stream } from 'node:http2'

import { collectGarbage } from './tune-v8.ts'

/** Sessions that have ended since the last collection of ours: 80 MB. It takes as much time as serving a few dozen. */
const COLLECT_AFTER = 4000

/** The native half stays for as long as its entry is here: until the stream has been collected. */
const kept = new FinalizationRegistry<object>(() => {})
let ended = 0

/**
 * To be called as soon as there is a session, whichever end of it we are.
 * @returns what to call with each of its streams and its `watchEnd()` when that one closes
 */
export function outliveStreams(session: Http2Session): (stream: Http2Stream, sawEnd: () => boolean) => void {
  let native = nativeHalfOf(session)
  session.once('close', () => {
    // Its streams end with it. They are put away in an immediate, before this one, which holds it until then. Behind that the
    // session must not: if its SETTINGS were never acknowledged, the native half keeps it for ever, and it would keep that.
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
 * To be called as soon as there is a stream.
 * @param onPiece told of each piece of the body when it comes, whether anybody reads it or not
 * @returns whether END_STREAM has come: there is no header block then that could be open, and what came is all
 */
export function watchEnd(stream: Http2Stream, onPiece?: (bytes: number) => void): () => boolean {
  let sawEnd = false
  const push = stream.push.bind(stream)
  stream.push = (chunk: Buffer | null, encoding) => {
    // A reset ends the readable side as well, but behind the close of the stream.
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
