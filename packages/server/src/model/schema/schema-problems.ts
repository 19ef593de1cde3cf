// Turns what zod found into sentences that say what to write. Pure: no I/O, no clock.

import { z } from 'zod'

import { didYouMean } from '../../values/did-you-mean.ts'
import { WANTS_QUOTES } from '@sallyport/protocol/found-problem'
import { mayBeLate } from '../../policy/late-text.ts'
import { refusedAction, refusedKey } from './refusals.ts'
import type { FoundProblem } from '@sallyport/protocol/found-problem'

/** Sentences about a `type` that is not possible at its place. */
export interface StepNotes {
  /** By the type of an action that is possible elsewhere. */
  readonly misplaced: ReadonlyMap<string, string>
  /** Types of actions, by their names in other programs. */
  readonly otherNames: ReadonlyMap<string, string>
}

/** For the unions of actions. */
export const stepNotes = z.registry<StepNotes>()

// How many words to compare with the known ones: some 100 µs each, and a policy of an agent may misspell thousands.
const GUESSES_MAX = 64

/** Finds the word that was probably meant, up to that limit. */
type Guess = typeof didYouMean

/** Checks a value against a schema; every problem has its path and a sentence. */
export function parseWithSchema<T extends z.ZodType>(
  schema: T,
  value: unknown,
): { value: z.output<T> } | { problems: FoundProblem[]; unknownKeys: FoundProblem[] } {
  let guesses = 0
  const guess: Guess = (written, known) => (++guesses > GUESSES_MAX ? undefined : didYouMean(written, known))
  const result = schema.safeParse(value, { error: (issue) => sentence(issue, guess) })
  if (result.success) return { value: result.data }
  const problems: FoundProblem[] = []
  const unknownKeys: FoundProblem[] = []
  for (const issue of result.error.issues) {
    if (issue.code === 'unrecognized_keys') {
      const sentences = issue.message.split('\n')
      issue.keys.forEach((key, index) => {
        unknownKeys.push({ path: [...issue.path, key], message: sentences[index] ?? issue.message })
      })
    } else if (issue.code === 'invalid_key') {
      problems.push({ path: issue.path, message: issue.issues[0]?.message ?? issue.message })
    } else {
      problems.push({ path: issue.path, message: issue.message })
    }
  }
  return { problems, unknownKeys }
}

/** The result of a schema; undefined if the value has problems. */
export function parsed<T extends z.ZodType>(schema: T, value: unknown): z.output<T> | undefined {
  const result = schema.safeParse(value)
  return result.success ? result.data : undefined
}

// zod asks here if the schema has no sentence of its own.
function sentence(issue: z.core.$ZodRawIssue, guess: Guess): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return invalidType(issue)
    case 'unrecognized_keys':
      return issue.keys.map((key) => unknownKey(key, knownKeys(issue.inst), guess)).join('\n')
    case 'invalid_value': {
      const values = issue.values.map(String)
      return `${shown(issue.input)} is not possible here; write ${values.join(' or ')}${hint(issue.input, values, guess)}`
    }
    case 'invalid_union':
      if (mayBeLate(issue.inst)) return issue.errors.at(-1)?.[0]?.message // about the text
      return issue.note ? unknownType(issue, guess) : undefined
    case 'too_small':
      if (issue.origin === 'number' || issue.origin === 'int') {
        return issue.inclusive ? `must be at least ${issue.minimum}` : `must be more than ${issue.minimum}`
      }
      return undefined
    case 'too_big':
      if (issue.origin === 'string') return `is longer than ${issue.maximum} characters`
      return `must be at most ${issue.maximum}`
    case 'custom':
    case 'invalid_element':
    case 'invalid_format':
    case 'invalid_key':
    case 'not_multiple_of':
      return undefined
  }
}

function invalidType(issue: z.core.$ZodRawIssue<z.core.$ZodIssueInvalidType>): string {
  const { expected, input } = issue
  if (input === undefined || input === null) {
    const example = exampleOf(issue.inst)
    return `is missing${example === undefined ? '' : `; write for example ${example}`}`
  }
  if (expected === 'string') {
    return typeof input === 'object' ? `must be text, not ${kindOf(input)}` : WANTS_QUOTES
  }
  if (expected === 'array') return `must be a list${listHint(input, exampleOf(issue.inst))}`
  if (expected === 'object' || expected === 'record') return `must be a block of keys, not ${kindOf(input)}`
  if (expected === 'boolean') return `must be true or false, not ${shown(input)}`
  if (expected === 'int') return `must be a whole number, not ${shown(input)}`
  return `must be a ${expected}, not ${shown(input)}`
}

function listHint(input: unknown, example: string | undefined): string {
  // Only what means the same inside brackets.
  if (typeof input === 'string' && /^[\w@/:.-]+$/.test(input)) return `; write [${input}]`
  const [key] = typeof input === 'object' && input !== null ? Object.keys(input) : []
  // The likeliest mistake is a forgotten dash.
  if (key !== undefined && /^\w{1,40}$/.test(key)) return `; begin each entry with a dash, here "- ${key}: …"`
  return example === undefined ? '' : `; write for example ${example}`
}

function unknownType(issue: z.core.$ZodRawIssue<z.core.$ZodIssueInvalidUnion>, guess: Guess): string {
  const types =
    issue.inst instanceof z.ZodDiscriminatedUnion ? [...(issue.inst._zod.propValues['type'] ?? [])].map(String) : []
  const input: unknown = issue.input
  const type = typeof input === 'object' && input !== null && 'type' in input ? input.type : undefined
  if (type === undefined) return `is missing; write one of ${types.join(', ')}`
  const notes = issue.inst instanceof z.ZodDiscriminatedUnion ? stepNotes.get(issue.inst) : undefined
  const misplaced = typeof type === 'string' ? notes?.misplaced.get(type) : undefined
  if (misplaced) return misplaced
  const refusal = notes && refusedAction(input)
  if (refusal !== undefined) return refusal
  const elsewhere = typeof type === 'string' ? notes?.otherNames.get(type) : undefined
  const meant = elsewhere && types.includes(elsewhere) ? ` (did you mean ${elsewhere}?)` : hint(type, types, guess)
  return `${shown(type)} is not an action; write one of ${types.join(', ')}${meant}`
}

function unknownKey(key: string, known: readonly string[], guess: Guess): string {
  const refusal = refusedKey(key, known)
  if (refusal !== undefined) return refusal
  const meant = guess(key, known)
  if (meant) return `there is no such key; did you mean ${meant}?`
  return `there is no such key here; possible are ${known.join(', ')}`
}

function hint(written: unknown, known: readonly string[], guess: Guess): string {
  const meant = typeof written === 'string' ? guess(written, known) : undefined
  return meant && known.length > 2 ? ` (did you mean ${meant}?)` : ''
}

function knownKeys(schema: unknown): string[] {
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : []
}

function exampleOf(schema: unknown): string | undefined {
  const example = schema instanceof z.ZodType ? schema.meta()?.['examples'] : undefined
  return Array.isArray(example) && typeof example[0] === 'string' ? example[0] : undefined
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a block of keys'
  return typeof value === 'string' ? 'text' : `a ${typeof value}`
}

function shown(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? `"${value}"`
    : kindOf(value)
}
