// The kind of `set-vars`. Pure: no I/O, no clock.

import { z } from 'zod'

import { filledList } from '../../values/value-schemas.ts'
import { defineKind } from '../kind.ts'
import { anyValue } from '../../values/any-value.ts'

const VARS_MAX = 100

const name = z
  .string()
  .regex(
    /^[A-Za-z_][A-Za-z0-9_]{0,63}$/,
    'must be a name of letters, digits and _, so that expressions can read vars.name',
  )

const schema = z.strictObject({
  vars: filledList(
    z.record(name, anyValue()).refine((item) => Object.keys(item).length === 1, 'must be one name and its value'),
    'would set nothing; add - name: value',
  )
    .max(VARS_MAX, `has more than ${VARS_MAX} variables`)
    .describe(
      'A list with one name and value in each item. A value can be of any kind. A text that is exactly one `${…}` keeps the type of its value. Later items see earlier ones.',
    )
    .meta({ examples: ['[{ tenant: "${req.host.split(\'.\')[0]}" }]'] }),
})

export type SetVarsConfig = z.output<typeof schema>

export const setVarsKind = defineKind({
  documentation:
    'Sets variables, which the expressions and templates after it read as `vars.name`. Variables of one phase do not exist in another. See [Traffic policy](traffic-policy.md#set-vars).',
  otherNames: ['set-variables'],
  phases: ['on_tcp_connect', 'on_http_request', 'on_http_response'],
  admits: 'everybody',
  takesSecrets: false,
  agentMayWrite: ['vars'],
  templates: ['vars'],
  schema,
  complete: (config) => config,
  asks: () => undefined,
})
