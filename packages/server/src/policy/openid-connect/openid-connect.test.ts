import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import type { SessionTelling } from '../../oidc/gate/session-telling.ts'
import { completeSignIn } from './complete-sign-in.ts'
import { openidConnect } from './openid-connect.ts'
import { openidConnectSchema } from './openid-connect-schema.ts'
import type { OpenidConnectConfig } from './openid-connect-schema.ts'

const WRITTEN = { issuer_url: 'https://a.example', client_id: 'x', scopes: ['groups'] }

/** The demands of the action on its sign-in, in a policy whose expressions read these results. */
function asked(
  reads: readonly string[],
  result?: 'oidc' | 'oauth',
): { config: OpenidConnectConfig; tokens?: readonly string[] } {
  const found: { config?: OpenidConnectConfig; telling?: SessionTelling | undefined } = {}
  const alternatives = [{ ...WRITTEN, issuer_url: 'https://b.example' }]
  const config = completeSignIn(openidConnectSchema.parse({ ...WRITTEN, alternatives }), true, '/')
  const signIns = {
    action: (given: OpenidConnectConfig, telling?: SessionTelling) => {
      Object.assign(found, { config: given, telling })
      return () => Promise.resolve()
    },
  }
  openidConnect(
    config,
    { signIns, readsResult: (one) => reads.some((each) => each === one || each.startsWith(`${one}.`)) },
    result,
  )
  assert.ok(found.config)
  return { config: found.config, ...(found.telling && { tokens: found.telling.tokens }) }
}

describe('openid-connect and the results that expressions read (traffic policy, result variables)', () => {
  it('keeps and reads no token that no expression reads', () => {
    assert.equal(asked([]).tokens, undefined)
    assert.deepEqual(asked(['oidc.identity']).tokens, [])
    assert.equal(asked(['oidc.identity_token']).config.tells_access_token, undefined)
    assert.deepEqual(asked(['oidc.identity_token', 'oidc.refresh_token']).tokens, ['identity_token', 'refresh_token'])
    assert.equal(asked(['oidc.access_token'], 'oauth').tokens, undefined, 'nor one of another action')
  })

  it('keeps an access token that an expression reads, for each of its sign-ins', () => {
    const { config, tokens } = asked(['oidc.access_token'])
    assert.deepEqual(tokens, ['access_token'])
    assert.ok(config.tells_access_token && config.alternatives?.every((each) => each.tells_access_token))
    assert.ok(!config.forward_access_token, 'but the app gets no header')
  })

  it('adds scopes to the usual ones, unless the list has openid', () => {
    assert.deepEqual(asked([]).config.scopes, ['openid', 'profile', 'email', 'groups'])
    assert.deepEqual(openidConnectSchema.parse({ ...WRITTEN, scopes: ['openid'] }).scopes, ['openid'])
  })
})
