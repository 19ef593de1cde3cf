// Hosts of internal endpoints: every name below `.internal`. No visitor reaches one; policies forward to them. Pure: no I/O, no
// clock.

import { hostPatternProblem } from '../host-pattern.ts'

const SUFFIX = '.internal'
// The authority has no user, no escape and no final dot: each of these would be a second spelling of a host.
const INTERNAL_URL = /^https?:\/\/([a-z0-9_.-]+\.internal)(?::\d{1,5})?(\/.*)?$/i

/** @param host of an edge, in lower case: a name, or a pattern such as `*.internal` */
export function isInternalHost(host: string): boolean {
  return host.endsWith(SUFFIX)
}

/** The address of an internal endpoint, for people. It has no port: nothing listens there. */
export function internalOrigin(host: string): string {
  return `https://${host}`
}

export interface InternalUrl {
  /** In lower case. */
  readonly host: string
  /** Everything after the authority; empty without a path. */
  readonly rest: string
}

/**
 * Reads the URL of an internal endpoint. Scheme and port may be written as in ngrok's policies, and mean nothing: the host alone
 * names the endpoint.
 * @returns undefined for everything else
 */
export function readInternalUrl(written: string): InternalUrl | undefined {
  const [, authority, rest = ''] = INTERNAL_URL.exec(written) ?? []
  const host = authority?.toLowerCase()
  return host === undefined || hostPatternProblem(host) !== undefined ? undefined : { host, rest }
}
