// The ranges of a `restrict-ips` for an exchange. If one has `${…}`, they are made anew for each exchange, and compiled when they
// change.

import { RelayError } from '../../errors.ts'
import type { AppAnswer } from '../../exchange/app-answer.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { compileCidrs } from '../../exchange/visitor/client-ip.ts'
import { parseCidr } from '../../values/cidr.ts'
import type { Phase } from '../kind.ts'
import { isLate } from '../late-text.ts'
import type { LateText } from '../late-text.ts'
import type { SourcesParts } from '../sources/sources.ts'
import { textFrom } from '../text.ts'

export interface Ranges {
  has(address: string): boolean
  /** The first range with the address; empty if there is none. */
  rangeOf(address: string): string
}

/** @throws RelayError, from the function: `expression_failed`, `path_ambiguous` */
export function rangesFrom(
  written: readonly (string | LateText)[],
  key: string,
  phase: Phase,
  parts: SourcesParts,
): (exchange: Exchange, answer?: AppAnswer) => Ranges {
  const constant = written.filter((range) => typeof range === 'string')
  if (constant.length === written.length) {
    const ranges = compile(constant)
    return () => ranges
  }
  const where = `${key} of restrict-ips`
  const texts = written.map((range) =>
    isLate(range) ? textFrom(range.source, phase, where, parts) : (): string => range,
  )
  let last: { key: string; ranges: Ranges } | undefined
  return (exchange, answer) => {
    const made = texts.map((text) => text(exchange, answer).trim())
    const joined = made.join('\n')
    if (last?.key === joined) return last.ranges
    // A range that nobody can read might be the one that keeps the visitor out.
    const unfit = made.findIndex((range) => 'problem' in parseCidr(range))
    if (unfit !== -1) {
      const detail = `${where}: the value of entry ${unfit + 1} is no address range`
      throw new RelayError('expression_failed', { detail })
    }
    last = { key: joined, ranges: compile(made) }
    return last.ranges
  }
}

function compile(ranges: readonly string[]): Ranges {
  let each: { range: string; has: (address: string) => boolean }[] | undefined
  return {
    has: compileCidrs(ranges),
    rangeOf: (address) => {
      each ??= ranges.map((range) => ({ range, has: compileCidrs([range]) }))
      return each.find(({ has }) => has(address))?.range ?? ''
    },
  }
}
