// The schema of a `jwt-validation`, in the shape of ngrok's. Pure: no I/O, no clock.

import { z } from 'zod'

import { parseDuration } from '../../values/duration.ts'
import type { PreparedText } from '../late-text.ts'
import { filledList, flag, providerCaFile, text } from '../../values/value-schemas.ts'
import { SHARED_SECRET_BYTES, isFetchable, isShared, jwsSchema } from './jws-schema.ts'
import type { Algorithm } from './jws-schema.ts'
import { tokenSchema } from './token-schema.ts'

const DEFAULT_ALGORITHMS: readonly Algorithm[] = ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519']
const CLOCK_TOLERANCE_MAX_MS = 300_000

// RFC 6749 3.3. A refusal names them in a header (RFC 6750 3), which allows no other characters.
const SCOPE_TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]+$/

export const jwtValidationSchema = z
  .strictObject({
    issuer: z
      .strictObject({
        allow_list: filledList(
          z.strictObject({
            value: text()
              .max(1024)
              .describe('The claim `iss`, compared exactly.')
              .meta({ examples: ['https://login.example.com'] }),
          }),
          'would refuse every token; add { value: https://login.example.com }',
        ).describe('Tokens of these issuers are taken.'),
      })
      .describe('The issuers of the tokens.'),
    audience: z
      .strictObject({
        allow_list: filledList(
          z.strictObject({
            value: text()
              .max(1024)
              .describe('One of the values of the claim `aud`, compared exactly.')
              .meta({ examples: ['https://api.example.com'] }),
          }),
          'would refuse every token; add { value: https://api.example.com }',
        )
          .exactOptional()
          .describe('Tokens with one of these audiences are taken.'),
      })
      .exactOptional()
      .describe(
        'The audience of the tokens. Required, unless `required_claims` restricts it in another way, or `additional_jkus` names the keys: then `relay check` warns.',
      ),
    http: z
      .strictObject({
        tokens: filledList(tokenSchema, 'would find no token; remove it for Authorization: Bearer')
          .max(8)
          .prefault([{}])
          .describe('A request must have all of these tokens. The first one identifies the sender.'),
      })
      .prefault({})
      .describe('How programs send tokens. By default as `Authorization: Bearer`.'),
    jws: jwsSchema,
    provider_ca_file: providerCaFile(),
    required_claims: filledList(
      z
        .strictObject({
          claim: text()
            .describe('The name of the claim, or the path to it with dots.')
            .meta({ examples: ['scope'] }),
          any_of: filledList(
            text().max(256),
            'would let nobody pass; add a value, or remove it where the claim need only be there',
          )
            .exactOptional()
            .describe('One of these must be the value, or be in the list. `scope` and `scp` are lists with spaces.'),
        })
        .superRefine(({ claim, any_of = [] }, context) => {
          if (claim !== 'scope' && claim !== 'scp') return
          for (const [index, scope] of any_of.entries()) {
            if (SCOPE_TOKEN.test(scope)) continue
            const message = 'is not a scope; scopes are printable ASCII without spaces, " and \\ (RFC 6749 3.3)'
            context.addIssue({ code: 'custom', path: ['any_of', index], message })
          }
        }),
      'is empty; remove it or add { claim: scope, any_of: [docs.read] }',
    )
      .max(32)
      .exactOptional()
      .describe('Further claims that a token must have, all of them. `iss`, `sub` and `exp` are always required.'),
    clock_tolerance: z
      .union([z.string(), z.number()])
      .prefault('30s')
      .transform((written, context) => {
        const milliseconds = written === 0 || written === '0s' ? 0 : parseDuration(written)
        if (milliseconds !== undefined && milliseconds <= CLOCK_TOLERANCE_MAX_MS) return milliseconds
        context.addIssue('must be a duration of 5m at most, for example 30s')
        return z.NEVER
      })
      .describe('How much the clock of an issuer may differ.'),
    allow_cors_preflight: flag()
      .default(false)
      .describe(
        'Whether the CORS preflights of browsers pass to the app, which answers them. They have no token, and the app gets no identity with them.',
      ),
    forward_credentials: flag()
      .default(true)
      .describe('Whether the app gets the header that the token came in. Cookies always pass.'),
  })
  .superRefine((config, context) => {
    const { issuer, jws } = config
    const { additional_jkus, shared_secret } = jws.keys.sources
    const say = (path: PropertyKey[], message: string): void => context.addIssue({ code: 'custom', path, message })
    const named = jws.allowed_algorithms ?? []
    // ngrok's policies may have no audience: their key URLs usually belong to one tenant.
    if (!additional_jkus && !isRestricted(config)) {
      say(
        ['audience'],
        'is missing, so tokens that were made for any other app would pass; add { allow_list: [{ value: … }] }',
      )
    }
    if (shared_secret === undefined) {
      if (named.some(isShared))
        say(['jws', 'allowed_algorithms'], 'HS256, HS384 and HS512 need keys.sources.shared_secret')
    } else {
      if (!named.every(isShared) || additional_jkus) {
        say(
          ['jws', 'keys', 'sources', 'shared_secret'],
          'cannot be combined with public keys, because a public key could then serve as the secret; write two actions',
        )
      }
      const least = Math.max(32, ...named.filter(isShared).map((name) => SHARED_SECRET_BYTES[name]))
      if (Buffer.byteLength(shared_secret.reveal()) < least) {
        say(
          ['jws', 'keys', 'sources', 'shared_secret'],
          `is shorter than ${least} bytes; make one with: openssl rand -base64 ${least}`,
        )
      }
      return
    }
    if (additional_jkus) return
    for (const [index, { value }] of issuer.allow_list.entries()) {
      if (!isFetchable(value)) {
        say(
          ['issuer', 'allow_list', index, 'value'],
          'is not an https URL, so there is no discovery document; add jws.keys.sources.additional_jkus',
        )
      }
    }
  })

/** Its texts with `${…}`. Issuers and key sets have to be known before a token comes. */
export const PREPARED_TEXTS: readonly PreparedText[] = [
  { at: ['issuer', 'allow_list', 'value'], example: 'https://login.example.com' },
  { at: ['http', 'tokens', 'name'], mayBeLate: true, example: 'X-Token' },
  { at: ['http', 'tokens', 'prefix'], mayBeLate: true, example: 'Bearer' },
  { at: ['jws', 'keys', 'sources', 'additional_jkus'], example: 'https://login.example.com/jwks.json' },
]

/** Whether tokens that were made for other apps are kept out. */
export function isRestricted({ audience, required_claims }: Restrictions): boolean {
  return audience?.allow_list !== undefined || required_claims?.some(({ any_of }) => any_of !== undefined) === true
}

interface Restrictions {
  audience?: { allow_list?: unknown }
  required_claims?: { any_of?: unknown }[]
}

/** @returns the algorithms for tokens; never `none`, and never both kinds */
export function algorithmsOf({ jws }: z.output<typeof jwtValidationSchema>): readonly Algorithm[] {
  return jws.allowed_algorithms ?? (jws.keys.sources.shared_secret ? ['HS256'] : DEFAULT_ALGORITHMS)
}

/** `clock_tolerance` is milliseconds. */
export type JwtValidationConfig = z.output<typeof jwtValidationSchema>
