// `jws` of a `jwt-validation`: how tokens are signed, and with which keys. Pure: no I/O, no clock.

import { Secret } from '@sallyport/protocol'
import { z } from 'zod'

import { isLoopbackHost } from '../../values/host-pattern.ts'
import { PUBLIC_KEY_ALGORITHMS } from '../../values/public-key-algorithms.ts'
import { edgeProblem, filledList, reporting, text } from '../../values/value-schemas.ts'

export const SHARED_SECRET_BYTES = { HS256: 32, HS384: 48, HS512: 64 } as const // RFC 7518 3.2: the size of the hash at least

type SharedSecretAlgorithm = keyof typeof SHARED_SECRET_BYTES
export type Algorithm = (typeof PUBLIC_KEY_ALGORITHMS)[number] | SharedSecretAlgorithm

const sourcesSchema = z.strictObject({
  additional_jkus: filledList(
    text().superRefine((written, context) => {
      if (!isFetchable(written)) {
        context.addIssue('is not an https URL; write for example https://login.example.com/jwks.json')
      }
    }),
    'would find no key; remove it to have the keys found by discovery',
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
    .describe('The key of HS256, HS384 or HS512, instead of public keys. Best written as "${JWT_SECRET}".'),
})

const identificationSchema = z.strictObject({
  token_claims: z
    .array(z.enum(['kid']))
    .exactOptional()
    .describe('`[kid]`.'),
})

const keysSchema = z.strictObject({
  sources: block(sourcesSchema).prefault({}).describe('The sources of the keys.'),
  identification: block(identificationSchema)
    .exactOptional()
    .describe(
      'For policies of ngrok. It changes nothing: the relay looks for a key by the `kid` of the token in any case.',
    ),
})

export const jwsSchema = z
  .strictObject({
    allowed_algorithms: filledList(
      z.enum([...PUBLIC_KEY_ALGORITHMS, 'HS256', 'HS384', 'HS512']),
      'would refuse every token; add RS256 or ES256',
    )
      .exactOptional()
      .describe(
        'How tokens may be signed. By default RS256, PS256, ES256, EdDSA and Ed25519; with a `shared_secret` HS256.',
      ),
    keys: block(keysSchema).prefault({}).describe('The keys that tokens are verified with.'),
  })
  .prefault({})
  .describe('How tokens are signed.')

export function isShared(algorithm: Algorithm): algorithm is SharedSecretAlgorithm {
  return Object.hasOwn(SHARED_SECRET_BYTES, algorithm)
}

/** Whether the relay may ask this URL. */
export function isFetchable(written: string): boolean {
  const url = URL.parse(written)
  if (!url || url.username || url.password || url.hash) return false
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopbackHost(url.hostname))
}

/** ngrok's tables show a list here, its examples a block. Several blocks count as one, and their lists as one list. */
function block<T extends z.ZodType>(schema: T) {
  return z.preprocess(oneBlock, schema)
}

function oneBlock(written: unknown): unknown {
  if (!Array.isArray(written) || written.length === 0 || !written.every(isBlock)) return written
  const merged = new Map<string, unknown>()
  for (const [key, value] of written.flatMap((block) => Object.entries(block))) {
    merged.set(key, merged.has(key) ? [merged.get(key), value].flat() : value)
  }
  return Object.fromEntries(merged)
}

function isBlock(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
