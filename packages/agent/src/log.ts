// The agent's log: lines on stderr, or at the place that --log names, for people or as JSON. It gets no secret: the
// authtoken is a `Secret`, a proxy is named by its host.

import { constants, openSync } from 'node:fs'

import { ConfigError } from '@sallyport/protocol/config-error'
import { LogOutput } from '@sallyport/protocol/log-output'
import { pino } from 'pino'
import { prettyFactory } from 'pino-pretty'

import type { LogFormat, LogLevel } from './log-words.ts'

/** A log, as far as an agent needs it; pino's loggers fit. */
export interface Log {
  debug: LogFunction
  info: LogFunction
  warn: LogFunction
  error: LogFunction
  isLevelEnabled(level: string): boolean
}

/** Constant words, with fields before them if there are any. */
interface LogFunction {
  (fields: object, words: string): void
  (words: string): void
}

export interface LogOptions {
  level: LogLevel
  format: LogFormat
  /** `stdout`, `stderr`, `false` for none, or a file, to which lines are added. */
  place: string
}

/** How long to wait at the end for the reader of the last lines. */
export const LAST_LINES_MS = 1000

export interface AgentLog {
  log: Log
  /** Resolves when the last line is written, or its reader has had enough time. */
  drained: () => Promise<void>
}

/**
 * Opens the log. The agent keeps running whatever happens to the log: see LogOutput.
 * @throws ConfigError if the file cannot be opened
 */
export function openLog({ level, format, place }: LogOptions): AgentLog {
  const stream = place === 'stdout' ? process.stdout : process.stderr
  // NO_COLOR and TERM=dumb turn colours off.
  const colorize = !isFile(place) && stream.isTTY && stream.hasColors()
  const output: LogOutput = new LogOutput(isFile(place) ? openFile(place) : stream.fd, {
    onDropped: (lines) => log.warn({ lines }, 'log lines were dropped: there was no room for them'),
  })
  const options = { level: place === 'false' ? 'silent' : level, base: {}, timestamp: pino.stdTimeFunctions.isoTime }
  const pretty = prettyFactory({ colorize, singleLine: true, translateTime: 'SYS:HH:MM:ss' })
  const log = pino(options, format === 'json' ? output : { write: (line) => output.write(pretty(line)) })
  return { log, drained: () => output.drained(LAST_LINES_MS) }
}

/** Whether `--log` names a file. */
export function isFile(place: string | undefined): place is string {
  return place !== undefined && !['stdout', 'stderr', 'true', 'false'].includes(place)
}

function openFile(path: string): number {
  const { O_WRONLY, O_CREAT, O_APPEND, O_NONBLOCK } = constants
  try {
    // Only this user may read it: it names visitors' addresses. A pipe without a reader is refused rather than waited for.
    return openSync(path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK, 0o600)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException // node:fs throws nothing else
    const hint = 'Write stdout, stderr, false, or a file.'
    const message = `${path === '' ? 'It is empty.' : `${path} cannot be opened (${code}).`} ${hint}`
    throw new ConfigError([{ path: '--log', message }], { cause: error })
  }
}
