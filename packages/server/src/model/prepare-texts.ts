// Prepares the texts of an edge's policies that their schema checks although they may contain `${…}`: see policy/late-text.ts.
// Pure: no I/O, no clock.

import type { ConfigPath, FoundProblem } from '@sallyport/protocol/found-problem'

import type { Supply } from '../policy/engine/tree/demands.ts'
import { PHASES, currentType, kindOf } from '../policy/kind.ts'
import type { KindTable, Phase } from '../policy/kind.ts'
import { constantOf, templateOf } from '../policy/language.ts'
import { LateText, leadsTo } from '../policy/late-text.ts'
import type { PreparedText } from '../policy/late-text.ts'
import { isConstant } from '../policy/templates-of.ts'
import { changed, child } from '../values/written-tree.ts'

export interface PreparedEdge {
  readonly edge: unknown
  /** Their paths start at the edge. */
  readonly problems: readonly FoundProblem[]
  /** A sentence without the secrets that have been inserted. */
  readonly withoutSecrets: (sentence: string) => string
}

/** @param written an edge whose form nobody has checked yet */
export function prepareTexts(written: unknown, kinds: KindTable, supply: Supply): PreparedEdge {
  const problems: FoundProblem[] = []
  const shown = new Map<string, string>()
  const prepare: Prepare = (source, text, phase, path) => {
    const made = preparedText(source, text, phase, supply)
    if ('problem' in made) {
      problems.push({ path, message: made.problem })
      return text.example // so that its schema finds nothing more
    }
    if (typeof made.value === 'string' && made.value !== '') shown.set(made.value, source)
    return made.value
  }
  const holder = (value: unknown, path: ConfigPath): unknown =>
    changed(value, (policy, key) => (key === 'policy' ? policyWith(policy, [...path, key], kinds, prepare) : policy))
  const edge = changed(holder(written, []), (routes, key) =>
    key === 'routes' ? changed(routes, (route, index) => holder(route, [key, index])) : routes,
  )
  // The longest comes first: it may contain another one.
  const values = [...shown.keys()].toSorted((one, other) => other.length - one.length)
  const withoutSecrets = (sentence: string): string =>
    values.reduce((text, value) => text.replaceAll(value, () => shown.get(value) ?? ''), sentence)
  return { edge, problems, withoutSecrets }
}

type Prepare = (source: string, text: PreparedText, phase: Phase, path: ConfigPath) => string | LateText

function policyWith(policy: unknown, path: ConfigPath, kinds: KindTable, prepare: Prepare): unknown {
  return changed(policy, (rules, key) => {
    const phase = PHASES.find((each) => each === key)
    if (!phase) return rules
    return changed(rules, (rule, index) =>
      changed(rule, (actions, part) =>
        part === 'actions' ? actionsWith(actions, [...path, phase, index, part], phase) : actions,
      ),
    )
  })

  /** @param isOuter whether actions may be inside these */
  function actionsWith(actions: unknown, place: ConfigPath, phase: Phase, isOuter = true): unknown {
    return changed(actions, (action, index) => {
      const type = child(action, 'type')
      const known = typeof type === 'string' ? currentType(kinds, type) : undefined
      const { prepared = [] } = (known !== undefined && kindOf(kinds, known)) || {}
      return changed(action, (config, key) => {
        if (key !== 'config') return config
        const inConfig = [...place, index, key]
        const own = prepared.reduce(
          (made, text) => textsWith(made, text, [], (source, at) => prepare(source, text, phase, [...inConfig, ...at])),
          config,
        )
        if (!isOuter) return own
        return changed(own, (inner, each) =>
          each === 'actions' ? actionsWith(inner, [...inConfig, each], phase, false) : inner,
        )
      })
    })
  }
}

/** The value with the texts at their places replaced. Only on the way to them, however deep it is nested elsewhere. */
function textsWith(
  value: unknown,
  text: PreparedText,
  path: ConfigPath,
  replace: (source: string, path: ConfigPath) => unknown,
): unknown {
  if (typeof value === 'string') return isConstant(value) || !leadsTo(text, path) ? value : replace(value, path)
  const keys = path.filter((step) => typeof step !== 'number')
  if (path.length - keys.length > LISTS_MAX) return value
  return changed(value, (item, key) =>
    typeof key === 'number' || key === text.at[keys.length] ? textsWith(item, text, [...path, key], replace) : item,
  )
}

const LISTS_MAX = 8 // on the way to a text; more lists than any schema takes

function preparedText(
  source: string,
  { mayBeLate, example }: PreparedText,
  phase: Phase,
  { secretOf, ...supply }: Supply,
): { value: string | LateText } | { problem: string } {
  const template = templateOf(source, phase, undefined, supply)
  if ('problems' in template) return { problem: template.problems.map(({ message }) => message).join('; ') }
  const [variable] = [...template.reads].filter((each) => each !== 'secrets.get')
  if (variable !== undefined) {
    return mayBeLate ? { value: new LateText(source) } : { problem: `reads ${variable}, ${SAME_FOR_ALL}` }
  }
  if (!secretOf) return { value: example }
  const made = constantOf(template, secretOf)
  return 'reason' in made ? { problem: `cannot be made: ${made.expression} ${made.reason}` } : made
}

const SAME_FOR_ALL =
  "and must be the same for every visitor; it may read secrets only, as in ${secrets.get('vault', 'name')}, and variables of the environment in capitals, such as ${OIDC_SECRET}"
