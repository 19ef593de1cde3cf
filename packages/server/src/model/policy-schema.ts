// `policy:` of a route: its rules, and what each action takes. Actions with many keys have files of their own.
// Pure: no I/O, no clock.

import { z } from 'zod'

import { basicAuthSchema } from '../policy/basic-auth/basic-auth-schema.ts'
import { jwtValidationSchema } from '../policy/jwt-validation/jwt-validation-schema.ts'
import { openidConnectSchema } from '../policy/openid-connect/openid-connect-schema.ts'
import { cidr, filledList, headerName, headerValues, text, wholeNumber } from '../values/value-schemas.ts'

export const restrictIpsSchema = z
  .strictObject({
    allow: filledList(cidr(), 'would mean nobody; remove it or add an address range')
      .exactOptional()
      .describe('Address ranges that may pass. Without it, all that `deny` does not name.'),
    deny: filledList(cidr(), 'would mean no range; remove it or add an address range')
      .exactOptional()
      .describe('Address ranges that may not pass. It wins over `allow`.'),
  })
  .refine(
    ({ allow, deny }) => allow !== undefined || deny !== undefined,
    'says nothing; add allow or deny with address ranges',
  )

export const addHeadersSchema = z.strictObject({
  headers: headerValues()
    .describe('Name and value of each header. One that is there already is replaced.')
    .meta({ examples: ['{ X-Environment: staging }'] }),
})

export const removeHeadersSchema = z.strictObject({
  headers: filledList(headerName(), 'would mean no header; add a header name, or remove the action')
    .describe('Names of headers, in any case.')
    .meta({ examples: ['[X-Debug]'] }),
})

export const denySchema = z.strictObject({
  status_code: wholeNumber(400, 599).default(403).describe('The status of the answer, 400 to 599.'),
})

const headerActions = [
  z.strictObject({ type: z.literal('add-headers'), config: addHeadersSchema }),
  z.strictObject({ type: z.literal('remove-headers'), config: removeHeadersSchema }),
] as const

const admittingActions = [
  z.strictObject({ type: z.literal('openid-connect'), config: openidConnectSchema }),
  z.strictObject({ type: z.literal('service-token'), config: z.strictObject({}).prefault({}) }),
  z.strictObject({ type: z.literal('jwt-validation'), config: jwtValidationSchema }),
  z.strictObject({ type: z.literal('basic-auth'), config: basicAuthSchema }),
  z.strictObject({ type: z.literal('restrict-ips'), config: restrictIpsSchema }),
] as const

const anyOfSchema = z.strictObject({
  actions: z
    .array(z.discriminatedUnion('type', admittingActions))
    .min(2, 'needs a second action; write a single one without any-of')
    .refine(
      (actions) => actions.slice(0, -1).every(({ type }) => type !== 'openid-connect'),
      'asks people to sign in at openid-connect, so nothing behind it would be reached; move it to the end',
    )
    .describe('One of them is enough; they are tried in order. `openid-connect` stands last.')
    .meta({ examples: ['[{ type: service-token }, { type: openid-connect, config: … }]'] }),
})

const requestActionSchema = z.discriminatedUnion('type', [
  ...admittingActions,
  z.strictObject({ type: z.literal('any-of'), config: anyOfSchema }),
  z.strictObject({ type: z.literal('deny'), config: denySchema.prefault({}) }),
  ...headerActions,
])

const responseActionSchema = z.discriminatedUnion('type', [...headerActions])

export const policySchema = z.strictObject({
  on_http_request: z
    .array(
      z.strictObject({
        name: text().exactOptional().describe('For people, and for the log.'),
        actions: filledList(requestActionSchema, 'would mean nothing to do; add an action, or remove the rule')
          .describe('Run in order.')
          .meta({ examples: ['[{ type: deny }]'] }),
      }),
    )
    .meta({ examples: ['[{ actions: [{ type: deny }] }]'] })
    .default([])
    .describe('Runs before a byte of the request is sent to an agent, upgrades included.'),
  on_http_response: z
    .array(
      z.strictObject({
        name: text().exactOptional().describe('For people, and for the log.'),
        actions: filledList(responseActionSchema, 'would mean nothing to do; add an action, or remove the rule')
          .describe('Run in order.')
          .meta({ examples: ['[{ type: remove-headers, config: { headers: [Server] } }]'] }),
      }),
    )
    .meta({ examples: ['[{ actions: [{ type: remove-headers, config: { headers: [Server] } }] }]'] })
    .default([])
    .describe('Runs on the head of the response of the app.'),
})

export type RestrictIpsConfig = z.output<typeof restrictIpsSchema>
export type AddHeadersConfig = z.output<typeof addHeadersSchema>
export type RemoveHeadersConfig = z.output<typeof removeHeadersSchema>
export type DenyConfig = z.output<typeof denySchema>
