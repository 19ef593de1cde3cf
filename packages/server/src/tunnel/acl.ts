// The ACL of an authtoken. Rules match whole values: `*` is a wildcard only as the complete value, never as a part of
// it. Pure: no I/O, no clock.

import { labelProblem, type Labels } from '@sallyport/protocol'

import { hostMatches, hostPatternProblem } from '../values/host-pattern.ts'
import { isInternalHost } from '../values/hosts/internal-host.ts'

export type AclRule =
  | { type: 'everything' }
  /** `value` undefined: every value of this key. */
  | { type: 'label'; key: string; value: string | undefined }
  | { type: 'host'; pattern: string }

/**
 * Reads `bind:edge=edg_docs`, `bind:app=*`, `bind:*.example.com` or `bind:*`. Returns a sentence if it is not a rule.
 */
export function parseAclRule(written: string): AclRule | { problem: string } {
  if (!written.startsWith('bind:')) {
    return { problem: `"${written}" is not a rule; write for example bind:edge=edg_docs or bind:*.example.com` }
  }
  const bound = written.slice('bind:'.length)
  if (bound === '*') return { type: 'everything' }
  const equals = bound.indexOf('=')
  if (equals < 0) {
    const pattern = bound.toLowerCase()
    const problem = hostPatternProblem(pattern)
    return problem ? { problem } : { type: 'host', pattern }
  }
  const key = bound.slice(0, equals)
  const value = bound.slice(equals + 1)
  const problem = labelProblem(key, value)
  if (problem) return { problem }
  if (value === '*' && !key.includes('*')) return { type: 'label', key, value: undefined }
  if (bound.includes('*')) {
    return { problem: `"${written}": a * can only be the whole value, as in bind:app=*, or everything, as in bind:*` }
  }
  return { type: 'label', key, value }
}

/** Whether a tunnel may carry these labels: every one of them needs a rule. No labels at all are not permitted. */
export function permitsLabels(acl: readonly string[], labels: Labels): boolean {
  const rules = acl.map(parseAclRule)
  if (labels.size === 0) return false
  return [...labels].every(([key, value]) => rules.some((rule) => permitsLabel(rule, key, value)))
}

/**
 * Whether an agent may have an endpoint at a host, in lowercase and without a port. `bind:*` means the hosts below the
 * relay's `domain`, and internal endpoints; any other host must be named, because agents may reach the relay by another
 * name or address.
 */
export function permitsHost(acl: readonly string[], host: string, domain: string): boolean {
  return acl.map(parseAclRule).some((rule) => {
    if ('problem' in rule) return false
    if (rule.type === 'everything') return hostMatches(`*.${domain}`, host) || isInternalHost(host)
    return rule.type === 'host' && hostMatches(rule.pattern, host)
  })
}

// A rule that cannot be read permits nothing.
function permitsLabel(rule: AclRule | { problem: string }, key: string, value: string): boolean {
  if ('problem' in rule) return false
  if (rule.type === 'everything') return true
  return rule.type === 'label' && rule.key === key && (rule.value === undefined || rule.value === value)
}
