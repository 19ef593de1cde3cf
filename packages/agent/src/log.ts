// The agent's log: lines on stderr, for people or as JSON. No secret comes here: the authtoken is a `Secret`, a proxy is
// named by its host.

import { LogOutput } from '@sallyport/protocol/log-output'
import { pino } from 'pino'
import type { Logger } from 'pino'
import { prettyFactory } from 'pino-pretty'

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
/** For the reader of the last lines, when all else is over. */
export const LAST_LINES_MS = 1000

export interface AgentLog {
  log: Log
  /** Resolves when the last line is written, or its reader has had time enough. */
  drained: () => Promise<void>
}

/** Opens the log. Whatever is behind standard error, the agent goes on: see LogOutput. */
export function openLog({ level, format, colorize }: LogOptions): AgentLog {
  const output: LogOutput = new LogOutput(STDERR_FD, {
    onDropped: (lines) => log.warn({ lines }, 'log lines were dropped: there was no room for them'),
  })
  const options = { level, base: {}, timestamp: pino.stdTimeFunctions.isoTime }
  const pretty = prettyFactory({ colorize, singleLine: true, translateTime: 'SYS:HH:MM:ss' })
  const log = pino(options, format === 'json' ? output : { write: (line) => output.write(pretty(line)) })
  return { log, drained: () => output.drained(LAST_LINES_MS) }
}
