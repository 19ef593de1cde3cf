// The settings of the log, in relay.yml, the environment and the flags of a command. It imports nothing, because a
// command that only shows its help loads no schema.

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export const LOG_FORMATS = ['pretty', 'json'] as const

/** Settings that override relay.yml. */
export interface LogWish {
  level?: (typeof LOG_LEVELS)[number]
  format?: (typeof LOG_FORMATS)[number]
}
