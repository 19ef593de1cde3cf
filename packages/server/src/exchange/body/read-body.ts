// Reads the whole body of a request before the request goes on: bounded in size and time. What was read is given back as
// bytes; the request can go on with them as a HeldRequest.

import type { Exchange } from '../exchange.ts'

/** How long whoever sends may take: with silences of so long, or in all. */
export type Patience = { readonly silenceMs: number } | { readonly wholeMs: number }

export interface BodyBounds {
  readonly maxBytes: number
  readonly patience: Patience
  /** Asked before further bytes are kept: false ends the reading, for want of room. */
  readonly hasRoomFor?: (bytes: number) => boolean
}

/** `too_large` is also said of a length that is only announced; `gone` means that the visitor has left. */
export type BodyFault = 'too_large' | 'too_slow' | 'no_room' | 'gone'
export type BodyVerdict = { ok: true; body: Buffer } | { ok: false; reason: BodyFault }

const NONE: BodyVerdict = { ok: true, body: Buffer.alloc(0) }

/**
 * All of a body; empty where none is announced. A visitor who waits with `Expect: 100-continue` is told to go on, unless the
 * length is too large already. May be called once for an exchange, and not after it has been forwarded.
 */
export function readBody(exchange: Exchange, { maxBytes, patience, hasRoomFor }: BodyBounds): Promise<BodyVerdict> {
  const { request, response } = exchange
  if (!exchange.announcesBody) return Promise.resolve(NONE)
  if (response.destroyed) return Promise.resolve({ ok: false, reason: 'gone' })
  if (Number(exchange.header('content-length') ?? 0) > maxBytes) {
    return Promise.resolve({ ok: false, reason: 'too_large' })
  }
  return new Promise((resolve) => {
    const mayPause = 'silenceMs' in patience
    const timer = setTimeout(
      () => end({ ok: false, reason: 'too_slow' }),
      mayPause ? patience.silenceMs : patience.wholeMs,
    )
    let chunks: Buffer[] | undefined = []
    let bytes = 0
    const end = (verdict: BodyVerdict): void => {
      clearTimeout(timer)
      chunks = undefined
      resolve(verdict)
    }
    request.on('data', (chunk) => {
      if (!chunks) return // what still comes of a body that is refused is dropped
      bytes += chunk.length
      if (bytes > maxBytes) return end({ ok: false, reason: 'too_large' })
      if (hasRoomFor?.(chunk.length) === false) return end({ ok: false, reason: 'no_room' })
      chunks.push(chunk)
      if (mayPause) timer.refresh()
    })
    request.on('end', () => {
      if (chunks) end({ ok: true, body: Buffer.concat(chunks, bytes) })
    })
    response.on('close', () => end({ ok: false, reason: 'gone' }))
    // RFC 9110 10.1.1: nobody else will say so, since the body is read here.
    if (expectsContinue(exchange)) response.writeContinue()
  })
}

/** HTTP/1.0 knows no interim answers. */
function expectsContinue(exchange: Exchange): boolean {
  return exchange.request.httpVersionMinor > 0 && exchange.header('expect')?.toLowerCase() === '100-continue'
}
