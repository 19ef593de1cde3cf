// The schema of a `jwt-validation`, in the shape of ngrok's. Pure: no I/O, no clock.

import { Secret } from '@sallyport/protocol'
import { z } from 'zod'

import { parseDuration } from '../../values/duration.ts'
import { isLoopbackHost } from '../../values/host-pattern.ts'
import { PUBLIC_KEY_ALGORITHMS } from '../../values/public-key-algorithms.ts'
import { edgeProblem, filledList, flag, providerCaFile, reporting, text } from '../../values/value-schemas.ts'

const SHARED_SECRET_BYTES = { HS256: 32, HS384: 48, HS512: 64 } as const // RFC 7518 3.2: the size of the hash at least
const DEFAULT_ALGORITHMS: readonly Algorithm[] = ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519']
const CLOCK_TOLERANCE_MAX_MS = 300_000

type SharedSecretAlgorithm = keyof typeof SHARED_SECRET_BYTES
export type Algorithm = (typeof PUBLIC_KEY_ALGORITHMS)[number] | SharedSecretAlgorithm

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
        ).describe('Tokens with one of these audiences are taken.'),
      })
      .exactOptional()
      .describe('The audience of the tokens. Required, unless `required_claims` restricts it in another way.'),
    http: z
      .strictObject({
        tokens: filledList(
          z.strictObject({
            type: z
              .enum(['jwt', 'at+jwt'])
              .default('jwt')
              .describe('`at+jwt` takes access tokens of RFC 9068 only, by the header `typ` of the token.'),
            method: z.enum(['header', 'cookie']).default('header').describe('The kind of place.'),
            name: text()
              .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/, 'is not the name of a header or cookie')
              .default('Authorization')
              .describe('The name of the header or cookie.'),
            prefix: z
              .string()
              .regex(/^[!-~]{0,32} ?$/, 'must be one word, for example Bearer')
              .exactOptional()
              .describe('The text before the token. By default `Bearer` for `Authorization`, and nothing otherwise.'),
          }),
          'would find no token; remove it for Authorization: Bearer',
        )
          .max(8)
          .prefault([{}])
          .describe('The places to look at; the first one with a token counts.'),
      })
      .prefault({})
      .describe('How programs send tokens. By default as `Authorization: Bearer`.'),
    jws: z
      .strictObject({
        allowed_algorithms: filledList(
          z.enum([...PUBLIC_KEY_ALGORITHMS, 'HS256', 'HS384', 'HS512']),
          'would refuse every token; add RS256 or ES256',
        )
          .exactOptional()
          .describe(
            'How tokens may be signed. By default RS256, PS256, ES256, EdDSA and Ed25519; with a `shared_secret` HS256.',
          ),
        keys: z
          .strictObject({
            sources: z
              .strictObject({
                additional_jkus: filledList(
                  text().superRefine((written, context) => {
                    if (!isFetchable(written)) {
                      context.addIssue('is not an https URL; write for example https://login.example.com/jwks.json')
                    }
                  }),
                  'would find no key; remove it, and the relay finds the keys by discovery',
                )
                  .max(8)
                  .exactOptional()
                  .describe(
                    'URLs of key sets, which apply to every issuer of the list. Without them, the relay finds the keys of each issuer by its discovery document.',
                  ),
                shared_secret: z
                  .string('must be text; put it in quotes')
                  .superRefine(reporting(edgeProblem))
                  .transform((written) => new Secret(written))
                  .exactOptional()
                  .describe(
                    'The key of HS256, HS384 or HS512, instead of public keys. Best written as "${JWT_SECRET}".',
                  ),
              })
              .prefault({})
              .describe('The sources of the keys.'),
          })
          .prefault({})
          .describe('The keys that tokens are verified with.'),
      })
      .prefault({})
      .describe('How tokens are signed.'),
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
  .superRefine(({ issuer, audience, jws, required_claims }, context) => {
    const { additional_jkus, shared_secret } = jws.keys.sources
    const say = (path: PropertyKey[], message: string): void => context.addIssue({ code: 'custom', path, message })
    const named = jws.allowed_algorithms ?? []
    if (audience === undefined && !required_claims?.some(({ any_of }) => any_of !== undefined)) {
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

/** @returns the algorithms for tokens; never `none`, and never both kinds */
export function algorithmsOf({ jws }: z.output<typeof jwtValidationSchema>): readonly Algorithm[] {
  return jws.allowed_algorithms ?? (jws.keys.sources.shared_secret ? ['HS256'] : DEFAULT_ALGORITHMS)
}

function isShared(algorithm: Algorithm): algorithm is SharedSecretAlgorithm {
  return Object.hasOwn(SHARED_SECRET_BYTES, algorithm)
}

function isFetchable(written: string): boolean {
  const url = URL.parse(written)
  if (!url || url.username || url.password || url.hash) return false
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopbackHost(url.hostname))
}

/** `clock_tolerance` is milliseconds. */
export type JwtValidationConfig = z.output<typeof jwtValidationSchema>
