// The schema of one of `http.tokens` of a `jwt-validation`: the kind and the place of a token. Pure: no I/O, no clock.

import { z } from 'zod'

import { text } from '../../values/value-schemas.ts'
import { isLate, orLate } from '../late-text.ts'

/** Of a header or cookie. RFC 9110 5.6.2 */
export const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/
export const NAME_MAX_CHARS = 128
export const PREFIX = /^[!-~]{0,32} ?$/

export const tokenSchema = z
  .strictObject({
    type: z
      .enum(['jwt', 'at+jwt', 'access_token', 'plain', 'id_token', 'it+jwt'])
      .default('jwt')
      .describe(
        'The kind of token, by its header `typ`, which may also be missing or `JWT`: `id_token` and `it+jwt` take ID tokens, the others access tokens. `at+jwt` takes only access tokens of RFC 9068, by a `typ` of that name.',
      ),
    method: z
      .enum(['header', 'body', 'cookie'])
      .default('header')
      .describe(
        'The kind of place. `body` takes a field of a JSON or form body of POST, PUT and PATCH, and reads up to `limits.held_body_bytes`.',
      ),
    name: orLate(text().max(NAME_MAX_CHARS))
      .default('Authorization')
      .describe('The name of the header, field or cookie. The case of headers and fields does not count.'),
    prefix: orLate(z.string().regex(PREFIX, 'must be one word, for example Bearer'))
      .exactOptional()
      .describe('The text before the token. By default `Bearer` for `Authorization`, and nothing otherwise.'),
  })
  .refine(({ method, name }) => method === 'body' || isLate(name) || NAME.test(name), {
    path: ['name'],
    message: 'is not the name of a header or cookie',
  })
