// Turns failures behind a tunnel into errors for the visitor. Pure: no I/O, no clock.

import { ProtocolError, formatLabels } from '@sallyport/protocol'
import type { StreamReply } from '@sallyport/protocol'

import type { RouteBackend } from '../../backend/route-backend.ts'
import { RelayError } from '../../errors.ts'
import { BadResponse } from './response-head.ts'

/** No tunnel is left to try: none is online, all online ones have been tried, or no more may be tried. */
export function noTunnelError(backend: RouteBackend, tried: number, last: StreamReply | Error | undefined): RelayError {
  if (last) return last instanceof Error ? lostError(last) : refusedError(last, tried)
  const { selectors, advice } = backend
  const headers = { 'retry-after': '5' }
  if (advice !== undefined) return new RelayError('no_tunnel_online', { operator: { advice }, headers })
  const labels = selectors.map((selector) => formatLabels(selector)).join(' or ')
  const flags = [...(selectors[0] ?? [])].map(([key, value]) => `--label ${shellWord(`${key}=${value}`)}`).join(' ')
  return new RelayError('no_tunnel_online', {
    operator: {
      advice: (texts) => texts.instead.noTunnelWith(labels),
      command: `agent tunnel ${flags} http://localhost:8000`,
    },
    headers,
  })
}

function refusedError(reply: StreamReply, tried: number): RelayError {
  const reason = reply.ok ? '' : `${reply.code}: ${reply.reason}`
  const detail = `${tried} tunnel${tried === 1 ? '' : 's'} tried, the last one said ${reason}`
  if (!reply.ok && reply.code === 'app_timeout') return new RelayError('app_timeout', { detail })
  return new RelayError('app_down', { detail, operator: { advice: (texts) => texts.instead.appDown(tried) } })
}

/** The stream broke before the visitor got an answer. */
export function lostError(error: Error): RelayError {
  if (error instanceof RelayError) return error
  if (error instanceof BadResponse) {
    const limit = error.isTooLong ? 'upstream_header_bytes' : undefined
    return new RelayError('app_bad_answer', { cause: error, detail: error.message, ...(limit && { limit }) })
  }
  if (error instanceof ProtocolError && error.code === 'limit_reached') {
    const headers = { 'retry-after': '1' }
    return new RelayError('tunnel_full', {
      cause: error,
      detail: error.message,
      limit: 'exchanges_per_session',
      headers,
    })
  }
  if (error instanceof ProtocolError && error.code === 'buffer_exhausted') {
    return new RelayError('tunnel_lost', { cause: error, detail: error.message, limit: 'session_buffer_bytes' })
  }
  if (error instanceof ProtocolError) return new RelayError('tunnel_lost', { cause: error, detail: error.message })
  return new RelayError('app_bad_answer', { cause: error, detail: error.message })
}

/** node:http or node:http2 refuses the head of the app's answer. */
export function refusedHead(cause: unknown): RelayError {
  return new RelayError('app_bad_answer', { cause, detail: 'a header that Node.js refuses' })
}

/** Quotes a word for a POSIX shell only if needed: people paste this command. */
function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
