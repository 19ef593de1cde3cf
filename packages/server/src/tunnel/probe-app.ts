// Finds out whether an app takes connections: a stream that asks for one and sends nothing through it.

import { decodeStreamReply } from '@sallyport/protocol'
import type { StreamReply, YamuxStream } from '@sallyport/protocol'

const REPLY_DEADLINE_MS = 15_000 // agents give up dialling after 10 s
const FAREWELL_MS = 1000

/**
 * Opens a stream and waits for the agent's reply. Never rejects.
 * @param openStream opens it and sends its header; may throw
 * @returns the reply, or undefined if none came
 */
export function probeApp(openStream: () => YamuxStream): Promise<StreamReply | undefined> {
  return new Promise((resolve) => {
    let stream: YamuxStream
    try {
      stream = openStream()
    } catch {
      return resolve(undefined) // the session is full or gone: that says nothing about the app
    }
    let deadline = setTimeout(() => stream.destroy(), REPLY_DEADLINE_MS)
    let kept: Buffer | undefined = Buffer.alloc(0)
    stream.on('data', (chunk: Buffer) => {
      if (!kept) return // an app that speaks first, without a request
      kept = Buffer.concat([kept, chunk])
      const decoded = decodeStreamReply(kept)
      if (!decoded) return
      kept = undefined
      resolve(decoded.reply)
      // FIN, so that the app sees an ordinary end; not every app answers with its own FIN.
      stream.end()
      clearTimeout(deadline)
      deadline = setTimeout(() => stream.destroy(), FAREWELL_MS)
    })
    stream.on('error', () => {}) // 'close' follows
    stream.on('close', () => {
      clearTimeout(deadline)
      resolve(undefined)
    })
  })
}
