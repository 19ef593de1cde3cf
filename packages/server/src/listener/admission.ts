// Admission: the rules for every request before its edge is looked up. node:http is more lenient than a proxy may be:
// if two parsers read one message differently, requests can be smuggled. No I/O, no clock. Sources: RFC 9110 7.2, RFC
// 9112 3 and 6, and RULES.md "Admission".

import type { IncomingMessage } from 'node:http'
import { isIPv6 } from 'node:net'

import { RelayError } from '../errors.ts'
import { isAuthority } from '../exchange/target/authority.ts'
import { isOriginForm } from '../exchange/target/origin-form.ts'

// RFC 9112 3.2.2: scheme, host[:port] without user info, and the part that is origin-form.
const ABSOLUTE_FORM = /^(https?):\/\/([^/?]+)(.*)$/i
const DEFAULT_PORTS: Record<string, string> = { http: ':80', https: ':443' }

/**
 * Checks a request head, and turns a target in absolute-form into origin-form: from here on the target has one text.
 * @returns the host: lower case, without port and final dot
 * @throws RelayError `bad_request`, `coding_unsupported` or `method_not_allowed`; then the connection must close
 */
export function admit(request: IncomingMessage): string {
  if (request.httpVersionMajor !== 1 || request.httpVersionMinor > 1) {
    throw refuse(`HTTP version ${request.httpVersion}`)
  }
  const { method, url } = request
  if (method === 'CONNECT' || method === 'TRACE') {
    throw new RelayError('method_not_allowed', { detail: `method ${method}`, headers: { connection: 'close' } })
  }
  const isPlain = url !== undefined && isOriginForm(url)

  let host: string | undefined
  let codings = 0
  let lengths = 0
  const raw = request.rawHeaders
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]! // rawHeaders comes in pairs
    // Only names of these lengths matter here. So most headers cost only one comparison.
    if (name.length === 4 && name.toLowerCase() === 'host') {
      if (host !== undefined) throw refuse('two Host headers')
      host = raw[i + 1]!
    } else if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') {
      codings++
      checkCoding(raw[i + 1]!, request.httpVersionMinor)
    } else if (name.length === 14 && name.toLowerCase() === 'content-length') {
      lengths++
      if (!/^\d{1,15}$/.test(raw[i + 1]!)) throw refuse('the Content-Length is not a number')
    }
  }
  if (codings > 1 || lengths > 1 || (codings > 0 && lengths > 0)) throw refuse('the framing is ambiguous')
  const named = normalHost(host)
  if (!isPlain) request.url = toOriginForm(request, host!) // normalHost has refused a missing one
  return named
}

/**
 * Only origin-form is allowed. An OPTIONS for the whole server, `*` (RFC 9110 9.3.7), is not for the app of an
 * edge.
 */
export function checkTarget(target: string | undefined): void {
  if (target === undefined || !isOriginForm(target)) throw refuse('the request target is not in origin form')
}

/**
 * RFC 9112 3.2.2: a server must take absolute-form as well. We take it if its host equals Host, so that every reader
 * gets the same host. Both http and https are allowed, because TLS may end in front of us.
 * @throws RelayError `bad_request` for anything else
 */
function toOriginForm({ method, url = '' }: IncomingMessage, host: string): string {
  const [, scheme = '', authority = '', rest = ''] = ABSOLUTE_FORM.exec(url) ?? []
  const port = DEFAULT_PORTS[scheme.toLowerCase()]
  if (port === undefined) throw refuse('the request target is not in origin form')
  if (normalHost(authority) !== normalHost(host) || portOf(authority, port) !== portOf(host, port)) {
    throw refuse('the request target names another host than Host')
  }
  // RFC 9112 3.2.4: the OPTIONS of a whole server, see checkTarget().
  if (method === 'OPTIONS' && rest === '') throw refuse('the request target is a whole server')
  const target = rest.startsWith('/') ? rest : `/${rest}` // RFC 9110 4.2.3
  checkTarget(target)
  return target
}

/** @param host a host that isAuthority() has accepted */
function portOf(host: string, byDefault: string): string {
  return /:\d+$/.exec(host)?.[0] ?? byDefault
}

/** RFC 9112 6.1: chunked is the only supported coding, and HTTP/1.0 has none. */
function checkCoding(value: string, minorVersion: number): void {
  if (minorVersion === 0) throw refuse('Transfer-Encoding on HTTP/1.0')
  if (value.toLowerCase() === 'chunked') return
  if (/^[a-z]+$/i.test(value)) {
    throw new RelayError('coding_unsupported', { detail: `coding ${value}`, headers: { connection: 'close' } })
  }
  throw refuse('the Transfer-Encoding is not exactly chunked')
}

/**
 * The host that a Host field or an `:authority` names: lower case, without port and final dot.
 * @throws RelayError `bad_request` if it names none
 */
export function normalHost(host: string | undefined): string {
  if (host === undefined || !isAuthority(host)) throw refuse('the Host is not valid')
  const lower = host.toLowerCase()
  if (lower.startsWith('[')) {
    const end = lower.indexOf(']')
    if (!isIPv6(lower.slice(1, end))) throw refuse('the Host is not valid')
    return lower.slice(0, end + 1)
  }
  const colon = lower.indexOf(':')
  const name = colon === -1 ? lower : lower.slice(0, colon)
  return name.endsWith('.') ? name.slice(0, -1) : name
}

/** The answer to a violation of HTTP; on HTTP/1.1 the connection must close after it. */
export function refuse(detail: string): RelayError {
  return new RelayError('bad_request', { detail, headers: { connection: 'close' } })
}
