// The policies of an edge in the current form, before its schema sees them. Pure: no I/O, no clock.

import type { ConfigPath, FoundProblem } from '@sallyport/protocol/found-problem'

import type { KindTable } from '../../policy/kind.ts'
import { inCurrentForm } from './older-forms.ts'
import { child } from '../../values/written-tree.ts'

export interface CurrentEdge {
  readonly edge: unknown
  /** See `CurrentForm`; all paths start at the edge. */
  readonly older: readonly FoundProblem[]
  readonly problems: readonly FoundProblem[]
  readonly writtenAt: (path: ConfigPath) => ConfigPath
}

/** @param written an edge whose form nobody has checked yet */
export function edgeInCurrentForm(written: unknown, kinds: KindTable): CurrentEdge {
  const own = holderInCurrentForm(written, kinds)
  const routes = child(own.edge, 'routes')
  if (!Array.isArray(routes)) return own
  const each = routes.map((route) => holderInCurrentForm(route, kinds))
  if (each.every(({ edge }, index) => edge === routes[index])) return own
  const among = (of: (route: CurrentEdge) => readonly FoundProblem[]): FoundProblem[] =>
    each.flatMap((route, index) => of(route).map((found) => below(['routes', index], found)))
  return {
    edge: { ...(own.edge as object), routes: each.map(({ edge }) => edge) }, // it has routes
    older: [...own.older, ...among(({ older }) => older)],
    problems: [...own.problems, ...among(({ problems }) => problems)],
    writtenAt: ([first, index, ...inside]) => {
      const route = first === 'routes' && typeof index === 'number' ? each[index] : undefined
      if (route) return ['routes', index ?? 0, ...route.writtenAt(inside)]
      return own.writtenAt([first, index, ...inside].filter((step) => step !== undefined))
    },
  }
}

/** Converts the key `policy` of an edge or a route. */
function holderInCurrentForm(written: unknown, kinds: KindTable): CurrentEdge {
  const before = child(written, 'policy')
  const { policy, older, problems, writtenAt } = inCurrentForm(before, kinds)
  return {
    edge: policy === before ? written : { ...(written as object), policy }, // it has a policy
    older: older.map((found) => below(['policy'], found)),
    problems: problems.map((found) => below(['policy'], found)),
    writtenAt: ([first, ...inside]) => {
      if (first === undefined) return []
      return [first, ...(first === 'policy' ? writtenAt(inside) : inside)]
    },
  }
}

function below(parent: ConfigPath, { path, message }: FoundProblem): FoundProblem {
  return { path: [...parent, ...path], message }
}
