// The variables at the beginning of each path. Pure: no I/O, no clock.

import { ALL_PHASES, HTTP_PHASES, RESPONSE_PHASE, type Phase } from '../phase.ts'
import { ACTIONS } from './action-results.ts'
import { CONNECTION } from './connection.ts'
import { ENDPOINT } from './endpoint.ts'
import { type RecordType, defineRecord, value } from './record.ts'
import { REQUEST } from './request.ts'
import { RESPONSE } from './response.ts'

export interface Root {
  readonly phases: readonly Phase[]
  readonly about: string
  /** Its type in CEL, if it is not a record. */
  readonly type?: string
  readonly record?: RecordType
  /** True if it exists only in `retry_condition`. */
  readonly isOfAttempts?: true
}

/** ngrok docs: "Time Variables": a text, not a timestamp. */
export const TIME = defineRecord<{ now(): number }>('sallyport.Time', {
  now: value('string', 'the present time as RFC 3339 writes it, in UTC', (facts) =>
    new Date(facts.now()).toISOString(),
  ),
})

export const ROOTS: ReadonlyMap<string, Root> = new Map<string, Root>([
  ['conn', { phases: ALL_PHASES, about: 'the connection of the visitor', record: CONNECTION }],
  ['endpoint', { phases: ALL_PHASES, about: 'the edge that got the request', record: ENDPOINT }],
  ['req', { phases: HTTP_PHASES, about: 'the request', record: REQUEST }],
  ['res', { phases: RESPONSE_PHASE, about: 'the answer of the app', record: RESPONSE }],
  ['time', { phases: ALL_PHASES, about: 'the clock of this relay', record: TIME }],
  [
    'vars',
    { phases: ALL_PHASES, about: 'the variables that set-vars has set in the same phase', type: 'map<string, dyn>' },
  ],
  ['actions', { phases: ALL_PHASES, about: 'the results of actions', record: ACTIONS }],
  [
    'attempts',
    { phases: HTTP_PHASES, about: 'how many times http-request has tried', type: 'int', isOfAttempts: true },
  ],
  [
    'last_attempt',
    {
      phases: HTTP_PHASES,
      about: 'the fields req, res and error of the last try',
      type: 'map<string, dyn>',
      isOfAttempts: true,
    },
  ],
])
