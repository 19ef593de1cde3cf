// The relay's answer on a connection that node:http does not serve (any more). Pure.

import { STATUS_CODES } from '@sallyport/protocol/node-http'

import type { RelayError } from '../../errors.ts'
import { PAGE_TEXTS } from '../../texts/page-texts.ts'

/** A whole answer of HTTP/1.1, the last one on its connection. */
export function rawAnswer(refusal: RelayError): string {
  const { status, publicCode: code, headers = {} } = refusal
  const [title, detail] = [refusal.titleIn(PAGE_TEXTS.en), refusal.adviceIn(PAGE_TEXTS.en)]
  const body = `${JSON.stringify({ type: 'about:blank', title, status, detail, code })}\n`
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Connection: close',
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `Sallyport-Error-Code: ${code}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ]
  return `${lines.join('\r\n')}\r\n\r\n${body}`
}
