// Endless downloads and uploads of stream-app.ts by hand, so that the load generator itself costs almost nothing.

import { connect } from 'node:net'

const BLOCK = Buffer.alloc(64 * 1024, 'x')

export interface Endless {
  /** How much has gone through so far. */
  bytes: () => number
  end: () => void
}

export function endlessDownload({ port, host }: { port: number; host: string }): Endless {
  const socket = connect(port, '127.0.0.1')
  socket.write(`GET /down HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
  socket.on('error', () => {}).resume() // bytes that do not arrive are missing in the count
  return { bytes: () => socket.bytesRead, end: () => socket.destroy() }
}

export function endlessUpload({ port, host }: { port: number; host: string }): Endless {
  const socket = connect(port, '127.0.0.1')
  socket.write(`POST /upload HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 1000000000000\r\n\r\n`)
  const fill = (): void => {
    while (!socket.destroyed && socket.write(BLOCK));
  }
  socket.on('error', () => {}).on('drain', fill)
  fill()
  return { bytes: () => socket.bytesWritten - socket.writableLength, end: () => socket.destroy() }
}

/** Bytes per second of all together, once the windows have grown. */
export async function rateOf(
  transfers: readonly Endless[],
  time: { warmMs: number; measureMs: number },
): Promise<number> {
  try {
    await pause(time.warmMs)
    const [before, started] = [total(transfers), performance.now()]
    await pause(time.measureMs)
    return (total(transfers) - before) / ((performance.now() - started) / 1000)
  } finally {
    for (const { end } of transfers) end()
  }
}

function total(transfers: readonly Endless[]): number {
  return transfers.reduce((sum, { bytes }) => sum + bytes(), 0)
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
