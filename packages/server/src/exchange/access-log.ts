// One line per exchange, when it is over. Only the path is written, never the query: queries carry secrets.

import type { Logger } from 'pino'

import type { Exchange } from './exchange.ts'

const PATH_MAX_CHARS = 2048 // a head may have 32 KiB, and a line is for reading

export function logAccess(log: Logger, exchange: Exchange, milliseconds: number): void {
  const { error } = exchange
  const fields = {
    method: exchange.method,
    host: exchange.host,
    path: cut(exchange.path),
    status: exchange.status,
    ms: Math.round(milliseconds * 10) / 10,
    clientIp: exchange.clientIp,
    edgeId: exchange.edgeId || undefined,
    tunnelId: exchange.tunnelId,
    user: exchange.identity?.subject,
    code: error?.publicCode,
    detail: error?.detail ?? exchange.cutReason?.message,
    // A reason is worth its stack only where the relay itself is at fault.
    err: error?.code === 'internal' ? error.cause : undefined,
  }
  if (error?.code === 'internal') log.error(fields, 'exchange')
  else log.info(fields, 'exchange')
}

function cut(path: string): string {
  return path.length > PATH_MAX_CHARS ? `${path.slice(0, PATH_MAX_CHARS)}…` : path
}
