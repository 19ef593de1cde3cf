// `any-of`: lets a request pass that satisfies one of several actions, tried in order: a token for programs, a sign-in
// for people.

import { RelayError } from '../../errors.ts'
import type { Action } from '../../exchange/action.ts'

/**
 * @param alternatives each passes an exchange on, answers it, or throws; an action that answers by itself comes last
 */
export function anyOf(alternatives: readonly Action[]): Action {
  return async (exchange, next) => {
    const refusals: RelayError[] = []
    for (const alternative of alternatives) {
      let passed = false
      try {
        return await alternative(exchange, () => {
          passed = true
          return next()
        })
      } catch (error) {
        // After next() has been called, the error comes from the app or from another action.
        if (passed || !(error instanceof RelayError) || NOT_DECIDED.has(error.code)) throw error
        refusals.push(error)
      }
    }
    throw summary(refusals)
  }
}

/** An expression that fails refuses the request, whatever comes behind it. */
const NOT_DECIDED: ReadonlySet<RelayError['code']> = new Set(['expression_failed', 'path_ambiguous'])

/**
 * The most specific refusal: a wrong token comes before a missing password. It has the challenges of all refusals (RFC
 * 9110 11.6.1).
 */
function summary(refusals: readonly RelayError[]): RelayError {
  const [first] = refusals.toSorted((one, other) => weightOf(other) - weightOf(one))
  if (!first) throw new Error('any-of without alternatives')
  if (first.status !== 401 || refusals.length === 1) return first
  const challenges = [...new Set(refusals.flatMap(({ headers }) => headers?.['www-authenticate'] ?? []))]
  return new RelayError(first.code, {
    ...(first.detail !== undefined && { detail: first.detail }),
    ...(challenges.length > 0 && { headers: { 'www-authenticate': challenges.join(', ') } }),
  })
}

function weightOf({ status, code }: RelayError): number {
  if (status >= 500 || status === 429) return 4
  if (code === 'credentials_refused') return 3
  if (status === 403) return code === 'ip_restricted' ? 0 : 3
  return code === 'credentials_required' ? 1 : 2
}
