// The check of `from` in actions that replace. Pure: no I/O, no clock.

import type { FoundProblem } from '@sallyport/protocol/found-problem'

import { patternOf } from '../language.ts'
import { isConstant } from '../templates-of.ts'

export function* patternProblems({ from }: { readonly from?: string | undefined }): Iterable<FoundProblem> {
  if (from === undefined || !isConstant(from)) return // otherwise it is made for each exchange
  const pattern = patternOf(from)
  if ('problem' in pattern) yield { path: ['from'], message: pattern.problem }
}
