// The kind of `custom-response`. Pure: no I/O, no clock.

import { z } from 'zod'

import { headerValues, wholeNumber } from '../../values/value-schemas.ts'
import { defineKind } from '../kind.ts'
import { siteDataProblems } from '../headers/header-values.ts'

const BODY_MAX_CHARS = 65_536

const schema = z.strictObject({
  status_code: wholeNumber(200, 599).default(200).describe('The status of the answer, 200 to 599.'),
  headers: headerValues({ allowsTemplates: true })
    .default({})
    .describe(
      'Headers of the answer. Values may contain `${…}`. Without `Content-Type`, the relay guesses the type from the body: JSON, HTML, XML or plain text.',
    )
    .meta({ examples: ['{ Retry-After: "3600" }'] }),
  body: z
    .string()
    .max(BODY_MAX_CHARS)
    .default('')
    .describe('The body of the answer, which may contain `${…}`. 204, 205 and 304 have none.'),
})

export type CustomResponseConfig = z.output<typeof schema>

export const customResponseKind = defineKind({
  documentation:
    'Answers in place of the app. A request does not reach the app, and no further action runs. A response of the app is replaced completely: status, headers and body; only a WebSocket that the app has accepted continues. `config` may be left out.',
  otherNames: ['static-response', 'respond'],
  olderKeys: { content: 'body' },
  phases: ['on_http_request', 'on_http_response'],
  admits: 'nobody',
  takesSecrets: false,
  agentMayWrite: ['status_code', 'headers', 'body'],
  schema: schema.prefault({}),
  templates: ['headers', 'body'],
  complete: (config) => config,
  asks: () => 'nobody',
  checkOfAgent: siteDataProblems,
})
