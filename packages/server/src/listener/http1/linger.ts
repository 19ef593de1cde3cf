// Ends a connection whose visitor may still be sending: the rest of a request that was answered early, or bytes that
// nobody reads. If the connection were closed at once, bytes on their way would cause a reset, and a reset destroys the
// answer: the visitor would see "broken pipe" instead of the status.

import type { Socket } from 'node:net'

// The values of nginx (lingering_time, lingering_timeout). A slow uploader needs time before it reads the answer; a
// visitor who neither sends nor closes has already read it.
const LINGER_MS = 30_000
const SILENCE_MS = 5000

/**
 * Ends our half after the written bytes, and then reads and drops all bytes until the visitor ends their half, for a
 * limited time (RFC 9112 9.6). The former parser of the connection gets no more events.
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
