// The relay's log: constant words with fields. Pretty on a terminal, one JSON object a line elsewhere.

import { createRequire } from 'node:module'

import { pino } from 'pino'
import type { DestinationStream, Logger } from 'pino'
import type pinoPretty from 'pino-pretty'

export type { Logger } from 'pino'

export interface LogOptions {
  level: string
  format?: 'pretty' | 'json'
  /** Whether other processes write into the same output. */
  isShared?: boolean
}

/** What a pipe takes as a whole, so that lines of several processes do not mix: PIPE_BUF, at least 4096 on Linux. */
const PIPE_BYTES = 4096

// The last line of defence: no code logs these, and if one did they would still not be written (attack 44).
const SECRETS = ['authorization', 'cookie', 'token', 'authtoken', 'client_secret', 'code', 'id_token'].flatMap(
  (name) => [`headers.${name}`, `*.headers.${name}`],
)

/** Creates the log on standard output, or on a given stream. */
export function createLog({ level, format, isShared = false }: LogOptions, stream?: DestinationStream): Logger {
  const isPretty = format === 'pretty' || (format === undefined && process.stdout.isTTY)
  const destination =
    stream ??
    (isPretty
      ? toPeople()
      : // Lines are gathered and written together: an access line must not cost a system call.
        pino.destination({
          dest: 1,
          sync: false,
          periodicFlush: 250,
          ...(isShared ? { minLength: PIPE_BYTES / 2, maxWrite: PIPE_BYTES } : { minLength: 4096 }),
        }))
  return pino(
    {
      level,
      base: null,
      redact: { paths: SECRETS, censor: '***' },
      ...(!isPretty && { timestamp: pino.stdTimeFunctions.isoTime }),
    },
    destination,
  )
}

function toPeople(): DestinationStream {
  // Loaded here only: a relay that logs for programs does without it.
  const pretty = createRequire(import.meta.url)('pino-pretty') as typeof pinoPretty // CommonJS has no types of its own
  return pretty({ colorize: process.stdout.isTTY, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss.l', sync: true })
}
