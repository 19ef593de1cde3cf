// The kinds of values in the sections of relay.yml. Pure: no I/O, no clock.

import { Secret } from '@sallyport/protocol'
import { z } from 'zod'

import { parseCidr } from './cidr.ts'
import { parseDuration } from './duration.ts'
import { headerLineProblem, headerNameProblem, headerValueProblem } from './header-problem.ts'

// oxlint-disable-next-line no-control-regex
const CONTROL = /[\x00-\x1f\x7f]/

export function text(): z.ZodString {
  return z.string().min(1, 'must not be empty')
}

/** Has its own sentence, because the usual one repeats the value. */
export function secretText(problemOf: (written: string) => string | undefined = () => undefined) {
  return z
    .string('must be text; put it in quotes')
    .min(1, 'must not be empty')
    .superRefine(reporting((written) => edgeProblem(written) ?? problemOf(written)))
    .transform((written) => new Secret(written))
}

/**
 * Invisible characters that a value from a file or a variable may bring along: no id or secret contains them, and every
 * sign-in would fail. The sentence does not show the value.
 */
export function edgeProblem(written: string): string | undefined {
  if (/[\r\n]\s*$/.test(written)) {
    return 'ends with a line end; set the variable without it (printf instead of echo), or write |- instead of | in YAML'
  }
  if (written.trim() !== written) return 'has a space around it; remove it'
  if (CONTROL.test(written)) return 'has a line end or another control character in it; write it in one line'
  return undefined
}

/** @param meaning the effect of an empty one, and what to write instead: the end of a sentence */
export function filledList<T extends z.ZodType>(element: T, meaning: string) {
  return z.array(element).min(1, { error: `an empty list ${meaning}`, abort: true })
}

export function wholeNumber(min: number, max: number) {
  return z.preprocess(numberOf, z.int().min(min).max(max))
}

/** `${PORT}` gives text, so numbers and flags are also taken from text. */
export function numberOf(written: unknown): unknown {
  return typeof written === 'string' && /^-?\d+(\.\d+)?$/.test(written) ? Number(written) : written
}

export function flag() {
  return z.preprocess((written) => (written === 'true' ? true : written === 'false' ? false : written), z.boolean())
}

/** Gives milliseconds. */
export function duration() {
  return z
    .union([z.string(), z.number()], { error: 'must be a duration such as 15m, 8h or 7d, or a number of seconds' })
    .transform((written, context) => {
      const milliseconds = parseDuration(written)
      if (milliseconds !== undefined) return milliseconds
      context.addIssue(`"${written}" is not a duration; write for example 15m, 8h or 7d, or a number of seconds`)
      return z.NEVER
    })
}

export function cidr() {
  return text().superRefine((written, context) => {
    const parsed = parseCidr(written)
    if ('problem' in parsed) context.addIssue(parsed.problem)
  })
}

interface HeaderRules {
  /** Whether `Host` may be among the headers. */
  readonly allowsHost?: boolean
  /** Whether values may contain `${…}`. Such a value is made for each exchange, and checked then. */
  readonly allowsTemplates?: boolean
}

/** Name and value of headers. */
export function headerValues({ allowsHost = false, allowsTemplates = false }: HeaderRules = {}) {
  const values = z.record(headerName({ allowsHost }), z.string().superRefine(reporting(headerValueProblem)))
  return values.superRefine((headers, context) => {
    for (const [key, value] of Object.entries(headers)) {
      if (allowsTemplates && value.includes('${')) continue
      const problem = headerLineProblem(key, value)
      if (problem) context.addIssue({ code: 'custom', message: problem, path: [key] })
    }
  })
}

export function headerName({ allowsHost = false } = {}) {
  return text().superRefine(reporting((written) => headerNameProblem(written, allowsHost)))
}

/** A further authority for requests to a provider. Not for agents: it names a file of the relay. */
export function providerCaFile() {
  return text()
    .exactOptional()
    .describe(
      'A further authority in PEM, for providers whose certificate is from your own authority. Read at the start and again when it changes. Relative paths start at the folder of this file.',
    )
    .meta({ examples: ['/etc/sallyport/provider-ca.pem'] })
}

/** Scheme, host and port, in lowercase. */
export function origin(example: string) {
  return text()
    .superRefine((written, context) => {
      if (originOf(written) !== written.toLowerCase())
        context.addIssue(`is not an origin; write for example ${example}, without a path`)
    })
    .toLowerCase()
}

const ORIGIN_MAX_CHARS = 512 // a host has at most 253

function originOf(written: string): string | undefined {
  const url = written.length > ORIGIN_MAX_CHARS ? null : URL.parse(written)
  return url && (url.protocol === 'https:' || url.protocol === 'http:') ? url.origin : undefined
}

/** For superRefine(): reports the found problem, if any. */
export function reporting(findProblem: (written: string) => string | undefined) {
  return (written: string, context: z.RefinementCtx<string>): void => {
    const problem = findProblem(written)
    if (problem) context.addIssue(problem)
  }
}
