// The agent's log: lines on stderr, for people or as JSON. Written synchronously, so that the last line
// before an exit is never lost. No secret comes here: the authtoken is a `Secret`, a proxy is named by its host.

import { pino } from 'pino'
import type { Logger } from 'pino'
import { PinoPretty } from 'pino-pretty'

export type Log = Logger

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const
export const LOG_FORMATS = ['pretty', 'json'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]
export type LogFormat = (typeof LOG_FORMATS)[number]

export interface LogOptions {
  level: LogLevel
  format: LogFormat
  /** Whether stderr shows colours. */
  colorize: boolean
}

const STDERR_FD = 2

export function makeLog({ level, format, colorize }: LogOptions): Log {
  const options = { level, base: {}, timestamp: pino.stdTimeFunctions.isoTime }
  if (format === 'json') return pino(options, pino.destination({ fd: STDERR_FD, sync: true }))
  const stream = PinoPretty({
    colorize,
    destination: STDERR_FD,
    sync: true,
    singleLine: true,
    translateTime: 'SYS:HH:MM:ss',
  })
  return pino(options, stream)
}
