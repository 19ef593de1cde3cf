// Compares the actions of edges with their edge and with each other, by the checks of their kinds. Pure: no I/O, no clock.

import { PHASES, kindOf } from '../../policy/kind.ts'
import type { CheckPlace, Kind, KindTable, Phase, TlsPlace } from '../../policy/kind.ts'
import type { ConfigPath, FoundProblem } from '@sallyport/protocol/found-problem'
import { isLoopbackHost } from '../../values/host-pattern.ts'
import { isInternalHost } from '../../values/hosts/internal-host.ts'
import type { ReadEdge, ReadPolicy } from '../schema/edge-schema.ts'
import { conditionOf, templateOf } from '../../policy/language.ts'
import type { Supply } from '../../policy/engine/tree/demands.ts'
import { templatesOf } from '../../policy/templates-of.ts'
import { logProblems } from './check-log-secrets.ts'
import { conditionsOf, stepsOf } from '../schema/steps-of.ts'

const NO_WAY_BACK =
  'sends visitors to a provider and has them come back, and nobody can come back to an internal endpoint; put it on the edge that forwards here'

const NO_CONNECTION =
  'is about connections of visitors, and none comes to an internal endpoint; put it on the edge that forwards here'

/** By name. */
type Memory = Map<string, unknown>

export interface PoliciesPlace {
  kinds: KindTable
  /** Undefined if it could not be read. */
  publicUrl: URL | undefined
  tls: TlsPlace
  /** The data that their expressions may read. */
  supply: Supply
  /** The redirect URI of an issuer at this relay; undefined without `publicUrl`. */
  redirectUri: (issuerUrl: string) => string | undefined
}

/** Checks the policies of edges that are read together, one edge after the other. @returns paths below that of the edge */
export function policyChecker({
  kinds,
  publicUrl,
  tls,
  supply,
  redirectUri,
}: PoliciesPlace): (edge: ReadEdge, path: ConfigPath) => Iterable<FoundProblem> {
  const anywhere: Memory = new Map()
  return function* (edge, path) {
    const here: Memory = new Map()
    for (const { policy, path: policyPath } of policiesOf(edge, path)) {
      for (const { expression, phase, path: place } of conditionsOf(policy)) {
        const condition = conditionOf(expression, phase, supply)
        if (!('problems' in condition)) continue
        for (const { message } of condition.problems) yield { path: [...policyPath, ...place], message }
      }
      for (const { path: place, message } of logProblems(policy, kinds)) {
        yield { path: [...policyPath, ...place], message }
      }
      for (const { path: place, message } of conditionProblems(policy, kinds)) {
        yield { path: [...policyPath, ...place], message }
      }
      for (const { type, config, kind, phase, path: stepPath } of stepsOf(policy, kinds)) {
        const configPath = [...policyPath, ...stepPath, 'config']
        const open = kind.takesSecrets && publicUrl && plainHttpProblem(type, edge, publicUrl)
        if (open) yield { path: configPath, message: open }
        const astray = edge.hosts.some(isInternalHost) ? internalProblem(kind, phase) : undefined
        if (astray) yield { path: configPath, message: `${type} ${astray}` }
        const place: CheckPlace = {
          phase,
          publicUrl,
          hosts: edge.hosts,
          tls,
          supply,
          redirectUri,
          earlierHere: (name, thing) => earlier(here, name, thing),
          earlierAnywhere: (name, thing) => earlier(anywhere, name, thing),
        }
        for (const { source, path: inside } of templatesOf(kind, config)) {
          const template = templateOf(source, phase, undefined, supply)
          if (!('problems' in template)) continue
          for (const { message } of template.problems) yield { path: [...configPath, ...inside], message }
        }
        for (const { path: inside, message } of kind.check?.(config, place) ?? []) {
          yield { path: [...configPath, ...inside], message }
        }
      }
    }
  }
}

/** Why an action is not possible on an internal endpoint: the end of a sentence. */
function internalProblem(kind: Kind, phase: Phase): string | undefined {
  if (phase === 'on_tcp_connect') return NO_CONNECTION
  return kind.signIns && !kind.inside ? NO_WAY_BACK : undefined
}

/** Conditions that are never evaluated. */
function* conditionProblems(policy: ReadPolicy, kinds: KindTable): Iterable<FoundProblem> {
  for (const phase of PHASES) {
    for (const [index, { expressions = [], actions }] of policy[phase].entries()) {
      const step = actions.find(({ type }) => kindOf(kinds, type)?.isUnconditional)
      if (!step || expressions.length === 0) continue
      const message = `${step.type} is decided before there is a request, so it cannot depend on expressions; move it into a rule without any`
      yield { path: [phase, index, 'expressions'], message }
    }
  }
}

/** @returns the thing that was remembered first, if any */
function earlier<T>(memory: Memory, name: string, thing: T): T | undefined {
  if (memory.has(name)) return memory.get(name) as T // names that begin alike belong to things of one type
  memory.set(name, thing)
  return undefined
}

export function* policiesOf(edge: ReadEdge, path: ConfigPath): Iterable<{ policy: ReadPolicy; path: ConfigPath }> {
  if (edge.policy) yield { policy: edge.policy, path: [...path, 'policy'] }
  for (const [index, route] of (edge.routes ?? []).entries()) {
    if (route.policy) yield { policy: route.policy, path: [...path, 'routes', index, 'policy'] }
  }
}

// Without TLS anyone on the way could take over the session, or the code on its way through the shared callback.
function plainHttpProblem(type: string, edge: ReadEdge, publicUrl: URL): string | undefined {
  if (publicUrl.protocol === 'http:' && !isLoopbackHost(publicUrl.hostname)) {
    return `${type} needs https; public_url is ${publicUrl.origin}, which is plain http and not on loopback`
  }
  const scheme = edge.origin ? new URL(edge.origin).protocol : publicUrl.protocol
  // The way to an internal endpoint is as safe as that to the edges that forward to it.
  const host = edge.hosts.find((candidate) => !isLoopbackHost(candidate) && !isInternalHost(candidate))
  if (scheme !== 'http:' || host === undefined) return undefined
  return `${type} needs https; ${host} would be plain http and not on loopback. Use https in public_url, or a host such as docs.localhost`
}
