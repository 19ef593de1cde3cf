// The relay's log: constant words with fields. Pretty on a terminal, one JSON object a line elsewhere.

import { fstatSync } from 'node:fs'

import { LogOutput } from '@sallyport/protocol/log-output'
import { pino } from 'pino'
import type { DestinationStream, Logger } from 'pino'

import { LogForPeople } from './log-for-people.ts'

export type { DestinationStream as LineOutput, Logger } from 'pino'

export interface LogInit {
  level: string
  format?: 'pretty' | 'json'
  /** Whether other processes write into the same output. */
  isShared?: boolean
}

// Lines are gathered and written together, because a write through a thread costs as much as making a hundred of them.
const GATHER_MS = 250
/** A file takes pieces of any size as a whole, and it has room when a pipe would be full. */
const FILE = { pieceBytes: 256 * 1024, gather: { bytes: 252 * 1024, ms: GATHER_MS } }
/** A pipe holds four times as much, so its reader may lag a little. */
const PIPE = { gather: { bytes: 16 * 1024, ms: GATHER_MS } }
/** A pipe takes PIPE_BUF as a whole, at least 4096 on Linux, so that lines of several processes do not mix. */
const SHARED_PIPE = { pieceBytes: 4096, gather: { bytes: 2048, ms: GATHER_MS } }
const STDOUT_FD = 1
/** The level of a silent log. */
const NOWHERE: DestinationStream = { write: () => {} }
/** The key of a log's output; its child loggers have it, too. */
const OUTPUT = Symbol('output')

// The last line of defence: no code logs these, and if one did they would still not be written (attack 44).
const SECRETS = ['authorization', 'cookie', 'token', 'authtoken', 'client_secret', 'code', 'id_token'].flatMap(
  (name) => [`headers.${name}`, `*.headers.${name}`],
)

/** The log of a process, on standard output. */
export interface ProcessLog {
  log: Logger
  output: LogOutput
}

/** Opens the log on standard output. The process keeps running whatever happens to the log: see LogOutput. */
export function openLog({ level, format, isShared = false }: LogInit): ProcessLog {
  const isFile = fstatSync(STDOUT_FD).isFile()
  const output: LogOutput = new LogOutput(STDOUT_FD, {
    ...(isFile ? FILE : isShared ? SHARED_PIPE : PIPE),
    onDropped: (lines) => log.warn({ lines }, 'log lines were dropped: there was no room for them'),
  })
  const log = isForPeople(format)
    ? createLog({ level, format: 'pretty' }, forPeople(output))
    : createLog({ level }, output)
  return { log, output }
}

/** Whether the log on standard output is for people. */
export function isForPeople(format: LogInit['format']): boolean {
  return format === 'pretty' || (format === undefined && process.stdout.isTTY)
}

/** Creates a log that writes its lines to a stream. */
export function createLog({ level, format }: Pick<LogInit, 'level' | 'format'>, stream?: DestinationStream): Logger {
  const isJson = format !== 'pretty'
  const output = stream ?? NOWHERE
  const log = pino(
    {
      level,
      base: null,
      redact: { paths: SECRETS, censor: '***' },
      ...(isJson && { timestamp: pino.stdTimeFunctions.isoTime }),
    },
    output,
  )
  return isJson ? Object.assign(log, { [OUTPUT]: output }) : log
}

/** The output for lines of JSON without pino: of logs of `createLog`, and of their child loggers. */
export function outputOf(log: Logger): DestinationStream | undefined {
  return (log as Logger & { [OUTPUT]?: DestinationStream })[OUTPUT] // set above
}

function forPeople(output: LogOutput): DestinationStream {
  const { stdout } = process
  const lines = new LogForPeople({
    hasColours: stdout.isTTY && stdout.hasColors(), // NO_COLOR and TERM=dumb say that it has none
    columns: () => (stdout.isTTY && stdout.columns > 0 ? stdout.columns : undefined), // 0 if unknown
  })
  return { write: (line) => output.write(lines.write(line)) }
}
