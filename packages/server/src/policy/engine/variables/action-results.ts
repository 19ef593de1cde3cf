// `actions.ngrok.<action>` and `actions.sallyport.<action>`: the result of the last run of an action. An action that has not run has
// an empty result, so `has(actions.ngrok.oidc.identity)` is false. Pure: no I/O, no clock.

import type { Facts } from '../facts.ts'
import { type Field, defineRecord, part, value } from './record.ts'

/** Section 4 of the reference: the fields of each result, by the action's name in variables. */
export const ACTION_RESULTS = {
  add_headers: ['headers_added'],
  remove_headers: ['headers_removed'],
  set_headers: ['headers_set'],
  basic_auth: ['credentials', 'error'],
  compress: ['already_compressed', 'negotiated_algorithm', 'error'],
  http_request: ['error', 'attempts', 'req', 'res'],
  jwt_validation: ['tokens', 'error'],
  log: ['metadata'],
  oauth: [
    'identity',
    'access_token',
    'refresh_token',
    'expires_at',
    'session_timed_out',
    'session_max_duration_reached',
    'userinfo_refreshed',
    'error',
  ],
  oidc: [
    'identity',
    'identity_token',
    'access_token',
    'refresh_token',
    'expires_at',
    'session_timed_out',
    'session_max_duration_reached',
    'userinfo_refreshed',
    'error',
  ],
  rate_limit: ['bucket_key', 'limited', 'error'],
  redirect: ['matches', 'url', 'error'],
  url_rewrite: ['matches', 'url', 'error'],
  restrict_ips: ['action', 'matched_cidr', 'error'],
  terminate_tls: ['version', 'cipher_suite', 'sni', 'negotiated_alpn', 'session_resumed'],
  verify_webhook: ['verified', 'error'],
} as const satisfies Readonly<Record<string, readonly string[]>>

const EMPTY: ReadonlyMap<string, unknown> = new Map()

const FIELDS: Readonly<Record<string, Field<Facts>>> = Object.fromEntries(
  Object.entries(ACTION_RESULTS).map(([action, names]) => [
    action,
    value<Facts>('map<string, dyn>', names.join(', '), ({ results }) => results.get(action) ?? EMPTY),
  ]),
)

const OF_ACTIONS = defineRecord<Facts>('sallyport.ActionResults', FIELDS)

export const ACTIONS = defineRecord<Facts>('sallyport.Actions', {
  ngrok: part(OF_ACTIONS, 'the results of actions, by the names that ngrok gives them', (facts) => facts),
  sallyport: part(OF_ACTIONS, 'the same', (facts) => facts),
})
