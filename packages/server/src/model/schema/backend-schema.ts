// `backend:` of a route: the destination of allowed visitors. Pure: no I/O, no clock.

import { labelProblem } from '@sallyport/protocol'
import { z } from 'zod'

import { duration, headerValues, text, wholeNumber } from '../../values/value-schemas.ts'

export const balanceSchema = z.enum(['least_in_flight', 'round_robin', 'random'])

export const fixedResponseSchema = z
  .strictObject({
    status: wholeNumber(200, 599)
      .describe('The status of the answer, 200 to 599.')
      .meta({ examples: ['503'] }),
    headers: headerValues()
      .default({})
      .describe('Headers of the answer. `Content-Type` is `text/plain; charset=utf-8` unless it is here.'),
    body: z.string().max(65_536).default('').describe('The body of the answer.'),
  })
  .refine(
    ({ status, body }) => body === '' || (status !== 204 && status !== 304),
    'a 204 or 304 has no body; remove it',
  )

export const stickySchema = z.strictObject({
  cookie: text()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, 'may contain 1 to 64 letters, digits, _ and -')
    .describe('Names the cookie, which is `__Host-sallyport.<name>.tunnel`.')
    .meta({ examples: ['shop'] }),
  max_age: duration().exactOptional().describe('How long a browser keeps the cookie. By default until it is closed.'),
})

const plainBackend = {
  labels: z
    .record(z.string(), z.string())
    .superRefine((labels, context) => {
      for (const [key, value] of Object.entries(labels)) {
        const problem = labelProblem(key, value)
        if (problem) context.addIssue({ code: 'custom', message: problem, path: [key] })
      }
      if (Object.keys(labels).length === 0)
        context.addIssue('an empty selector would match every tunnel; write for example { edge: edg_docs }')
    })
    .transform((labels) => new Map(Object.entries(labels)))
    .exactOptional()
    .describe('The tunnels that have all of these labels share the visitors.'),
  balance: balanceSchema
    .exactOptional()
    .describe('How they share: the fewest requests under way (`least_in_flight`, the default), in turn, or at random.'),
  fixed_response: fixedResponseSchema.exactOptional().describe('The relay answers by itself; no agent is asked.'),
}

const plainBackendSchema = z.strictObject(plainBackend)

const weightedBackend = {
  ...plainBackend,
  weighted: z
    .array(
      z.strictObject({
        backend: plainBackendSchema.describe('`labels`, with or without `balance`, or `fixed_response`.'),
        weight: wholeNumber(0, 10_000)
          .describe('Its share, 0 to 10000, of the sum of all. 0 is off.')
          .meta({ examples: ['10'] }),
      }),
    )
    .min(2, 'shares visitors between two backends or more; write a single one without weighted')
    .refine(
      (branches) => branches.some(({ weight }) => weight > 0),
      'has no weight above 0, so nobody would be served; raise one',
    )
    .exactOptional()
    .describe(
      'Backends that share the visitors by weight. The others take over the share of a backend without a working tunnel.',
    ),
}

const weightedBackendSchema = z.strictObject(weightedBackend)

export const backendSchema = z.strictObject({
  ...weightedBackend,
  failover: z
    .array(weightedBackendSchema)
    .min(2, 'needs a second backend to fall over to; write a single one without failover')
    .exactOptional()
    .describe('Backends in order: the next one serves only while the earlier ones have no working tunnel.'),
  sticky: stickySchema
    .exactOptional()
    .describe('Visitors come back to the tunnel that served them, by a cookie of the relay, while it works.'),
})
