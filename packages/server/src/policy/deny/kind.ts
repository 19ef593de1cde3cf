// The kind of `deny`. Pure: no I/O, no clock.

import { z } from 'zod'

import { wholeNumber } from '../../values/value-schemas.ts'
import { defineKind } from '../kind.ts'

const STATUS = 403

const schema = z.strictObject({
  status_code: wholeNumber(400, 599)
    .default(STATUS)
    .describe('The status of the answer, 400 to 599. Not possible in `on_tcp_connect`.'),
})

export type DenyConfig = z.output<typeof schema>

export const denyKind = defineKind({
  documentation:
    'Answers at once; in `on_tcp_connect` it ends the connection without an answer. `config` may be left out.',
  otherNames: [],
  phases: ['on_tcp_connect', 'on_http_request'],
  admits: 'nobody',
  takesSecrets: false,
  agentMayWrite: ['status_code'],
  schema: schema.prefault({}),
  complete: (config) => config,
  asks: () => 'nobody',
  *check({ status_code }, { phase }) {
    if (phase !== 'on_tcp_connect' || status_code === STATUS) return
    yield { path: ['status_code'], message: 'means nothing here, as a connection ends without an answer; remove it' }
  },
})
