// Policies made from the schema are accepted; broken policies never crash the reader, and every refusal has a
// place: a line and a column, or a path. `npm test` reads a small sample of each, `npm run test:long` twenty thousand.
//
// SALLYPORT_FUZZ_SEED makes other policies, SALLYPORT_FUZZ_ROUNDS as many more; npm run test:long does both.

import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'

import { loadLanguage } from '@sallyport/server'
import { ConfigError } from '@sallyport/protocol/config-error'
import { expandPolicyEnv } from '@sallyport/protocol/expand-env'
import type { FoundProblem } from '@sallyport/protocol/found-problem'
import { YamlFile } from '@sallyport/protocol/yaml-file'

import { insidePolicy } from '../../packages/server/src/model/parse-endpoint.ts'
import { PHASES } from '../../packages/server/src/policy/kind.ts'
import { readEdges } from '../../packages/server/src/model/read-edges.ts'
import { Random } from '../support/random.ts'
import {
  actionsIn,
  breakPolicy,
  breakText,
  makePolicy,
} from '../../packages/server/src/policy/make-policy.test-support.ts'

const SEED = Number(process.env.SALLYPORT_FUZZ_SEED ?? 10)
const ROUNDS = Number(process.env.SALLYPORT_FUZZ_ROUNDS) || 1
const COUNT = ROUNDS === 1 ? 150 : 500 * ROUNDS // forty rounds are twenty thousand
/** A document that is no policy at all has no line to name. */
const PLACED = /^policy\.yaml(?::\d+:\d+ \S[^]*?|: line \d+|: must be a block of keys|: [^]*alias)/i
const SHOWN_CHARS = 1500
const ENV = { ADA_PASSWORD: 'a long password' }

describe('policies made from the schema (traffic policy)', () => {
  before(loadLanguage)

  it('are accepted if valid, with every action', () => {
    const made = new Set<string>()
    for (let number = 0; number < COUNT; number++) {
      const policy = makePolicy(randomOf(number))
      for (const type of JSON.stringify(policy).match(/(?<="type":")[a-z-]+/g) ?? []) made.add(type)
      const problems = read(JSON.stringify(policy, undefined, 2))
      assert.deepEqual(problems, [], `case ${number}: ${shown(policy)}`)
    }
    const all = PHASES.flatMap(actionsIn)
    assert.deepEqual(
      all.filter((type) => !made.has(type)),
      [],
      'every action is among them',
    )
  })

  it('are refused if broken, with a place for each problem and without a crash', () => {
    let refused = 0
    for (let number = 0; number < COUNT; number++) {
      const random = randomOf(number)
      const policy = makePolicy(random)
      const text =
        number % 4 === 0
          ? breakText(JSON.stringify(policy, undefined, 2), random)
          : (JSON.stringify(breakPolicy(policy, random), undefined, 2) ?? '')
      const problems = readSafely(text, number)
      if (problems.length > 0) refused++
      for (const problem of problems) {
        assert.match(problem, PLACED, `case ${number}: ${shown(text)}`)
      }
    }
    assert.ok(refused > COUNT / 2, `only ${refused} were refused`)
  })
})

function randomOf(number: number): Random {
  return new Random(SEED * 1_000_003 + number)
}

function readSafely(text: string, number: number): string[] {
  try {
    return read(text)
  } catch (error) {
    throw new Error(`case ${number} is not read: ${shown(text)}`, { cause: error })
  }
}

/** As `relay policy check` does. */
function read(text: string): string[] {
  try {
    const yaml = new YamlFile(text, 'policy.yaml')
    const { tree, problems: unset } = expandPolicyEnv(yaml.tree, ENV)
    const { problems = [] } = readEdges([{ id: 'edg_fuzz', hosts: ['fuzz.example.com'], policy: tree }], {
      publicUrl: new URL('https://relay.example.com'),
      identityJwt: true,
      folder: '/',
      tls: { endsHere: true, authorities: new Map() },
    })
    const told = ({ path, message }: FoundProblem): string => `${yaml.placeAndPath(path)}: ${message}`
    return [...unset, ...problems.map(insidePolicy)].map(told)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.problems.map(({ path, message }) => `${path}: ${message}`)
  }
}

function shown(value: unknown): string {
  return (typeof value === 'string' ? value : JSON.stringify(value)).slice(0, SHOWN_CHARS)
}
