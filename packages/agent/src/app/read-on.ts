// An app may answer before it has taken the whole request, and close: then writing fails while the answer is still in
// our socket. node:net gives up both halves at the first failed write; this file reads the other half to its end.

import type { Socket } from 'node:net'

type Callback = (error?: Error | null) => void

/** Makes `socket` keep reading after a failed write. It breaks, without an 'end', once nothing is left to read. */
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
    done() // as if it had been written: the writer continues until nothing is left to read
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

/** After a reset the kernel reports an end, but it is none: the app had not taken everything. */
function breakAtEnd(socket: Socket, failure: Error): void {
  const push = socket.push.bind(socket)
  socket.push = (chunk: Buffer | null, encoding) => {
    if (chunk !== null) return push(chunk, encoding)
    socket.destroy(failure)
    return false
  }
}
