// Ends a connection whose visitor may still be sending: the rest of a request that was answered early, or bytes that
// nothing reads any more. If it were closed at once, bytes on their way would cause a reset, which destroys the answer:
// the visitor would see "broken pipe" instead of the status.

import type { Socket } from 'node:net'

// As in nginx (lingering_time, lingering_timeout): a slow uploader needs time before it reads, and a visitor who
// neither sends nor closes has had the answer.
const LINGER_MS = 30_000
const SILENCE_MS = 5000

/**
 * Ends the writing half after the written bytes, then reads and drops until the visitor ends theirs, for a bounded
 * while (RFC 9112 9.6). The former parser of the connection gets no more events.
 */
export function linger(socket: Socket, lingerMs = LINGER_MS, silenceMs = SILENCE_MS): void {
  if (socket.destroyed) return
  const destroy = (): void => void socket.destroy()
  const deadline = setTimeout(destroy, lingerMs)
  socket.setTimeout(silenceMs, destroy)
  socket.once('close', () => clearTimeout(deadline))
  socket.removeAllListeners('data')
  socket.on('data', drop)
  socket.on('end', destroy)
  socket.end()
  if (socket.readableEnded) destroy()
  else socket.resume()
}

function drop(): void {
  // It belongs to the answered request.
}
