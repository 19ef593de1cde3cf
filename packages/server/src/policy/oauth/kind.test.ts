import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { parseEndpoint } from '../../model/parse-endpoint.ts'
import { warningsOf } from '../../model/policy-warnings.ts'
import type { OpenidConnectConfig } from '../openid-connect/openid-connect-schema.ts'

const TENANT = '0f0e0d0c-0b0a-4908-8706-050403020100'

function parse(...actions: object[]) {
  return parseEndpoint(
    { on_http_request: [{ actions }] },
    {
      id: 'edg_x',
      host: 'x.example.com',
      publicUrl: new URL('https://relay.example.com'),
      issuers: { problemOf: () => undefined },
      identityJwt: true,
    },
  )
}

const oauth = (config: object): object => ({
  type: 'oauth',
  config: { client_id: 'me', client_secret: 's', ...config },
})

function problemsOf(...actions: object[]): string[] {
  const parsed = parse(...actions)
  return parsed.ok ? [] : parsed.problems.map(({ path, message }) => `${path.slice(5).join('.')} ${message}`)
}

function complete(config: object): OpenidConnectConfig {
  const parsed = parse(oauth(config))
  assert.ok(parsed.ok, JSON.stringify(parsed))
  return parsed.edge.routes[0]?.policy.on_http_request[0]?.actions[0]?.config as OpenidConnectConfig // its kind completes it
}

describe('the configuration of oauth (traffic policy, oauth)', () => {
  it('becomes openid-connect with the settings that its provider needs', () => {
    const google = complete({ provider: 'google', scopes: ['https://www.googleapis.com/auth/drive', 'email'] })
    assert.equal(google.issuer_url, 'https://accounts.google.com')
    assert.deepEqual(google.scopes, ['openid', 'profile', 'email', 'https://www.googleapis.com/auth/drive'])
    assert.equal(google.title, 'Google')
    const { issuer_url } = complete({ provider: 'microsoft', tenant: TENANT.toUpperCase() })
    assert.equal(issuer_url, `https://login.microsoftonline.com/${TENANT}/v2.0`)
    const twitch = complete({ provider: 'twitch', authz_url_params: { force_verify: 'true' } })
    assert.deepEqual(twitch.scopes, ['openid', 'user:read:email'])
    assert.equal(twitch.authz_url_params?.['force_verify'], 'true')
    assert.match(twitch.authz_url_params?.['claims'] ?? '', /"id_token":\{"email":null,/)
    const linkedin = complete({ provider: 'linkedin' })
    assert.deepEqual([linkedin.client_authentication, linkedin.without_proof], ['client_secret_post', true])
    assert.equal(complete({ provider: 'gitlab' }).without_proof, undefined)
  })

  it('has ngrok’s names for durations and people, and ours', () => {
    const config = complete({
      provider: 'gitlab',
      idle_session_timeout: '20m',
      max_session_duration: '2h',
      email_addresses: ['Ada@example.com'],
      allow: { domains: ['example.org'] },
      deny: { emails: ['eve@example.org'] },
      title: 'Work',
    })
    assert.deepEqual([config.idle_session_duration, config.max_session_duration], [20 * 60_000, 2 * 3_600_000])
    assert.deepEqual(config.allow, { emails: ['ada@example.com'], domains: ['example.org'] })
    assert.deepEqual(config.deny, { emails: ['eve@example.org'] })
    assert.equal(config.title, 'Work')
  })

  it('explains the lack of ngrok’s own client, with the redirect URI to register', () => {
    const [problem = ''] = problemsOf({ type: 'oauth', config: { provider: 'google' } })
    assert.match(problem, /^client_id is missing: ngrok’s own client at Google cannot be used here; register one there/)
    assert.match(
      problem,
      /the redirect URI https:\/\/relay\.example\.com\/oidc\/callback\/accounts\.google\.com-\w{20},/,
    )
  })

  it('refuses unknown providers, each with what to do', () => {
    for (const name of ['github', 'facebook', 'amazon']) {
      assert.match(
        problemsOf(oauth({ provider: name })).join(),
        new RegExp(`^provider ${name} is not an OpenID provider; .*Dex`),
      )
    }
    assert.match(problemsOf(oauth({ provider: 'gogle' })).join(), /^provider "gogle" is not .*did you mean google/)
    assert.match(problemsOf(oauth({})).join(), /^provider /)
  })

  it('requires a tenant for Microsoft only', () => {
    assert.match(problemsOf(oauth({ provider: 'microsoft' })).join(), /^tenant is missing: .*every tenant of Microsoft/)
    assert.match(
      problemsOf(oauth({ provider: 'microsoft', tenant: 'common' })).join(),
      /^tenant is not the id of a tenant/,
    )
    assert.match(problemsOf(oauth({ provider: 'google', tenant: TENANT })).join(), /^tenant is only for microsoft/)
  })

  it('is compared with itself and with every sign-in that shares its sessions', () => {
    assert.match(
      problemsOf(oauth({ provider: 'google', idle_session_timeout: '3h', max_session_duration: '2h' })).join(),
      /^idle_session_timeout is longer than max_session_duration/,
    )
    assert.match(
      problemsOf(oauth({ provider: 'google', email_domains: ['a.example'], allow: { domains: ['b.example'] } })).join(),
      /^email_domains is allow\.domains once more/,
    )
    const issuer_url = 'https://accounts.google.com'
    const other = { type: 'openid-connect', config: { issuer_url, client_id: 'me', client_secret: 's' } }
    assert.deepEqual(problemsOf(oauth({ provider: 'google' }), other), [])
    assert.match(
      problemsOf(oauth({ provider: 'google', force_reauthentication: true }), other).join(),
      /^auth_id \w+ is used on this edge with another force_reauthentication/,
    )
  })

  it('may come from an agent, but without cookies for other edges', () => {
    assert.deepEqual(problemsOf(oauth({ provider: 'google', auth_cookie_domain: 'example.com' })), [
      'auth_cookie_domain is possible only in the configuration of the relay',
    ])
  })

  it('warns of the provider whose codes are not bound to a browser', () => {
    const warningsFor = (provider: string): string[] => {
      const parsed = parse(oauth({ provider }))
      assert.ok(parsed.ok)
      return warningsOf(parsed.edge)
    }
    assert.match(
      warningsFor('linkedin').join(),
      /^has oauth with LinkedIn, which neither takes PKCE nor repeats a nonce/,
    )
    assert.deepEqual(warningsFor('google'), [])
  })
})
