// Reads the whole body of a request before the request continues: bounded in size and time. Returns its bytes, with
// which the request can continue as a HeldRequest.

import type { Exchange } from '../exchange.ts'

/** How long the visitor may take: either between two pieces, or for the whole body. */
export type Patience = { readonly silenceMs: number } | { readonly wholeMs: number }

export interface BodyBounds {
  readonly maxBytes: number
  readonly patience: Patience
  /** Called before more bytes are kept: false ends the reading, because there is no room. */
  readonly hasRoomFor?: (bytes: number) => boolean
}

/** `too_large` also if only the announced length is too large; `gone` means that the visitor has left. */
export type BodyFault = 'too_large' | 'too_slow' | 'no_room' | 'gone'
/** `isUnread`: no part of the body was read, so it can still be read or forwarded. */
export type BodyVerdict = { ok: true; body: Buffer } | { ok: false; reason: BodyFault; isUnread?: true }

const NONE: BodyVerdict = { ok: true, body: Buffer.alloc(0) }

/**
 * Returns the whole body; empty if none is announced. A visitor who waits with `Expect: 100-continue` is told to
 * continue, unless the announced length is too large. May be called once for an exchange, and not after it has been
 * forwarded.
 */
export function readBody(exchange: Exchange, { maxBytes, patience, hasRoomFor }: BodyBounds): Promise<BodyVerdict> {
  const { request, response } = exchange
  if (!exchange.announcesBody) return Promise.resolve(NONE)
  if (response.destroyed) return Promise.resolve({ ok: false, reason: 'gone' })
  if (Number(exchange.header('content-length') ?? 0) > maxBytes) {
    return Promise.resolve({ ok: false, reason: 'too_large', isUnread: true })
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
      if (!chunks) return // the rest of a refused body is dropped
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
    // RFC 9110 10.1.1: the app cannot send it, since the body is read here.
    if (expectsContinue(exchange)) response.writeContinue()
  })
}

/** HTTP/1.0 knows no interim answers. */
function expectsContinue(exchange: Exchange): boolean {
  return exchange.request.httpVersionMinor > 0 && exchange.header('expect')?.toLowerCase() === '100-continue'
}
