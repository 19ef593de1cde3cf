// One stream that the relay opened: header → the tunnel it names → dial that tunnel's own upstream →
// reply → splice. The hot path of the agent: after the reply it only moves bytes.
// Nothing in the header may decide which address it dials (attack 42).

import type { Duplex } from 'node:stream'

import { ProtocolError, REPLY_OK, YamuxStream, encodeRefusal, readStreamHeader, splice } from '@sallyport/protocol'
import type { RefusalCode, StreamHeader } from '@sallyport/protocol'

import type { Dial } from './dial-upstream.ts'

// The relay sends the header together with the stream's first frame.
const HEADER_DEADLINE_MS = 10_000
// A refusal is a few bytes. If the relay has not closed its side after this time, it is not reading.
const REFUSED_DEADLINE_MS = 10_000
// Bytes that an app sent before it broke fit into buffers. A visitor who has not taken them after this time gets no
// more time.
const LAST_WORDS_MS = 10_000

export type Served =
  | { ok: true; visitor: string; tunnelId: number; sent: number; received: number }
  | { ok: false; visitor?: string; tunnelId?: number; code: RefusalCode | 'gone'; reason: string }

/** Listens to both sides before they are joined. @param app undefined without a connection to it */
export type Watch = (stream: Duplex, app: Duplex | undefined) => void

/**
 * Serves one stream until both sides are closed.
 * @param dialOf the dial of a tunnel by its number, or undefined if this agent has no such tunnel
 * @param watch gets each stream of HTTP/1.1, if a view shows requests
 * @returns the outcome, for the log; never rejects
 */
export async function serveStream(
  stream: Duplex,
  dialOf: (tunnelId: number) => Dial | undefined,
  watch?: Watch,
  headerDeadlineMs = HEADER_DEADLINE_MS,
): Promise<Served> {
  // A reset ends the stream through 'close', which everything below listens to.
  stream.on('error', () => {})
  const deadline = setTimeout(() => stream.destroy(), headerDeadlineMs)
  let header: StreamHeader
  try {
    header = await readStreamHeader(stream)
  } catch (error) {
    const { code, message } = error as ProtocolError // readStreamHeader throws nothing else
    if (code !== 'mux_violation') return { ok: false, code: 'gone', reason: message }
    return refuse(stream, 'header_invalid', message)
  } finally {
    clearTimeout(deadline)
  }

  const { visitor, tunnelId, protocol } = header
  const watchHere = protocol === 'http1' ? watch : undefined
  const dial = dialOf(tunnelId)
  if (!dial) {
    return { ...refuse(stream, 'tunnel_unknown', `this agent has no tunnel ${tunnelId}`), visitor, tunnelId }
  }
  return new Promise((resolve) => {
    const onGone = (): void => {
      resolve({ ok: false, visitor, tunnelId, code: 'gone', reason: 'the visitor left before the app answered' })
    }
    stream.on('close', onGone)
    dial(stream, (outcome) => {
      stream.off('close', onGone)
      if ('failure' in outcome) {
        const { code, reason } = outcome.failure
        watchHere?.(stream, undefined)
        return resolve({ ...refuse(stream, code, reason), visitor, tunnelId })
      }
      stream.write(REPLY_OK)
      const { socket } = outcome
      watchHere?.(stream, socket)
      void splice(stream, socket, endByReset).then(({ sent, received }) =>
        resolve({ ok: true, visitor, tunnelId, sent, received }),
      )
    })
  })
}

/** The app broke: its earlier bytes still go to the relay, then the reset says that they are not all. */
function endByReset(stream: Duplex): void {
  if (!(stream instanceof YamuxStream)) return void stream.destroy()
  stream.resetAfterWrites()
  if (stream.destroyed) return
  const deadline = setTimeout(() => stream.destroy(), LAST_WORDS_MS)
  stream.once('close', () => clearTimeout(deadline))
}

/** Answers with a refusal and FIN, never RST: a reset would throw away the reason while it is still in flight. */
function refuse(stream: Duplex, code: RefusalCode, reason: string): { ok: false; code: RefusalCode; reason: string } {
  stream.end(encodeRefusal(code, reason))
  // Bytes that the relay sent meanwhile are read and dropped, so that its end is seen and the stream can close.
  stream.resume()
  const deadline = setTimeout(() => stream.destroy(), REFUSED_DEADLINE_MS)
  stream.once('close', () => clearTimeout(deadline))
  return { ok: false, code, reason }
}
