// The body of a form that a program posts to the relay itself: bounded in size and time.

import type { Exchange } from '../../exchange/exchange.ts'

const MAX_BYTES = 32_768
const DEADLINE_MS = 10_000

export type FormVerdict = { ok: true; form: URLSearchParams } | { ok: false; detail: string }

export async function readForm(exchange: Exchange): Promise<FormVerdict> {
  const type = exchange.header('content-type')?.split(';', 1)[0]?.trim().toLowerCase()
  if (type !== 'application/x-www-form-urlencoded') return { ok: false, detail: 'the body is not a form' }
  if (!exchange.announcesBody) return { ok: true, form: new URLSearchParams() }
  const { request, response } = exchange
  const read = Promise.withResolvers<FormVerdict>()
  const chunks: Buffer[] = []
  let length = 0
  request.on('data', (chunk) => {
    length += chunk.length
    if (length <= MAX_BYTES) return void chunks.push(chunk)
    request.pause() // the answer closes the connection
    read.resolve({ ok: false, detail: `the body is longer than ${MAX_BYTES} bytes` })
  })
  request.on('end', () => read.resolve({ ok: true, form: new URLSearchParams(Buffer.concat(chunks).toString('utf8')) }))
  response.once('close', () => read.resolve({ ok: false, detail: 'the body was cut off' }))
  const timer = setTimeout(() => read.resolve({ ok: false, detail: 'the body did not come in time' }), DEADLINE_MS)
  try {
    return await read.promise
  } finally {
    clearTimeout(timer)
  }
}
