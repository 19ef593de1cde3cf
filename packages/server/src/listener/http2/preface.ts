// Distinguishes HTTP/2 with prior knowledge (RFC 9113 3.3) from HTTP/1.1 on a cleartext connection, by its first bytes.
// No byte is lost: the bytes that were read are put back.

import type { Socket } from 'node:net'

// RFC 9113 3.4: the preface was chosen so that no request of HTTP/1.1 can begin with it.
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')

/**
 * Waits for enough bytes, then decides once. The connection is ended if they do not come.
 * @param patienceMs how long that may take
 */
export function sniffPreface(socket: Socket, patienceMs: number, decide: (isHttp2: boolean) => void): void {
  let kept: Buffer = Buffer.alloc(0)
  const onData = (chunk: Buffer): void => {
    kept = kept.length === 0 ? chunk : Buffer.concat([kept, chunk])
    const length = Math.min(kept.length, PREFACE.length)
    const isPreface = kept.compare(PREFACE, 0, length, 0, length) === 0
    if (isPreface && length < PREFACE.length) return
    stop()
    socket.pause()
    socket.unshift(kept)
    decide(isPreface)
    if (!isPreface) socket.resume() // node:http waits for 'data'; node:http2 reads by itself
  }
  const give = (): void => void socket.destroy()
  const stop = (): void => {
    clearTimeout(timer)
    socket.off('data', onData).off('end', give).off('error', give).off('close', stop)
  }
  const timer = setTimeout(give, patienceMs)
  socket.on('data', onData).on('end', give).on('error', give).on('close', stop)
}
