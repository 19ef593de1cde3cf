// `openid-connect` and `oauth`: visitors sign in at an identity provider. oidc/ does the work; oidc/gate/require-session.ts runs with
// each request.

import type { Action } from '../../exchange/action.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { EdgeSignIns } from '../../oidc/edge-sign-ins.ts'
import type { TokenName, ToldSession } from '../../oidc/gate/session-telling.ts'
import { noteResult } from '../note-result.ts'
import type { Remembering } from '../note-result.ts'
import type { OpenidConnectConfig } from './openid-connect-schema.ts'

export interface OpenidConnectParts {
  /** The edge's own. */
  signIns: Pick<EdgeSignIns, 'action'>
}

/** @param result the name under which expressions read its result */
export function openidConnect(
  config: OpenidConnectConfig,
  { signIns, readsResult }: OpenidConnectParts & Remembering,
  result: 'oidc' | 'oauth' = 'oidc',
): Action {
  if (!readsResult(result)) return signIns.action(config)
  const tokens = TOKENS[result].filter((name) => readsResult(`${result}.${name}`))
  const tells = tokens.includes('access_token') ? keepingAccessToken(config) : config
  return signIns.action(tells, { tokens, tell: (exchange, told) => noteSession(exchange, result, told) })
}

/** The tokens that ngrok's results have. */
const TOKENS: Readonly<Record<'oidc' | 'oauth', readonly TokenName[]>> = {
  oidc: ['access_token', 'identity_token', 'refresh_token'],
  oauth: ['access_token', 'refresh_token'],
}

function keepingAccessToken({ alternatives, ...config }: OpenidConnectConfig): OpenidConnectConfig {
  return {
    ...config,
    tells_access_token: true,
    ...(alternatives && { alternatives: alternatives.map(keepingAccessToken) }),
  }
}

/** If a visitor passes without an identity, the result has none, and `has(actions.ngrok.oidc.identity)` is false. */
function noteSession(exchange: Exchange, result: 'oidc' | 'oauth', told: ToldSession | undefined): void {
  const { identity } = exchange
  if (!identity || !told) return noteResult(exchange, result, {})
  const { subject, name, email } = identity
  noteResult(exchange, result, {
    identity: {
      id: subject,
      provider_user_id: subject,
      ...(name !== undefined && { name }),
      ...(email !== undefined && { email }),
      [result === 'oidc' ? 'current_session_id' : 'current_provider_session_id']: told.id,
    },
    ...told.tokens,
    expires_at: new Date(told.expires).toISOString(),
    // A visitor whose session has ended is sent to the provider, so no rule after the action runs.
    session_timed_out: false,
    session_max_duration_reached: false,
    userinfo_refreshed: told.isRefreshed,
  })
}
