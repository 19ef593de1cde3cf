// The body of a form that a program posts to the relay itself: bounded in size and time.

import { readBody, type BodyFault } from '../../exchange/body/read-body.ts'
import type { Exchange } from '../../exchange/exchange.ts'

const MAX_BYTES = 32_768
const DEADLINE_MS = 10_000

export type FormVerdict = { ok: true; form: URLSearchParams } | { ok: false; detail: string }

export async function readForm(exchange: Exchange): Promise<FormVerdict> {
  const type = exchange.header('content-type')?.split(';', 1)[0]?.trim().toLowerCase()
  if (type !== 'application/x-www-form-urlencoded') return { ok: false, detail: 'the body is not a form' }
  const verdict = await readBody(exchange, { maxBytes: MAX_BYTES, patience: { wholeMs: DEADLINE_MS } })
  if (!verdict.ok) return { ok: false, detail: DETAILS[verdict.reason] }
  return { ok: true, form: new URLSearchParams(verdict.body.toString('utf8')) }
}

const DETAILS: Readonly<Record<BodyFault, string>> = {
  too_large: `the body is longer than ${MAX_BYTES} bytes`,
  too_slow: 'the body did not come in time',
  no_room: 'there is no room for the body',
  gone: 'the body was cut off',
}
