// How a header of a request is treated, by its name: the app and the rules of a policy see the same headers, because both ask
// here. Pure, except for its cache.

import { normalHeaderName } from '../../values/normal-header-name.ts'

/**
 * `drop`: it frames the message or belongs to the connection; rules see it, and the app gets the relay's own or none. `unseen`:
 * only the relay speaks under this name, or it is another spelling of a name to drop; neither rules nor the app get it.
 */
export type RequestClass = 'pass' | 'drop' | 'unseen' | 'cookie' | 'te' | 'expect'

/** Names are few but visitors choose them: the meaning of each is remembered, up to a bound in number and in bytes. */
const MEMORY_MAX = 4096
const REMEMBERED_MAX_CHARS = 64
const classes = new Map<string, RequestClass>()

export function requestClass(name: string): RequestClass {
  let kind = classes.get(name)
  if (kind === undefined) {
    kind = classify(normalHeaderName(name), name.toLowerCase())
    if (name.length > REMEMBERED_MAX_CHARS) return kind
    if (classes.size >= MEMORY_MAX) classes.clear()
    classes.set(name, kind)
  }
  return kind
}

/** RFC 9110 7.6.1 */
export const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-authentication-info',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
])

// Headers from which apps learn how a request came: only the relay knows.
const FORWARDING = new Set([
  'forwarded',
  'x-real-ip',
  'x-original-url',
  'x-rewrite-url',
  'x-original-host',
  'x-client-ip',
  'true-client-ip',
])

function classify(normal: string, lower: string): RequestClass {
  if (normal === 'cookie') return 'cookie'
  if (normal === 'te') return 'te'
  if (normal === 'expect') return 'expect'
  if (DROPPED.has(normal) || HOP_BY_HOP.has(normal)) return normal === lower ? 'drop' : 'unseen'
  if (FORWARDING.has(normal) || normal.startsWith('x-forwarded-') || normal.startsWith('sallyport-')) return 'unseen'
  return 'pass'
}

const DROPPED = new Set(['host', 'content-length', 'trailer'])
