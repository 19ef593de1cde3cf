// What a `basic-auth` takes. Pure: no I/O, no clock.

import { Secret } from '@sallyport/protocol'
import { z } from 'zod'

import { parseBasicCredential } from '../../values/basic-credential.ts'
import { filledList, flag, text } from '../../values/value-schemas.ts'

export const basicAuthSchema = z.strictObject({
  credentials: filledList(
    z.string('must be text; put it in quotes').transform((written, context) => {
      const read = parseBasicCredential(written)
      if (!('problem' in read)) return { user: read.user, password: new Secret(read.password) }
      context.addIssue(read.problem)
      return z.NEVER
    }),
    'would let nobody pass; add "user:password"',
  )
    .max(100, 'is for a few; more people than 100 need an identity provider')
    .describe(
      'Each `user:password`, with 8 to 128 characters behind the colon, best written as `"ada:${ADA_PASSWORD}"`. In place of the password may stand what `relay hash-password` prints.',
    )
    .meta({ examples: ['["ada:${ADA_PASSWORD}"]'] }),
  realm: text()
    .regex(/^[\x20\x21\x23-\x5b\x5d-\x7e]{1,128}$/, 'may contain printable ASCII characters, without " and \\')
    .exactOptional()
    .describe('What browsers show when they ask. By default the id of the edge.'),
  forward_credentials: flag().default(false).describe('Whether the app gets the `Authorization` header too.'),
})

export type BasicAuthConfig = z.output<typeof basicAuthSchema>
