// Joins two byte streams until both have ended: back-pressure both ways, half-close kept.
// Bytes are moved, never looked at. Both streams must allow half-open ends.

import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

export interface Spliced {
  /** Bytes that went from the first stream to the second, and back. */
  sent: number
  received: number
}

/**
 * Splices `left` and `right`.
 * An end on one side becomes an end on the other; a break on one side destroys the other, so that a
 * connection cut half-way never looks complete.
 * @param cutLeft how `left` is destroyed when `right` breaks
 * @returns byte counts, once both streams are closed; never rejects
 */
export function splice(left: Duplex, right: Duplex, cutLeft: (left: Duplex) => void = cut): Promise<Spliced> {
  const spliced: Spliced = { sent: 0, received: 0 }
  return new Promise((resolve) => {
    let open = 2
    const onClose = (): void => {
      if (--open === 0) resolve(spliced)
    }
    join(left, right, cut, onClose, (bytes) => (spliced.sent += bytes))
    join(right, left, cutLeft, onClose, (bytes) => (spliced.received += bytes))
  })
}

function join(
  from: Duplex,
  to: Duplex,
  cutTo: (to: Duplex) => void,
  onClose: () => void,
  count: (bytes: number) => void,
): void {
  const onDrain = (): void => void from.resume()
  const onClosed = (): void => {
    to.off('drain', onDrain)
    // A stream of HTTP/2 may end both ways by itself: then `to` has not ended, and nothing reads its remaining bytes.
    const complete = from.readableEnded && from.writableFinished && to.readableEnded
    if (!complete) cutTo(to)
    onClose()
  }
  // The stream's owner has the reason of a break; here the break only has to end the other side, on 'close'.
  from.on('error', () => {})
  if (from.destroyed) {
    cutTo(to)
    queueMicrotask(onClose)
    return
  }
  // A stream may have ended while its header was read: then 'end' has been emitted and does not come again.
  if (from.readableEnded) to.end()
  from.on('data', (chunk: Buffer) => {
    count(chunk.length)
    if (!to.write(chunk)) from.pause()
  })
  // Its last owner has paused the stream so that no byte gets lost; a listener alone does not resume it.
  from.resume()
  from.on('end', () => to.end())
  from.on('close', onClosed)
  to.on('drain', onDrain)
}

/** Ends a stream so that its peer cannot take it for complete: on TCP, destroy() alone would send a clean FIN. */
function cut(stream: Duplex): void {
  // Only a TCP socket has a remote family and no cipher; pipes and TLS have no reset, and TLS itself shows a cut.
  const isTcp = stream instanceof Socket && stream.remoteFamily !== undefined && !('encrypted' in stream)
  if (!isTcp || stream.destroyed) return void stream.destroy()
  // libuv resets no socket while it sends a FIN (EINVAL), and Node then never closes it: a turn later it does both.
  const isSendingEnd = stream.writableEnded && !stream.writableFinished && stream.writableLength === 0
  if (isSendingEnd) stream.once('finish', () => void (stream.destroyed || stream.resetAndDestroy()))
  else stream.resetAndDestroy()
}
