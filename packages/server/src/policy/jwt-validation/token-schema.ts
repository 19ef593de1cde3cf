// The schema of one of `http.tokens` of a `jwt-validation`: the kind and the place of a token. Pure: no I/O, no clock.

import { z } from 'zod'

import { expressionProblem } from '../no-expression.ts'
import { reporting, text } from '../../values/value-schemas.ts'

const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/ // RFC 9110 5.6.2

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
    name: text()
      .max(128)
      .superRefine(reporting(expressionProblem))
      .default('Authorization')
      .describe('The name of the header, field or cookie. The case of headers and fields does not count.'),
    prefix: z
      .string()
      .regex(/^[!-~]{0,32} ?$/, 'must be one word, for example Bearer')
      .superRefine(reporting(expressionProblem))
      .exactOptional()
      .describe('The text before the token. By default `Bearer` for `Authorization`, and nothing otherwise.'),
  })
  .refine(({ method, name }) => method === 'body' || NAME.test(name), {
    path: ['name'],
    message: 'is not the name of a header or cookie',
  })
