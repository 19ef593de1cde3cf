// A provider's text, made fit for a sentence in the log: short, on one line, printable. Pure: no I/O, no clock.

import type { WWWAuthenticateChallengeError } from 'openid-client'

import { printable } from '@sallyport/protocol'

const MAX_CHARS = 300

/** Undefined if it is not a text, or empty. */
export function inWords(said: unknown): string | undefined {
  if (typeof said !== 'string' || said === '') return undefined
  return said.length > MAX_CHARS ? `${printable(said.slice(0, MAX_CHARS))}…` : printable(said)
}

/** The error in `WWW-Authenticate` (RFC 6750 3). */
export function describeChallenges({ cause }: WWWAuthenticateChallengeError): string {
  const said = cause.map(({ parameters }) => inWords(parameters.error_description) ?? inWords(parameters.error))
  return inWords(said.filter((text) => text !== undefined).join(', ')) ?? 'no reason'
}
