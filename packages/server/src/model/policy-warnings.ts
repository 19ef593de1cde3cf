// Warnings about policies that are valid, but may not do what the operator intended. Pure: no I/O, no clock.

import { listed } from '@sallyport/protocol'
import type { ConfigProblem } from '@sallyport/protocol/config-error'

import type { AddHeadersConfig } from '../policy/add-headers/kind.ts'
import { kindOf } from '../policy/kind.ts'
import type { Step } from '../policy/kind.ts'
import { KINDS } from '../policy/kinds.ts'
import type { RemoveHeadersConfig } from '../policy/remove-headers/kind.ts'
import type { SetHeadersConfig } from '../policy/set-headers/kind.ts'
import { normalHeaderName } from '../values/normal-header-name.ts'
import type { EdgeConfig, PolicyConfig } from './edge-config.ts'
import { stepsOf } from './schema/steps-of.ts'

/** Headers of which apps take several lines, and of which visitors may well send some. */
const LISTS = new Set(['accept', 'accept-language', 'cookie', 'cache-control', 'via'])

export function policyWarnings(edges: readonly EdgeConfig[]): ConfigProblem[] {
  return edges.flatMap((edge, index) =>
    warningsOf(edge).map((sentence) => ({
      path: `edges[${index}]`,
      message: `${edge.id} ${sentence}`,
    })),
  )
}

/**
 * Each warning is the rest of a sentence that begins with a name for the policies. Those of one edge are reported
 * together.
 */
export function warningsOf({ routes, on_tcp_connect: onConnect = [] }: EdgeConfig): string[] {
  const policies = routes.map(({ policy }) => policy)
  const names = [...new Set(policies.flatMap(addedBesideOthers))]
  const added = `adds ${listed(names)} to requests, and visitors may send such a header, too; use set-headers, or remove-headers before`
  const steps = [{ on_tcp_connect: onConnect }, ...policies].flatMap((policy) => [...stepsOf(policy, KINDS)])
  return [...(names.length > 0 ? [added] : []), ...new Set(steps.flatMap((step) => [...misunderstood(step)]))]
}

function misunderstood({ type, config }: Step): Iterable<string> {
  return kindOf(KINDS, type)?.warnings?.(config) ?? []
}

/** The names of request headers whose lines come after the lines that a visitor has sent under the same name. */
function addedBesideOthers({ on_http_request: rules }: PolicyConfig): string[] {
  const gone = new Set<string>(['host'])
  return rules
    .flatMap<Step>(({ actions }) => actions)
    .flatMap(({ type, config }) => {
      for (const name of replacedBy(type, config)) gone.add(normalHeaderName(name))
      if (type !== 'add-headers') return []
      return Object.keys((config as AddHeadersConfig).headers).filter((name) => {
        const normal = normalHeaderName(name)
        return !gone.has(normal) && !LISTS.has(normal)
      })
    })
}

function replacedBy(type: string, config: unknown): readonly string[] {
  if (type === 'remove-headers') return (config as RemoveHeadersConfig).headers // its schema has read it
  return type === 'set-headers' ? Object.keys((config as SetHeadersConfig).headers) : []
}
