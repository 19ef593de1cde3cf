// Runs generated cases against a relay, some at once, and reports the cases that went wrong. If the relay process ends,
// the cases under way are played again one by one, so that the report names the culprit.
//
// SALLYPORT_FUZZ_SEED plays other cases, or those of a report again: each case comes out of the seed and its number.
// SALLYPORT_FUZZ_ROUNDS plays that many times as many; SALLYPORT_FUZZ_CASE one alone. npm run test:long does it for all.

import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'

import { Random } from '../support/random.ts'
import type { RelayUnderFuzz } from './relay-under-fuzz.ts'

export interface Surface<Case> {
  relay: RelayUnderFuzz
  /** The number of cases in a sample: one round. */
  sample: number
  /** The number of cases at once. */
  lanes: number
  /** Pure. */
  make: (random: Random, number: number) => Case
  /** A short description for a report. */
  show: (each: Case) => string
  /** Returns the fault in the visitors' answers; undefined if all is well. */
  play: (each: Case, number: number, lane: number) => Promise<string | undefined>
}

const SEED = Number(process.env.SALLYPORT_FUZZ_SEED ?? 10)
const ROUNDS = Number(process.env.SALLYPORT_FUZZ_ROUNDS) || 1
const ONLY = process.env.SALLYPORT_FUZZ_CASE === undefined ? undefined : Number(process.env.SALLYPORT_FUZZ_CASE)
const PROBLEMS_MAX = 10 // different ones; then it stops
const CASE_DEADLINE_MS = 15_000 // above every timeout that a case can meet at the relay
const HANGS = 'hangs: the case has no end'
const SETTLE_MS = 100 // the damage of a case may show a few turns later
const PROGRESS_MS = 15_000
const SHOWN_CHARS = 1500

export async function fuzz<Case>(test: TestContext, surface: Surface<Case>): Promise<void> {
  const { relay, make, show, play, lanes } = surface
  const cases = ONLY === undefined ? ROUNDS * surface.sample : ONLY + 1
  /** By the text of the problem without its numbers: the first case that showed it. */
  const problems = new Map<string, string>()
  const note = (problem: string, number?: number): void => {
    const words = wordsOf(problem)
    if (problems.has(words)) return
    const which = number === undefined ? '' : ` (case ${number})\n    ${shown(show(make(randomOf(number), number)))}`
    problems.set(words, `${problem}${which}`)
    console.error(`✘ ${problem}${which}`) // at once, for people who watch a long run
  }
  const playOne = async (number: number, lane: number): Promise<void> => {
    const deadline = Promise.withResolvers<string>()
    const timer = setTimeout(() => deadline.resolve(HANGS), CASE_DEADLINE_MS)
    const played = play(make(randomOf(number), number), number, lane).catch((error: unknown) => String(error))
    const problem = await Promise.race([played, deadline.promise])
    clearTimeout(timer)
    if (problem === undefined) return
    await pause(SETTLE_MS) // a relay that ends gives odd answers first
    if (problem === HANGS) await relay.endIfStuck()
    if (relay.isRunning) note(problem, number)
  }

  const began = Date.now()
  let next = ONLY ?? 0
  let spokeAt = began
  while (next < cases && problems.size < PROBLEMS_MAX) {
    /** The cases under way, and the latest ended ones: if the relay ends, one of them is the cause. */
    const recent: number[] = []
    const lane = async (index: number): Promise<void> => {
      while (next < cases && relay.isRunning && problems.size < PROBLEMS_MAX) {
        const number = next++
        recent.push(number)
        if (recent.length > 3 * lanes) recent.shift()
        await playOne(number, index)
        for (const problem of relay.takeProblems()) note(problem, numberIn(problem))
        if (Date.now() - spokeAt < PROGRESS_MS) continue
        spokeAt = Date.now()
        console.error(`  ${test.name}: ${next} of ${cases} cases, ${Math.round((spokeAt - began) / 1000)} s`)
      }
    }
    await Promise.all(Array.from({ length: lanes }, (_, index) => lane(index)))
    if (relay.isRunning) await pause(SETTLE_MS)
    if (relay.isRunning) continue
    const words = relay.lastWords
    note(`the relay ended: ${words}`, await culprit(relay, recent, playOne))
  }
  const played = Math.min(next, cases) - (ONLY ?? 0)
  if (relay.isRunning) for (const problem of await relay.comesBack()) note(problem)
  test.diagnostic(`${played} cases, seed ${SEED}, ${relay.neighbourVisits} visits of another tenant`)
  assert.equal(problems.size, 0, report([...problems.values()]))
  assert.equal(played, cases - (ONLY ?? 0))
}

/** Replaces the relay that has ended, and finds the case that ends it alone. */
async function culprit(
  relay: RelayUnderFuzz,
  suspects: readonly number[],
  playOne: (number: number, lane: number) => Promise<void>,
): Promise<number | undefined> {
  await relay.restart()
  for (const number of suspects) {
    await playOne(number, 0)
    await pause(SETTLE_MS)
    if (relay.isRunning) continue
    await relay.restart()
    return number
  }
  relay.takeProblems()
  console.error(`  only together: one of the cases ${suspects.join(', ')}`)
  return suspects.at(-1)
}

/** Every case has its own random source, so it can be made again without earlier ones. */
function randomOf(number: number): Random {
  return new Random(Math.imul(SEED, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b))
}

/** A request of a case is for `/c<number>`, and its path is in the log. */
function numberIn(problem: string): number | undefined {
  const found = /"path":"\/c(\d+)/.exec(problem)?.[1]
  return found === undefined ? undefined : Number(found)
}

/** The part that two reports of the same mistake share: the place of the throw, or the text without its numbers. */
function wordsOf(problem: string): string {
  const places = problem.match(/^ +at .*$/gm)
  if (places) return places.join('\n')
  return problem.replaceAll(/\d+/g, '#').slice(0, 80)
}

function report(problems: readonly string[]): string {
  return `${problems.length} problems; SALLYPORT_FUZZ_SEED=${SEED} SALLYPORT_FUZZ_CASE=… plays a case again\n\n${problems.join('\n\n')}`
}

/** A repeated text is shown once, with its count. */
function shown(long: string): string {
  const text = long.replaceAll(/(.{1,64}?)\1{7,}/g, (all, one: string) => `«${one}»×${all.length / one.length}`)
  return text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}… (${text.length} characters)` : text
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
