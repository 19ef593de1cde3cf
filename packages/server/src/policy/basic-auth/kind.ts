// The kind of `basic-auth`. Pure: no I/O, no clock.

import { PASSWORD_WORDS, Secret } from '@sallyport/protocol'
import { z } from 'zod'

import { parseBasicCredential } from '../../values/basic-credential.ts'
import type { FoundProblem } from '@sallyport/protocol/found-problem'
import { COST, parsePasswordHash } from '../../values/password-hash.ts'
import { filledList, flag, text } from '../../values/value-schemas.ts'
import { defineKind } from '../kind.ts'
import { isLate, orLate } from '../late-text.ts'

const schema = z.strictObject({
  credentials: filledList(
    orLate(
      z.string('must be text; put it in quotes').transform((written, context) => {
        const read = parseBasicCredential(written)
        if (!('problem' in read)) return { user: read.user, password: new Secret(read.password) }
        context.addIssue(read.problem)
        return z.NEVER
      }),
    ),
    'would let nobody pass; add "user:password"',
  )
    .max(100, 'has more than 100 entries; use an identity provider for so many people')
    .describe(
      'Each `user:password`, with 8 to 128 characters after the colon, best written as `"ada:${ADA_PASSWORD}"`. You can write the output of `relay hash-password` instead of the password.',
    )
    .meta({ examples: ['["ada:${ADA_PASSWORD}"]'] }),
  realm: text()
    .regex(/^[\x20\x21\x23-\x5b\x5d-\x7e]{1,128}$/, 'may contain printable ASCII characters, without " and \\')
    .exactOptional()
    .describe('The text that browsers show when they ask. By default the id of the edge.'),
  enforce: flag()
    .default(true)
    .describe(
      'If `false`, all visitors pass, and later rules read in `actions.ngrok.basic_auth.credentials` which user has sent a right password.',
    ),
  forward_credentials: flag().default(false).describe('Whether the app gets the `Authorization` header too.'),
})

export type BasicAuthConfig = z.output<typeof schema>

export const basicAuthKind = defineKind({
  documentation: 'Lets visitors pass who know a user and password. See [Programs](programs.md#passwords).',
  otherNames: [],
  phases: ['on_http_request'],
  admits: 'some',
  takesSecrets: true,
  agentMayWrite: ['credentials', 'realm', 'enforce', 'forward_credentials'],
  secretKeys: ['credentials'],
  schema,
  prepared: [{ at: ['credentials'], mayBeLate: true, example: 'user:a password' }],
  complete: (config) => config,
  asks: ({ enforce }) => (enforce ? PASSWORD_WORDS : undefined),
  isOpen: ({ enforce }) => !enforce,
  checkOfAgent: ({ credentials }) => dearPasswords(credentials),
})

/** The cost of checking a password is the operator's decision, so an agent may not raise it. */
function* dearPasswords(credentials: BasicAuthConfig['credentials']): Iterable<FoundProblem> {
  const hashed = new Set<string>()
  for (const [index, credential] of credentials.entries()) {
    if (isLate(credential)) continue // it may not become a hash
    const { user, password } = credential
    const hash = parsePasswordHash(password.reveal())
    if (!hash) continue
    const problem = (message: string): FoundProblem => ({ path: ['credentials', index], message })
    if (hash.cost > COST) {
      yield problem(
        `has a hash with ln=${hash.cost}, which takes too long here; use what relay hash-password prints (ln=${COST})`,
      )
    }
    // All hashes of a user are tried, one after the other.
    if (hashed.has(user)) yield problem('is a second hash for the same user; an endpoint takes one hash for each user')
    hashed.add(user)
  }
}
