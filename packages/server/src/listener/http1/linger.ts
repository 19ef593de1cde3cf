// The end of a connection whose visitor may still be sending: a request that was answered before all of it had come, or
// what nobody reads any more. Closed at once, the bytes that are still on their way would be answered by a reset, and a
// reset takes the answer with it: the visitor reads "broken pipe" in place of the status.

import type { Socket } from 'node:net'

// As nginx has them (lingering_time, lingering_timeout): who uploads slowly must get around to reading, and who neither
// sends nor closes has had the answer.
const LINGER_MS = 30_000
const SILENCE_MS = 5000

/**
 * Ends the writing half behind what has been written, then reads and drops until the visitor ends theirs, for a bounded
 * while (RFC 9112 9.6). Whoever parsed the connection so far hears of nothing more.
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
  // It belongs to what has been answered.
}
