// The local time in a time zone, by its IANA name or its offset from UTC. Pure, except for a cache.

import { ValueError } from '../expression-error.ts'

/** Policies have few zones. */
const REMEMBERED_MAX = 50
const formats = new Map<string, Intl.DateTimeFormat>()

/**
 * Returns a `Date` whose parts in UTC are those of the local time.
 * @param zone `Europe/Berlin`, `UTC`, or `+02:00` (cel-spec: "TimeZone")
 * @throws ValueError for an unknown zone
 */
export function inTimeZone(time: Date, zone: string): Date {
  const [, sign, hours = '', minutes = ''] = /^([+-]?)(\d\d):(\d\d)$/.exec(zone.slice(0, 7)) ?? []
  if (sign !== undefined && zone.length <= 6) {
    const offset = (Number(hours) * 60 + Number(minutes)) * 60_000
    return new Date(time.getTime() + (sign === '-' ? -offset : offset))
  }
  const parts = new Map(
    formatOf(zone)
      .formatToParts(time)
      .map(({ type, value }) => [type, Number(value)]),
  )
  const part = (type: Intl.DateTimeFormatPartTypes): number => parts.get(type) ?? 0
  const clock = new Date(0)
  clock.setUTCFullYear(part('year'), part('month') - 1, part('day'))
  clock.setUTCHours(part('hour'), part('minute'), part('second'), time.getUTCMilliseconds())
  return clock
}

function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone)
  if (known) return known
  let format: Intl.DateTimeFormat
  try {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone.slice(0, 64), // no name is longer
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
  } catch {
    throw new ValueError('the time zone is not known; write for example Europe/Berlin or +02:00')
  }
  if (formats.size >= REMEMBERED_MAX) formats.clear()
  formats.set(zone, format)
  return format
}
