// Random numbers. ngrok docs: "Macros Reference", Random: `rand.int(0, 2)` is 0, 1 or 2. Not for secrets.

import { randomInt } from 'node:crypto'

import { ValueError } from '../expression-error.ts'
import type { ExpressionView } from '../expression-view.ts'
import { type FunctionDefinition, define } from './define-function.ts'

/** So that a text with it is not taken for one that is always the same. */
const CHANCE = { reads: 'rand' } as const

export const RANDOM_FUNCTIONS: readonly FunctionDefinition[] = [
  define('rand.int(): int', 'a random number: 0 or 1', (view: ExpressionView) => chance(view, 0n, 1n), CHANCE),
  define('rand.int(int, int): int', 'a random whole number; it can be either of the limits', chance, CHANCE),
  define('rand.double(): double', 'a random number from 0 to below 1', () => Math.random(), CHANCE),
]

const RANGE_MAX = 2n ** 48n - 1n // of randomInt

function chance({ budget }: ExpressionView, least: bigint, most: bigint): bigint {
  budget.spend(10)
  if (least < 0n || most < least)
    throw new ValueError('rand.int: the numbers are negative, or the first is the larger one')
  const count = most - least + 1n
  if (count > RANGE_MAX) throw new ValueError(`rand.int: at most ${RANGE_MAX} numbers`)
  return least + BigInt(randomInt(Number(count)))
}
