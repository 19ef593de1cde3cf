// The kind of `deny`. Pure: no I/O, no clock.

import { z } from 'zod'

import { wholeNumber } from '../../values/value-schemas.ts'
import { defineKind } from '../kind.ts'

const schema = z.strictObject({
  status_code: wholeNumber(400, 599).default(403).describe('The status of the answer, 400 to 599.'),
})

export type DenyConfig = z.output<typeof schema>

export const denyKind = defineKind({
  documentation: 'Answers at once. `config` may be left out.',
  otherNames: [],
  phases: ['on_http_request'],
  admits: 'nobody',
  takesSecrets: false,
  agentMayWrite: ['status_code'],
  schema: schema.prefault({}),
  complete: (config) => config,
  asks: () => 'nobody',
})
