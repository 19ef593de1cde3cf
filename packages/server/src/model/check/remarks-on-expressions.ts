// Remarks on parts of an edge's expressions that have an older form, or may not do what the author expects. Only for
// edges without problems. Pure: no I/O, no clock.

import type { ConfigPath, FoundProblem } from '@sallyport/protocol/found-problem'

import { readsClientCertificate } from '../../policy/engine/readings.ts'
import type { KindTable, Step } from '../../policy/kind.ts'
import { conditionOf, remarksOn, templateOf, valueOf } from '../../policy/language.ts'
import { templatesOf } from '../../policy/templates-of.ts'
import type { ReadEdge, ReadPolicy } from '../schema/edge-schema.ts'
import { conditionsOf, stepsOf } from '../schema/steps-of.ts'
import { child } from '../../values/written-tree.ts'
import { policiesOf } from './check-policies.ts'

/** @param path of the edge */
export function* remarksOnExpressions(edge: ReadEdge, path: ConfigPath, kinds: KindTable): Iterable<FoundProblem> {
  const asksForCertificates = terminationsAsk(edge)
  for (const { policy, path: policyPath } of policiesOf(edge, path)) {
    for (const { compiled, mayFail, path: place } of expressionsIn(policy, kinds)) {
      if ('problems' in compiled) continue
      for (const message of remarksOn(compiled, mayFail)) yield { path: [...policyPath, ...place], message }
      if (!asksForCertificates && readsClientCertificate(compiled.reads)) {
        yield { path: [...policyPath, ...place], message: NO_CERTIFICATES }
      }
    }
  }
}

const NO_CERTIFICATES =
  'reads conn.tls.client, and visitors of this edge are asked for no certificate; add terminate-tls under on_tcp_connect'

/** Whether a `terminate-tls` of the edge asks visitors for certificates. */
function terminationsAsk({ policy }: ReadEdge): boolean {
  const steps = (policy?.on_tcp_connect ?? []).flatMap<Step>(({ actions }) => actions)
  return steps.some(
    ({ type, config }) => type === 'terminate-tls' && MUTUAL.some((key) => child(config, key) !== undefined),
  )
}

const MUTUAL = ['mutual_tls_certificate_authorities', 'mutual_tls_verification_strategy']

interface CompiledInPlace {
  readonly compiled: ReturnType<typeof conditionOf> | ReturnType<typeof templateOf>
  /** For keys of actions, which count as empty if they fail (section 14.1 of the reference). */
  readonly mayFail?: true
  /** The path from the policy on. */
  readonly path: ConfigPath
}

function* expressionsIn(policy: ReadPolicy, kinds: KindTable): Iterable<CompiledInPlace> {
  for (const { expression, phase, path } of conditionsOf(policy)) {
    yield { compiled: conditionOf(expression, phase), path }
  }
  for (const { kind, config, phase, path: stepPath } of stepsOf(policy, kinds)) {
    const path = [...stepPath, 'config']
    for (const source of kind.expressions?.(config) ?? [])
      yield { compiled: valueOf(source, phase), mayFail: true, path }
    for (const { source, path: inside } of templatesOf(kind, config)) {
      yield { compiled: templateOf(source, phase), path: [...path, ...inside] }
    }
  }
}
