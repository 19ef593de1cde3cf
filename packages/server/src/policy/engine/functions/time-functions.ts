// Times and durations. cel-spec: "Timestamps", "Durations"; ngrok docs: "Macros Reference", Timestamps. Timestamps have a precision
// of milliseconds; further digits are dropped.

import { ValueError } from '../expression-error.ts'
import type { ExpressionView } from '../expression-view.ts'
import { Duration, durationInRange, timeInRange } from '../values.ts'
import { type FunctionDefinition, define } from './define-function.ts'
import { inTimeZone } from './time-zone.ts'

const DAY_MS = 86_400_000

/** Getters for a clock, which is a time whose parts in UTC are those of the time zone. */
const PARTS: Readonly<Record<string, { about: string; of: (clock: Date) => number }>> = {
  getDate: { about: 'the day of the month, from 1', of: (clock) => clock.getUTCDate() },
  getDayOfMonth: { about: 'the day of the month, from 0', of: (clock) => clock.getUTCDate() - 1 },
  getDayOfWeek: { about: 'the day of the week; 0 is Sunday', of: (clock) => clock.getUTCDay() },
  getDayOfYear: {
    about: 'the day of the year, from 0',
    of: (clock) => Math.floor((clock.getTime() - startOfYear(clock)) / DAY_MS),
  },
  getFullYear: { about: 'the year', of: (clock) => clock.getUTCFullYear() },
  getHours: { about: 'the hour, from 0 to 23', of: (clock) => clock.getUTCHours() },
  getMilliseconds: { about: 'the millisecond, from 0 to 999', of: (clock) => clock.getUTCMilliseconds() },
  getMinutes: { about: 'the minute, from 0 to 59', of: (clock) => clock.getUTCMinutes() },
  getMonth: { about: 'the month, from 0', of: (clock) => clock.getUTCMonth() },
  getSeconds: { about: 'the second, from 0 to 59', of: (clock) => clock.getUTCSeconds() },
}

export const TIME_FUNCTIONS: readonly FunctionDefinition[] = [
  define('timestamp(string): timestamp', 'reads a time of RFC 3339', ({ budget }: ExpressionView, text: string) => {
    budget.spend(UNITS_TO_READ)
    return readTimestamp(text)
  }),
  define('timestamp(int): timestamp', 'takes the seconds since 1970', (_: ExpressionView, seconds: bigint) =>
    timeInRange(new Date(Number(seconds) * 1000)),
  ),
  define('timestamp(timestamp): timestamp', 'the same time', (_: ExpressionView, time: Date) => time),
  define(
    'duration(string): duration',
    "reads a duration, for example `'1h30m'`",
    ({ budget }: ExpressionView, text: string) => {
      budget.spend(UNITS_TO_READ)
      return readDuration(text)
    },
  ),
  define('duration(duration): duration', 'the same duration', (_: ExpressionView, duration: Duration) => duration),
  ...Object.entries(PARTS).flatMap(([name, { about, of }]) => [
    define(`timestamp.${name}(): int`, `${about}, in UTC`, (_: ExpressionView, time: Date) => BigInt(of(time))),
    define(
      `timestamp.${name}(string): int`,
      `${about}, in a time zone`,
      (view: ExpressionView, time: Date, zone: string) => {
        view.budget.spend(UNITS_OF_A_ZONE)
        return BigInt(of(inTimeZone(time, zone)))
      },
    ),
  ]),
  define(
    'duration.getHours(): int',
    'the whole duration, in hours',
    (_: ExpressionView, { seconds }: Duration) => seconds / 3600n,
  ),
  define(
    'duration.getMinutes(): int',
    'the whole duration, in minutes',
    (_: ExpressionView, { seconds }: Duration) => seconds / 60n,
  ),
  define(
    'duration.getSeconds(): int',
    'the whole duration, in seconds',
    (_: ExpressionView, { seconds }: Duration) => seconds,
  ),
  define(
    'duration.getMilliseconds(): int',
    'the milliseconds after the last whole second',
    (_: ExpressionView, { nanos }: Duration) => BigInt(Math.trunc(nanos / 1_000_000)),
  ),
]

const UNITS_OF_A_ZONE = 50
const UNITS_TO_READ = 20
const TIMESTAMP = /^\d{4}-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)$/

function readTimestamp(text: string): Date {
  const written = text.length <= 40 ? TIMESTAMP.exec(text) : undefined
  const time = written ? new Date(text.toUpperCase()) : undefined
  if (!time || Number.isNaN(time.getTime())) throw new ValueError('timestamp: the text is not a time of RFC 3339')
  return timeInRange(time)
}

function startOfYear(clock: Date): number {
  const start = new Date(0)
  start.setUTCFullYear(clock.getUTCFullYear())
  return start.getTime()
}

const UNIT_NANOS: Readonly<Record<string, bigint>> = {
  h: 3_600_000_000_000n,
  m: 60_000_000_000n,
  s: 1_000_000_000n,
  ms: 1_000_000n,
  us: 1000n,
  µs: 1000n,
  ns: 1n,
}
const DURATION = /^([+-]?)((?:(?:\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})(?:h|ms|m|s|us|µs|ns))+|0)$/
const DURATION_PART = /(\d*)(?:\.(\d*))?(h|ms|m|s|us|µs|ns)/g

/** As Go's time.ParseDuration: `300ms`, `-1.5h`, `2h45m`. */
function readDuration(text: string): Duration {
  const written = text.length <= 100 ? DURATION.exec(text) : undefined
  if (!written) throw new ValueError('duration: the text is not a duration such as 1h30m')
  let nanos = 0n
  for (const [, whole = '', fraction = '', unit = ''] of (written[2] ?? '').matchAll(DURATION_PART)) {
    const of = UNIT_NANOS[unit] ?? 0n
    nanos += BigInt(whole || '0') * of + (BigInt(fraction || '0') * of) / 10n ** BigInt(fraction.length)
  }
  if (written[1] === '-') nanos = -nanos
  return durationInRange(new Duration(nanos / 1_000_000_000n, Number(nanos % 1_000_000_000n)))
}
