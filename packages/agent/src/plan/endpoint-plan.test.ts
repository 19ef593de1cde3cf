import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inspect } from 'node:util'

import { ConfigError } from '@sallyport/protocol/config-error'

import { planAgent } from './agent-plan.ts'
import type { EndpointOptions } from './agent-options.ts'
import { flagAt } from './http-policy.ts'
import { bindMessage } from './tunnel-plan.ts'

const SIGN_IN = { oidc: 'https://login.example.com', oidcClientId: 'x', oidcClientSecret: 'hush' }

function plan(endpoint: EndpointOptions, server = 'https://relay.example.com'): ReturnType<typeof planAgent> {
  return planAgent({ server, authtoken: 'sp_x', tunnels: [{ upstream: '3000', endpoint }] })
}

/** The `bind` that the flags make. */
function bindOf(endpoint: EndpointOptions): Record<string, unknown> {
  const [tunnel] = plan(endpoint).tunnels
  assert.ok(tunnel)
  return bindMessage(1, tunnel)
}

function problemsOf(endpoint: EndpointOptions, server?: string): string[] {
  try {
    plan(endpoint, server)
    return []
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    return error.problems.map(({ path }) => path)
  }
}

describe('the endpoint of agent http', () => {
  it('is any host without flags, and has no policy', () => {
    const { url, pooling, policy, labels } = bindOf({})
    assert.deepEqual(
      { url, pooling, policy, labels },
      { url: '', pooling: false, policy: undefined, labels: undefined },
    )
  })

  it('asks for certificates of visitors with --mutual-tls-cas, by the authorities in the file', () => {
    const block = (text: string): string => `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----`
    const { policy } = bindOf({ mutualTlsCas: `Partners\n${block('MIIB')}\n\nOthers: ${block('MIIC')}\n` })
    const config = { mutual_tls_certificate_authorities: [block('MIIB'), block('MIIC')] }
    const actions = [{ type: 'terminate-tls', config }]
    assert.deepEqual(policy, { on_tcp_connect: [{ actions }], on_http_request: [], on_http_response: [] })
    const path = ['on_tcp_connect', 0, 'actions', 0, 'config', 'mutual_tls_certificate_authorities', 0]
    assert.equal(flagAt(policy, path), '--mutual-tls-cas')
    for (const mutualTlsCas of ['', 'no certificate', block('A'.repeat(50_000))]) {
      assert.deepEqual(problemsOf({ mutualTlsCas }), ['--mutual-tls-cas'])
    }
    const trafficPolicy = { text: 'on_http_request: []', source: 'policy.yaml' }
    assert.deepEqual(problemsOf({ mutualTlsCas: block('MIIB'), trafficPolicy }), ['--mutual-tls-cas'])
  })

  it('has the address as it was written, without needless parts of a URL', () => {
    const written: [EndpointOptions, string][] = [
      [{ url: 'https://Name.example.com/' }, 'https://name.example.com'],
      [{ url: 'https://name.example.com:443' }, 'https://name.example.com'],
      [{ url: 'http://name.localhost:8080' }, 'http://name.localhost:8080'],
      [{ url: 'name.example.com' }, 'name.example.com'],
      [{ domain: 'name.example.com' }, 'name.example.com'],
    ]
    for (const [options, url] of written) assert.equal(bindOf(options)['url'], url)
    for (const url of [
      '',
      'https://',
      'ftp://x',
      'https://x/path',
      'https://x?y',
      'https://u@x',
      'https://*.x',
      'a b',
    ]) {
      assert.deepEqual(problemsOf({ url }), ['--url'], url)
    }
    for (const domain of ['', 'a b', 'https://x', '*.x']) assert.deepEqual(problemsOf({ domain }), ['--domain'], domain)
    assert.deepEqual(problemsOf({ url: 'https://x', domain: 'x' }), ['--domain'])
    assert.deepEqual(problemsOf({ hostname: '*.x' }), ['--hostname'])
    assert.deepEqual(problemsOf({ hostname: 'x', domain: 'y' }), ['--hostname'])
  })

  it('makes a policy of a route from the flags, restrictions first', () => {
    const { policy } = bindOf({
      ...SIGN_IN,
      oidcScopes: ['groups'],
      oidcAllowEmails: ['ada@example.com'],
      oidcAllowDomains: ['example.com'],
      oidcAllowGroups: ['staff'],
      oidcGroupClaim: 'roles',
      oidcIdTokenAlg: 'HS256',
      cidrAllow: ['10.0.0.0/8'],
      cidrDeny: ['10.1.0.0/16'],
      requestHeaderAdd: ['X-A: b: c', 'X-Empty:'],
      requestHeaderRemove: ['X-B'],
      responseHeaderAdd: ['X-C:d '],
      compression: true,
    })
    const allow = {
      emails: ['ada@example.com'],
      domains: ['example.com'],
      groups: { claim: 'roles', any_of: ['staff'] },
    }
    const { oidc: issuer_url, oidcClientId: client_id, oidcClientSecret: client_secret } = SIGN_IN
    const config = { issuer_url, client_id, client_secret, scopes: ['openid', 'groups'], id_token_alg: 'HS256', allow }
    assert.deepEqual(policy, {
      on_http_request: [
        {
          actions: [
            { type: 'restrict-ips', config: { allow: ['10.0.0.0/8'], deny: ['10.1.0.0/16'] } },
            { type: 'openid-connect', config },
            { type: 'remove-headers', config: { headers: ['X-B'] } },
            { type: 'set-headers', config: { headers: { 'X-A': 'b: c', 'X-Empty': '' } } },
          ],
        },
      ],
      on_http_response: [
        {
          actions: [
            { type: 'set-headers', config: { headers: { 'X-C': 'd' } } },
            { type: 'compress-response', config: {} },
          ],
        },
      ],
    })
  })

  it('has visitors sign in at a provider by its name, for the chosen time (traffic policy, flags)', () => {
    const oauth: EndpointOptions = {
      oauth: 'microsoft',
      oauthClientId: 'x',
      oauthClientSecret: 'hush',
      oauthTenant: 't',
      oauthScopes: ['files'],
      oauthAllowEmails: ['ada@example.com'],
      oauthAllowDomains: ['example.com'],
      maxSessionDuration: '8h',
      idleSessionDuration: '30m',
      forceReauthentication: true,
    }
    const actionsOf = (endpoint: EndpointOptions) =>
      (bindOf(endpoint).policy as { on_http_request: [{ actions: unknown[] }] }).on_http_request[0].actions // of flags
    const session = { max_session_duration: '8h', force_reauthentication: true }
    const config = {
      provider: 'microsoft',
      client_id: 'x',
      client_secret: 'hush',
      tenant: 't',
      scopes: ['files'],
      email_addresses: ['ada@example.com'],
      email_domains: ['example.com'],
      ...session,
      idle_session_timeout: '30m',
    }
    assert.deepEqual(actionsOf(oauth), [{ type: 'oauth', config }])
    assert.deepEqual(actionsOf({ oauth: 'google' }), [{ type: 'oauth', config: { provider: 'google' } }])
    const { maxSessionDuration, idleSessionDuration, forceReauthentication } = oauth
    const [oidc] = actionsOf({ ...SIGN_IN, maxSessionDuration, idleSessionDuration, forceReauthentication })
    const { oidc: issuer_url, oidcClientId: client_id, oidcClientSecret: client_secret } = SIGN_IN
    assert.deepEqual(oidc, {
      type: 'openid-connect',
      config: { issuer_url, client_id, client_secret, ...session, idle_session_duration: '30m' },
    })

    const { policy } = bindOf(oauth)
    for (const [key, flag] of Object.entries({
      provider: '--oauth',
      client_id: '--oauth-client-id',
      client_secret: '--oauth-client-secret',
      tenant: '--oauth-tenant',
      email_domains: '--oauth-allow-domain',
      idle_session_timeout: '--idle-session-duration',
      max_session_duration: '--max-session-duration',
      force_reauthentication: '--force-reauthentication',
    })) {
      assert.equal(flagAt(policy, ['on_http_request', 0, 'actions', 0, 'config', key]), flag)
    }
    assert.equal(
      plan(oauth).tunnels[0]?.endpoint?.visitors,
      'sign-in at microsoft (only @example.com, ada@example.com)',
    )

    assert.deepEqual(problemsOf({ ...SIGN_IN, oauth: 'google' }), ['--oauth'])
    assert.deepEqual(problemsOf({ oauth: 'google', basicAuth: ['ada:correct horse'] }), ['--basic-auth'])
    assert.deepEqual(problemsOf({ oauth: 'google', verifyWebhook: 'github', verifyWebhookSecret: 's' }), [
      '--verify-webhook',
    ])
    assert.deepEqual(problemsOf({ oauthClientId: 'x', oauthAllowDomains: ['a.example'], maxSessionDuration: '8h' }), [
      '--max-session-duration',
      '--oauth-client-id',
      '--oauth-allow-domain',
    ])
    assert.deepEqual(problemsOf(oauth, 'http://relay.example.com'), ['--oauth-client-secret'])
    const trafficPolicy = { text: 'on_http_request: []', source: 'policy.yaml' }
    assert.deepEqual(problemsOf({ oauth: 'google', idleSessionDuration: '1h', trafficPolicy }), [
      '--oauth',
      '--idle-session-duration',
    ])
  })

  it('lets visitors pass by their User-Agent', () => {
    const flags = { uaFilterAllow: ['^curl/', 'a"b\\d'], uaFilterDeny: ['(?i)bot'], cidrAllow: ['10.0.0.0/8'] }
    const { policy } = bindOf(flags)
    const deny = [{ type: 'deny', config: {} }]
    const allowed = String.raw`!(req.user_agent.matches("^curl/") || req.user_agent.matches("a\"b\\d"))`
    assert.deepEqual(Object(policy).on_http_request, [
      { name: '--ua-filter-allow', expressions: [allowed], actions: deny },
      { name: '--ua-filter-deny', expressions: ['req.user_agent.matches("(?i)bot")'], actions: deny },
      { actions: [{ type: 'restrict-ips', config: { allow: ['10.0.0.0/8'] } }] },
    ])
    assert.equal(flagAt(policy, ['on_http_request', 0, 'expressions', 0]), '--ua-filter-allow')
    assert.equal(flagAt(policy, ['on_http_request', 1, 'expressions', 0]), '--ua-filter-deny')
    const trafficPolicy = { text: 'on_http_request: []', source: 'policy.yaml' }
    assert.deepEqual(problemsOf({ ...flags, trafficPolicy }), ['--cidr-allow', '--ua-filter-allow', '--ua-filter-deny'])
  })

  it('sends the secrets of agent.yml only with a policy that reads secrets', () => {
    const secrets = { shop: { token: '${TOKEN}', other: 'o' } }
    const planWith = (endpoint: EndpointOptions, more: object = {}): ReturnType<typeof planAgent> =>
      planAgent({
        server: 'https://relay.example.com',
        authtoken: 'sp_x',
        tunnels: [{ upstream: '3000', endpoint }],
        environment: { TOKEN: 'hush' },
        secrets,
        ...more,
      })
    const secretsOf = (endpoint: EndpointOptions): unknown => {
      const [tunnel] = planWith(endpoint).tunnels
      assert.ok(tunnel && !inspect(tunnel, { depth: 9 }).includes('hush'))
      const bind: Record<string, unknown> = bindMessage(1, tunnel)
      return Object(bind['policy']).secrets
    }
    const reads: EndpointOptions = { requestHeaderAdd: ["X-A: ${secrets.get('shop', 'token')}"] }
    const all = [['shop', 'token', 'hush'], ['shop', 'other', 'o']] // prettier-ignore
    assert.deepEqual(secretsOf(reads), all)
    assert.deepEqual(
      secretsOf({ verifyWebhook: 'github', verifyWebhookSecret: "${secrets.get('shop', 'token')}" }),
      all,
    )
    assert.equal(secretsOf({ requestHeaderAdd: ['X-A: a'] }), undefined)
    const told = (more: object): string[] => {
      try {
        planWith(reads, more)
        return []
      } catch (error) {
        assert.ok(error instanceof ConfigError && !error.message.includes('hush'))
        return error.problems.map(({ path, message }) => `${path}: ${message}`)
      }
    }
    assert.match(told({ environment: {} }).join(), /^secrets\.shop\.token: The environment variable TOKEN is not set/)
    assert.match(told({ environment: { TOKEN: 'hush\n' } }).join(), /^secrets\.shop\.token: There is a line end/)
    assert.match(told({ server: 'http://relay.example.com' }).join(), /^secrets: .* is not encrypted/)
    assert.match(told({ secrets: { v: { n: 'x'.repeat(49_000) } } }).join(), /^secrets: .*larger than 49152 bytes/)
    const many = Object.fromEntries(Array.from({ length: 257 }, (_, index) => [`n${index}`, 'x']))
    assert.match(told({ secrets: { v: many } }).join(), /^secrets: A relay takes 256 secrets/)
  })

  it('asks for passwords instead of a sign-in, never for both', () => {
    const { policy } = bindOf({ basicAuth: ['ada:lovelace1815', 'bob:$scrypt$x'] })
    const config = { credentials: ['ada:lovelace1815', 'bob:$scrypt$x'] }
    assert.deepEqual(policy, {
      on_http_request: [{ actions: [{ type: 'basic-auth', config }] }],
      on_http_response: [],
    })
    assert.deepEqual(problemsOf({ ...SIGN_IN, basicAuth: ['ada:lovelace1815'] }), ['--basic-auth'])
    for (const basicAuth of [['ada'], [':x'], ['ada:']]) assert.deepEqual(problemsOf({ basicAuth }), ['--basic-auth'])
    assert.equal(JSON.stringify(plan({ basicAuth: ['ada:lovelace1815'] }).tunnels).includes('lovelace'), false)
    assert.deepEqual(problemsOf({ basicAuth: ['ada:lovelace1815'] }, 'http://relay.example.com'), ['--basic-auth'])
  })

  it('lets only signed webhooks pass, and gives a failing app a pause (traffic policy, flags)', () => {
    const verifyWebhook = { verifyWebhook: 'github', verifyWebhookSecret: 'hush' }
    const config = { provider: 'github', secret: 'hush' }
    assert.deepEqual(bindOf({ ...verifyWebhook, cidrAllow: ['10.0.0.0/8'], circuitBreaker: '.5' }).policy, {
      on_http_request: [
        {
          actions: [
            { type: 'restrict-ips', config: { allow: ['10.0.0.0/8'] } },
            { type: 'verify-webhook', config },
            { type: 'circuit-breaker', config: { error_threshold: 0.5 } },
          ],
        },
      ],
      on_http_response: [],
    })
    assert.equal(JSON.stringify(plan(verifyWebhook).tunnels).includes('hush'), false)
    assert.deepEqual(problemsOf({ verifyWebhook: 'github' }), ['--verify-webhook-secret'])
    assert.deepEqual(problemsOf({ verifyWebhookSecret: 'hush' }), ['--verify-webhook-secret'])
    assert.deepEqual(problemsOf(verifyWebhook, 'http://relay.example.com'), ['--verify-webhook-secret'])
    assert.deepEqual(problemsOf({ ...SIGN_IN, ...verifyWebhook }), ['--verify-webhook'])
    assert.deepEqual(problemsOf({ basicAuth: ['ada:lovelace1815'], ...verifyWebhook }), ['--verify-webhook'])
    for (const circuitBreaker of ['1.1', '-0.1', '50%', '', 'yes', '0x1', '1e0']) {
      assert.deepEqual(problemsOf({ circuitBreaker }), ['--circuit-breaker'], circuitBreaker)
    }
    for (const circuitBreaker of ['0', '1', '0.75']) assert.deepEqual(problemsOf({ circuitBreaker }), [])
  })

  it('S7: takes no hash that the relay would refuse', () => {
    const hash = (ln: number): string => `$scrypt$ln=${ln},r=8,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`
    assert.deepEqual(problemsOf({ basicAuth: [`ada:${hash(15)}`, `bob:${hash(15)}`, 'ada:lovelace1815'] }), [])
    assert.deepEqual(problemsOf({ basicAuth: [`ada:${hash(17)}`] }), ['--basic-auth'])
    assert.deepEqual(problemsOf({ basicAuth: [`ada:${hash(15)}`, `ada:${hash(15)}`] }), ['--basic-auth'])
  })

  it('keeps its secret out of printed output', () => {
    assert.equal(JSON.stringify(plan(SIGN_IN).tunnels).includes('hush'), false)
  })

  it('sends a secret to no relay in clear, except on this machine', () => {
    assert.deepEqual(problemsOf(SIGN_IN, 'http://relay.example.com'), ['--oidc-client-secret'])
    assert.deepEqual(problemsOf(SIGN_IN, 'http://localhost:8080'), [])
    assert.deepEqual(problemsOf({ ...SIGN_IN, oidcClientSecret: undefined }, 'http://relay.example.com'), [])
  })

  it('says which flag needs another one, all at once', () => {
    assert.deepEqual(problemsOf({ oidcClientSecret: 'x', oidcScopes: ['a'], oidcAllowEmails: ['a@b'] }), [
      '--oidc-client-secret',
      '--oidc-scope',
      '--oidc-allow-email',
    ])
    assert.deepEqual(problemsOf({ oidcGroupClaim: 'a', oidcIdTokenAlg: 'HS256' }), [
      '--oidc-group-claim',
      '--oidc-id-token-alg',
    ])
    assert.deepEqual(problemsOf({ ...SIGN_IN, oidcGroupClaim: 'roles' }), ['--oidc-group-claim'])
    const further = { requestHeaderAdd: ['nonsense', 'X-A: 1', 'X-A: 2'], responseHeaderAdd: [': x'] }
    assert.deepEqual(problemsOf({ oidc: 'login.example.com', ...further }), [
      '--oidc',
      '--oidc-client-id',
      '--request-header-add',
      '--request-header-add',
      '--response-header-add',
    ])
  })

  it('finds the flag for every place in the policy that the relay may complain about', () => {
    const { policy } = bindOf({
      ...SIGN_IN,
      cidrAllow: ['x'],
      requestHeaderAdd: ['Host: x'],
      responseHeaderRemove: ['y'],
    })
    const at = (...path: (string | number)[]): string => flagAt(policy, path)
    const step = (index: number, ...keys: (string | number)[]): string =>
      at('on_http_request', 0, 'actions', index, 'config', ...keys)
    assert.equal(step(0, 'allow', 0), '--cidr-allow')
    assert.equal(step(0, 'deny'), '--cidr-deny')
    assert.equal(step(1, 'issuer_url'), '--oidc')
    assert.equal(step(1, 'client_id'), '--oidc-client-id')
    assert.equal(step(1, 'allow', 'emails', 3), '--oidc-allow-email')
    assert.equal(step(1, 'allow', 'groups', 'claim'), '--oidc-group-claim')
    assert.equal(step(1, 'id_token_alg'), '--oidc-id-token-alg')
    assert.equal(step(1), '--oidc')
    assert.equal(step(2, 'headers', 'Host'), '--request-header-add')
    assert.equal(at('on_http_response', 0, 'actions', 0, 'config', 'headers', 0), '--response-header-remove')
    // The relay's answer may not contain a valid place.
    assert.equal(at(), 'policy')
    assert.equal(at('__proto__', 0, 'actions', 0), '__proto__.0.actions.0')
    assert.equal(at('on_http_request', 7, 'actions', 0, 'config'), 'on_http_request.7.actions.0.config')
    assert.equal(flagAt(undefined, ['on_http_request', 0]), 'on_http_request.0')
  })
})
