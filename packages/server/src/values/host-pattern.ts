// Hosts of edges: `docs.example.com`, or `*.example.com` for every host below it. Pure: no I/O, no clock.

import { isIP } from 'node:net'
import { domainToASCII } from 'node:url'

const HOST_MAX_CHARS = 253 // RFC 1035 2.3.4, without the final dot
const DNS_LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/

/** The problem of a host of an edge, written in lowercase, or undefined without one. */
export function hostPatternProblem(pattern: string): string | undefined {
  if (pattern.includes('://')) return `"${pattern}" is a URL; write only its host, for example docs.example.com`
  if (pattern.includes('/')) return `"${pattern}" contains a path; write only the host and put the path into a route`
  if (/:\d*$/.test(pattern))
    return `"${pattern}" contains a port; remove it, because an edge answers on every port of the relay`
  if (pattern === '*') return '"*" alone would catch every host; write for example *.example.com'
  if (pattern.endsWith('.')) return `leave the dot at the end of "${pattern}" away`
  const host = pattern.startsWith('*.') ? pattern.slice(2) : pattern
  if (host.includes('*')) return `"${pattern}": the * is only possible alone at the beginning, as in *.example.com`
  // oxlint-disable-next-line no-control-regex -- everything outside ASCII is what this looks for
  if (/[^\x00-\x7f]/.test(host)) {
    // Writing non-ASCII letters in ASCII takes quadratic time.
    const ascii = host.length <= HOST_MAX_CHARS && domainToASCII(host)
    return ascii
      ? `write "${pattern}" in its ASCII form: ${pattern.replace(host, ascii)}`
      : `"${pattern}" is not a host`
  }
  const isHost = host.length <= HOST_MAX_CHARS && host.split('.').every((label) => DNS_LABEL.test(label))
  if (!isHost || (pattern !== host && isIP(host))) {
    return `"${pattern}" is not a host; write for example docs.example.com or *.example.com`
  }
  return undefined
}

/** Whether a host, in lowercase and without a port, matches the pattern. */
export function hostMatches(pattern: string, host: string): boolean {
  if (!pattern.startsWith('*.')) return pattern === host
  return host.length >= pattern.length && host.endsWith(pattern.slice(1))
}

/** Whether a host, or every host of a pattern, is this machine itself. RFC 6761 6.3 gives `*.localhost` to loopback. */
export function isLoopbackHost(pattern: string): boolean {
  const host = pattern.replace(/^\*\./, '').replace(/^\[(.*)\]$/, '$1')
  if (host === 'localhost' || host.endsWith('.localhost') || host === '::1') return true
  return isIP(host) === 4 && host.startsWith('127.')
}
