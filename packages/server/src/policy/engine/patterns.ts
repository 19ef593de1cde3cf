// Regular expressions with the syntax and semantics of RE2, by re2js. The time of a match is linear in the length of the text, but
// it can also grow with the size of the pattern. So the size of a pattern counts for the budget and has a limit.

import { printable } from '@sallyport/protocol/printable'
import { RE2JS } from 're2js'

import type { Budget } from './budget.ts'
import { ValueError } from './expression-error.ts'

/** One match of a pattern. */
export interface Match {
  /** The text of a group by its number or name; empty if there is no such group, or if it is not part of the match. */
  group(key: number | string): string
}

/** A compiled pattern. */
export class Pattern {
  readonly source: string
  readonly #compiled: RE2JS
  readonly #size: number

  constructor(source: string, compiled: RE2JS) {
    this.source = source
    this.#compiled = compiled
    this.#size = compiled.programSize()
  }

  /**
   * Whether the pattern matches anywhere in the text (cel-spec: `matches`).
   * @throws OverBudget if text and pattern are both long
   */
  isIn(text: string, budget: Budget): boolean {
    const instructions = text.length * this.#size
    budget.spend(text.length > SHORT_TEXT_CHARS ? instructions : instructions >> 2)
    return this.#compiled.test(text)
  }

  /**
   * Replaces every match, as Go's `ReplaceAllString` does: an empty match directly behind another one does not count.
   * @param put makes the text for a match
   * @returns undefined if nothing matches
   * @throws OverBudget if text and pattern are both long, or if there are many matches far from each other
   */
  replaceAll(text: string, put: (match: Match) => string, budget: Budget): string | undefined {
    const matcher = this.#compiled.matcher(text)
    const names = this.#compiled.namedGroups()
    const groups = matcher.groupCount()
    const match: Match = {
      group: (key) => {
        const index = typeof key === 'number' ? key : Object.hasOwn(names, key) ? names[key]! : undefined // its own
        return index === undefined || index > groups ? '' : (matcher.group(index) ?? '')
      },
    }
    let made: string | undefined
    let copied = 0
    for (let at = 0; at <= text.length;) {
      const instructions = (text.length - at + 1) * this.#size // a search may have to read up to the end
      budget.spend(text.length > SHORT_TEXT_CHARS ? instructions : instructions >> 2)
      if (!matcher.find(at)) break
      const [start, end] = [matcher.start(), matcher.end()]
      const isBehindAnother = start === end && start === copied && start > 0
      made = budget.text((made ?? '') + text.slice(copied, start) + (isBehindAnother ? '' : put(match)))
      copied = end
      at = Math.max(end, at + 1)
    }
    return made === undefined ? undefined : made + text.slice(copied)
  }
}

/**
 * Compiles a pattern that is written in a policy.
 * @returns a sentence if it is not valid, or too large
 */
export function compilePattern(source: string): Pattern | { problem: string } {
  if (source.length > WRITTEN_MAX_CHARS) {
    return { problem: `is a pattern of more than ${WRITTEN_MAX_CHARS} characters` }
  }
  return compileWithin(source, WRITTEN_MAX_REPEATS, WRITTEN_MAX_SIZE)
}

/** Patterns that are made at run time from variables. Their number, length and size are bounded. */
export class PatternCache {
  readonly #patterns = new Map<string, Pattern>()

  /** @throws ValueError if it is not valid, or too large */
  get(source: string, budget: Budget): Pattern {
    const known = this.#patterns.get(source)
    if (known) return known
    if (source.length > MADE_MAX_CHARS) {
      throw new ValueError(`a pattern that is made while a rule runs has at most ${MADE_MAX_CHARS} characters`)
    }
    budget.spend(UNITS_TO_COMPILE)
    const made = compileWithin(source, MADE_MAX_REPEATS, MADE_MAX_SIZE)
    if ('problem' in made) throw new ValueError(`a pattern ${made.problem}`)
    const [oldest] = this.#patterns.keys()
    if (this.#patterns.size >= CACHE_MAX && oldest !== undefined) this.#patterns.delete(oldest)
    this.#patterns.set(source, made)
    return made
  }
}

/**
 * Returns a pattern that matches exactly this text. It is for values of visitors in `from` of `url-rewrite` or
 * `redirect`.
 */
export function quotePattern(text: string): string {
  return RE2JS.quote(text)
}

function compileWithin(source: string, maxRepeats: number, maxSize: number): Pattern | { problem: string } {
  if (repeatsIn(source) > maxRepeats) return { problem: `repeats more than ${maxRepeats} times, all counts together` }
  try {
    const compiled = RE2JS.compile(source)
    if (compiled.programSize() > maxSize) return { problem: 'is too large; write several shorter patterns' }
    return new Pattern(source, compiled)
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^error parsing regexp: /, '') : ''
    return { problem: `is not a regular expression of RE2 (${printable(why)})` } // it quotes the pattern
  }
}

/** The sum of all counts: the part before `{1000}` is compiled a thousand times. */
function repeatsIn(source: string): number {
  let sum = 0
  for (const [, least = '', most = least] of source.matchAll(/\{(\d{1,6})(?:,(\d{1,6})?)?\}/g)) {
    sum += Math.max(Number(least), Number(most))
  }
  return sum
}

const WRITTEN_MAX_CHARS = 4096
const WRITTEN_MAX_REPEATS = 1000 // as many as RE2 allows for one
const WRITTEN_MAX_SIZE = 4000
const MADE_MAX_CHARS = 256
const MADE_MAX_REPEATS = 100
const MADE_MAX_SIZE = 2000
const CACHE_MAX = 32 // each may hold some megabytes of states
const UNITS_TO_COMPILE = 20_000
/** Texts of this length, such as paths and user agents, hardly ever bring a pattern into all of its states. */
const SHORT_TEXT_CHARS = 512
