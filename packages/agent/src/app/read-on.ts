// An app may answer before it has taken the whole request, and close: then writing fails, while the answer stands in our
// socket. node:net gives up both halves at the first write that fails; here the other one is read to its end.

import type { Socket } from 'node:net'

type Callback = (error?: Error | null) => void

/** Has `socket` read on behind a write that fails. It breaks, without an 'end', as soon as there is nothing more to read. */
export function readOn(socket: Socket): void {
  const write = socket._write.bind(socket)
  const writev = socket._writev?.bind(socket)
  let failure: Error | undefined
  const settle = (error: Error | null | undefined, done: Callback): void => {
    if (!error || socket.readableEnded || socket.destroyed) return done(error)
    if (!failure) {
      failure = error
      breakAtEnd(socket, error)
    }
    done() // as if it had been written: whoever writes goes on until there is nothing left to read
  }
  socket._write = (chunk: Buffer, encoding, done) => {
    if (failure) return done()
    write(chunk, encoding, (error) => settle(error, done))
  }
  if (!writev) return
  socket._writev = (chunks, done) => {
    if (failure) return done()
    writev(chunks, (error) => settle(error, done))
  }
}

/** What the kernel tells as an end after a reset is none: the app had not taken everything. */
function breakAtEnd(socket: Socket, failure: Error): void {
  const push = socket.push.bind(socket)
  socket.push = (chunk: Buffer | null, encoding) => {
    if (chunk !== null) return push(chunk, encoding)
    socket.destroy(failure)
    return false
  }
}
