// Keeps secrets out of the log: the metadata of `log` may not read them, neither directly nor through variables of
// `set-vars`. Section 14.10 of the reference. Pure: no I/O, no clock.

import type { FoundProblem } from '@sallyport/protocol/found-problem'

import { templateOf } from '../../policy/language.ts'
import { PHASES } from '../../policy/kind.ts'
import type { KindTable, Phase } from '../../policy/kind.ts'
import type { LogConfig } from '../../policy/log/kind.ts'
import { isConstant, textsIn } from '../../policy/templates-of.ts'
import type { TemplateInPlace } from '../../policy/templates-of.ts'
import type { SetVarsConfig } from '../../policy/set-vars/kind.ts'
import { stepsOf } from '../schema/steps-of.ts'
import type { PolicyForm, StepInPlace } from '../schema/steps-of.ts'

/** A policy of an agent must not fill the log of the relay. */
const LOGS_MAX = 20

/** @returns problems with paths from the policy on */
export function* logProblems(policy: PolicyForm, kinds: KindTable): Iterable<FoundProblem> {
  const steps = [...stepsOf(policy, kinds)]
  for (const phase of PHASES) yield* logProblemsIn(steps.filter((step) => step.phase === phase))
}

function* logProblemsIn(steps: readonly StepInPlace[]): Iterable<FoundProblem> {
  const secretVars = new Set<string>()
  let logs = 0
  for (const { type, config, phase, path } of steps) {
    if (type === 'set-vars') {
      // its schema has read it
      for (const [name, value] of (config as SetVarsConfig).vars.flatMap((item) => Object.entries(item))) {
        if (templatesOf(value).some(({ source }) => isSecret(source, phase, secretVars))) secretVars.add(name)
      }
    }
    if (type !== 'log') continue
    if (++logs > LOGS_MAX) {
      yield {
        path: [...path, 'type'],
        message: `is one of more than ${LOGS_MAX} actions that write to the log; remove some`,
      }
    }
    for (const { source, path: inside } of templatesOf((config as LogConfig).metadata)) {
      if (!isSecret(source, phase, secretVars)) continue
      const message =
        'reads a secret, a token, a cookie, credentials, or headers as a whole, which must not reach a log; read a single other header or field'
      yield { path: [...path, 'config', 'metadata', ...inside], message }
    }
  }
}

function templatesOf(value: unknown): TemplateInPlace[] {
  return [...textsIn(value, [])].filter(({ source }) => !isConstant(source))
}

function isSecret(text: string, phase: Phase, secretVars: ReadonlySet<string>): boolean {
  const template = templateOf(text, phase)
  if ('problems' in template) return false // told elsewhere
  const { reads } = template
  if (template.readsSecrets) return true
  if (secretVars.size === 0) return false
  for (const path of reads) {
    const [root, name] = path.split('.')
    if (root === 'vars' && (name === undefined || secretVars.has(name))) return true
  }
  return false
}
