// Turns the flags of `agent http` into a policy, in the form of a route's in relay.yml, and a place in the policy back
// into its flag. Pure: no I/O, no clock. The relay checks every value; this file finds only problems of the flags themselves.

import { POLICY_MAX_BYTES, Secret } from '@sallyport/protocol'
import type { ConfigProblem } from '@sallyport/protocol/config-error'

import type { HttpPolicyOptions } from './agent-options.ts'
import { flagText } from './flag-text.ts'
import { listAs, signIn } from './sign-in-policy.ts'

/** Steps of a policy; their `config` is JSON, except for the Secret in it. */
export interface HttpPolicy {
  readonly on_tcp_connect?: readonly PolicyRule[]
  readonly on_http_request: readonly PolicyRule[]
  readonly on_http_response: readonly PolicyRule[]
}

interface PolicyRule {
  readonly name?: string
  readonly expressions?: readonly string[]
  readonly actions: readonly PolicyAction[]
}

const HASH_COST_MAX = 15 // the logarithm of scrypt's rounds: the most that the relay takes from an agent

export interface PolicyAction {
  readonly type: string
  readonly config: Record<string, unknown>
}

/** The policy that the flags ask for, or undefined if they ask for nothing. */
export function planHttpPolicy(options: HttpPolicyOptions, problems: ConfigProblem[]): HttpPolicy | undefined {
  const onRequest: PolicyAction[] = [
    ...restrictIps(options),
    ...signIn(options, problems),
    ...basicAuth(options, problems),
    ...verifyWebhook(options, problems),
    ...circuitBreaker(options, problems),
    ...editHeaders('request', options.requestHeaderAdd, options.requestHeaderRemove, problems),
  ]
  const onResponse = [
    ...editHeaders('response', options.responseHeaderAdd, options.responseHeaderRemove, problems),
    ...compress(options),
  ]
  const onConnect = terminateTls(options, problems)
  const filters = filterUserAgents(options)
  if (filters.length + onConnect.length + onRequest.length + onResponse.length === 0) return undefined
  return {
    ...(onConnect.length > 0 && { on_tcp_connect: ruleOf(onConnect) }),
    on_http_request: [...filters, ...ruleOf(onRequest)],
    on_http_response: ruleOf(onResponse),
  }
}

/** The policy as it goes over the wire, secrets and all. */
export function revealPolicy(value: unknown): unknown {
  if (value instanceof Secret) return value.reveal()
  if (Array.isArray(value)) return value.map(revealPolicy)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, revealPolicy(each)]))
}

/** The flag that a place in the policy came from; the place itself if it came from none. */
export function flagAt(policy: unknown, path: readonly (string | number)[]): string {
  const [phase, rule, part, index, , ...keys] = path
  const action = isPolicy(policy) && at(at(phase === undefined ? undefined : policy[phase], rule, 'actions'), index)
  const name = part === 'expressions' && isPolicy(policy) && phase !== undefined && at(policy[phase], rule, 'name')
  if (typeof name === 'string') return name // the rule of a flag has its name
  const type = typeof action === 'object' && action !== null && 'type' in action ? String(action.type) : ''
  const place = `${PHASES.get(phase) ?? 'request'} ${type} ${keys.filter((key) => typeof key === 'string').join('.')}`
  const flag = FLAGS.find(([start]) => place.startsWith(start))?.[1]
  return flag ?? (path.length > 0 ? path.join('.') : 'policy')
}

/** The flags with which a person asks for a policy. */
export function flagsGiven(options: HttpPolicyOptions): string[] {
  return OPTIONS.flatMap(([name, flag]) => {
    const value = options[name]
    return value === undefined || value === false || (Array.isArray(value) && value.length === 0) ? [] : [flag]
  })
}

const PHASES: ReadonlyMap<unknown, string> = new Map([
  ['on_tcp_connect', 'connection'],
  ['on_http_response', 'response'],
])

const OPTIONS: readonly (readonly [name: keyof HttpPolicyOptions, flag: string])[] = [
  ['oidc', '--oidc'],
  ['oidcClientId', '--oidc-client-id'],
  ['oidcClientSecret', '--oidc-client-secret'],
  ['oidcScopes', '--oidc-scope'],
  ['oidcAllowEmails', '--oidc-allow-email'],
  ['oidcAllowDomains', '--oidc-allow-domain'],
  ['oidcAllowGroups', '--oidc-allow-group'],
  ['oidcGroupClaim', '--oidc-group-claim'],
  ['oidcIdTokenAlg', '--oidc-id-token-alg'],
  ['oauth', '--oauth'],
  ['oauthClientId', '--oauth-client-id'],
  ['oauthClientSecret', '--oauth-client-secret'],
  ['oauthTenant', '--oauth-tenant'],
  ['oauthScopes', '--oauth-scope'],
  ['oauthAllowEmails', '--oauth-allow-email'],
  ['oauthAllowDomains', '--oauth-allow-domain'],
  ['maxSessionDuration', '--max-session-duration'],
  ['idleSessionDuration', '--idle-session-duration'],
  ['forceReauthentication', '--force-reauthentication'],
  ['basicAuth', '--basic-auth'],
  ['mutualTlsCas', '--mutual-tls-cas'],
  ['cidrAllow', '--cidr-allow'],
  ['cidrDeny', '--cidr-deny'],
  ['uaFilterAllow', '--ua-filter-allow'],
  ['uaFilterDeny', '--ua-filter-deny'],
  ['verifyWebhook', '--verify-webhook'],
  ['verifyWebhookSecret', '--verify-webhook-secret'],
  ['circuitBreaker', '--circuit-breaker'],
  ['requestHeaderAdd', '--request-header-add'],
  ['requestHeaderRemove', '--request-header-remove'],
  ['responseHeaderAdd', '--response-header-add'],
  ['responseHeaderRemove', '--response-header-remove'],
  ['compression', '--compression'],
]

// The longest matching start comes first.
const FLAGS: readonly (readonly [start: string, flag: string])[] = [
  ['connection terminate-tls', '--mutual-tls-cas'],
  ['request openid-connect client_id', '--oidc-client-id'],
  ['request openid-connect client_secret', '--oidc-client-secret'],
  ['request openid-connect scopes', '--oidc-scope'],
  ['request openid-connect allow.emails', '--oidc-allow-email'],
  ['request openid-connect allow.domains', '--oidc-allow-domain'],
  ['request openid-connect allow.groups.claim', '--oidc-group-claim'],
  ['request openid-connect allow.groups', '--oidc-allow-group'],
  ['request openid-connect id_token_alg', '--oidc-id-token-alg'],
  ['request openid-connect max_session_duration', '--max-session-duration'],
  ['request openid-connect idle_session_duration', '--idle-session-duration'],
  ['request openid-connect force_reauthentication', '--force-reauthentication'],
  ['request openid-connect', '--oidc'],
  ['request oauth client_id', '--oauth-client-id'],
  ['request oauth client_secret', '--oauth-client-secret'],
  ['request oauth tenant', '--oauth-tenant'],
  ['request oauth scopes', '--oauth-scope'],
  ['request oauth email_addresses', '--oauth-allow-email'],
  ['request oauth email_domains', '--oauth-allow-domain'],
  ['request oauth max_session_duration', '--max-session-duration'],
  ['request oauth idle_session_timeout', '--idle-session-duration'],
  ['request oauth force_reauthentication', '--force-reauthentication'],
  ['request oauth', '--oauth'],
  ['request basic-auth', '--basic-auth'],
  ['request restrict-ips deny', '--cidr-deny'],
  ['request restrict-ips', '--cidr-allow'],
  ['request verify-webhook secret', '--verify-webhook-secret'],
  ['request verify-webhook', '--verify-webhook'],
  ['request circuit-breaker', '--circuit-breaker'],
  ['request set-headers', '--request-header-add'],
  ['request remove-headers', '--request-header-remove'],
  ['response set-headers', '--response-header-add'],
  ['response remove-headers', '--response-header-remove'],
  ['response compress-response', '--compression'],
]

function terminateTls({ mutualTlsCas: pem }: HttpPolicyOptions, problems: ConfigProblem[]): PolicyAction[] {
  if (pem === undefined) return []
  // Files of authorities often have explanations between the certificates.
  const authorities = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []
  const bytes = Buffer.byteLength(authorities.join(''))
  if (authorities.length === 0 || bytes > POLICY_MAX_BYTES) {
    const message =
      bytes === 0
        ? 'Name a PEM file with the certificate of the authority that signs your visitors’ certificates.'
        : `The file has ${authorities.length} authorities, which is more than a relay takes. Keep those that sign for your visitors.`
    problems.push({ path: '--mutual-tls-cas', message })
  }
  return [{ type: 'terminate-tls', config: { mutual_tls_certificate_authorities: authorities } }]
}

/** Each pattern is a literal of CEL; the relay checks that it is one of RE2. */
function filterUserAgents({ uaFilterAllow = [], uaFilterDeny = [] }: HttpPolicyOptions): PolicyRule[] {
  const matches = (patterns: readonly string[]): string =>
    patterns.map((pattern) => `req.user_agent.matches(${JSON.stringify(pattern)})`).join(' || ')
  const denyIf = (name: string, expression: string): PolicyRule => ({
    name,
    expressions: [expression],
    actions: [{ type: 'deny', config: {} }],
  })
  return [
    ...(uaFilterAllow.length > 0 ? [denyIf('--ua-filter-allow', `!(${matches(uaFilterAllow)})`)] : []),
    ...(uaFilterDeny.length > 0 ? [denyIf('--ua-filter-deny', matches(uaFilterDeny))] : []),
  ]
}

function restrictIps({ cidrAllow = [], cidrDeny = [] }: HttpPolicyOptions): PolicyAction[] {
  if (cidrAllow.length === 0 && cidrDeny.length === 0) return []
  const config = { ...listAs('allow', cidrAllow), ...listAs('deny', cidrDeny) }
  return [{ type: 'restrict-ips', config }]
}

function basicAuth(
  { basicAuth: written = [], oidc, oauth }: HttpPolicyOptions,
  problems: ConfigProblem[],
): PolicyAction[] {
  if (written.length === 0) return []
  const problem = (message: string): void => void problems.push({ path: '--basic-auth', message })
  const other = oidc ? '--oidc' : oauth ? '--oauth' : undefined
  if (other) problem(`Visitors would have to sign in and know a password as well; give either this or ${other}.`)
  // Never shown: it may be nearly right.
  if (written.some((each) => !/^[^:]+:./.test(each))) problem('Write user:password.')
  const hashes = written.flatMap((each) => {
    const [, user, cost] = /^([^:]+):\$scrypt\$ln=(\d+),/.exec(each) ?? []
    return user === undefined ? [] : [{ user, cost: Number(cost) }]
  })
  // The relay says so as well; this says it before anything is sent.
  if (hashes.some(({ cost }) => cost > HASH_COST_MAX)) {
    problem(`A hash takes the relay too long. Use what "relay hash-password" prints (ln=${HASH_COST_MAX}).`)
  }
  if (new Set(hashes.map(({ user }) => user)).size < hashes.length) problem('A user has two hashes; give one for each.')
  return [{ type: 'basic-auth', config: { credentials: written.map((each) => new Secret(flagText(each))) } }]
}

function verifyWebhook(options: HttpPolicyOptions, problems: ConfigProblem[]): PolicyAction[] {
  const { verifyWebhook: provider, verifyWebhookSecret: secret, oidc, oauth, basicAuth: passwords = [] } = options
  if (provider === undefined) {
    if (secret === undefined) return []
    const message = 'No webhook is verified without --verify-webhook, for example --verify-webhook github'
    problems.push({ path: '--verify-webhook-secret', message })
    return []
  }
  if (!secret) {
    const message = `Write the secret that ${provider} signs with, or set SALLYPORT_VERIFY_WEBHOOK_SECRET.`
    problems.push({ path: '--verify-webhook-secret', message })
    return []
  }
  if (oidc || oauth || passwords.length > 0) {
    const message =
      'Senders of webhooks neither sign in nor know a password; give either this or --oidc, --oauth and --basic-auth.'
    problems.push({ path: '--verify-webhook', message })
  }
  return [{ type: 'verify-webhook', config: { provider, secret: new Secret(flagText(secret)) } }]
}

function circuitBreaker({ circuitBreaker: written }: HttpPolicyOptions, problems: ConfigProblem[]): PolicyAction[] {
  if (written === undefined) return []
  const share = /^\d*\.?\d+$/.test(written) ? Number(written) : Number.NaN
  if (!(share >= 0 && share <= 1)) {
    const message = `"${written}" is not a share. Write the part of the answers that may be faulty, from 0 to 1, like 0.5.`
    problems.push({ path: '--circuit-breaker', message })
    return []
  }
  return [{ type: 'circuit-breaker', config: { error_threshold: share } }]
}

function* editHeaders(
  side: 'request' | 'response',
  added: readonly string[] = [],
  removed: readonly string[] = [],
  problems: ConfigProblem[],
): Iterable<PolicyAction> {
  if (removed.length > 0) yield { type: 'remove-headers', config: { headers: removed } }
  const headers = new Map<string, string>()
  for (const text of added) {
    const [, name, value] = /^([^:\s]+):\s*(.*?)\s*$/.exec(text) ?? []
    const path = `--${side}-header-add`
    if (name === undefined || value === undefined) {
      problems.push({ path, message: `"${text}" is not a header. Write it like "X-Environment: staging".` })
    } else if (headers.has(name)) problems.push({ path, message: `${name} is given twice.` })
    else headers.set(name, value)
  }
  if (headers.size > 0) yield { type: 'set-headers', config: { headers: Object.fromEntries(headers) } }
}

function compress({ compression }: HttpPolicyOptions): PolicyAction[] {
  return compression ? [{ type: 'compress-response', config: {} }] : []
}

function ruleOf(actions: readonly PolicyAction[]): { actions: readonly PolicyAction[] }[] {
  return actions.length > 0 ? [{ actions }] : []
}

function isPolicy(value: unknown): value is Record<PropertyKey, unknown> {
  return typeof value === 'object' && value !== null
}

function at(value: unknown, ...steps: (PropertyKey | undefined)[]): unknown {
  return steps.reduce<unknown>((each, step) => (isPolicy(each) && step !== undefined ? each[step] : undefined), value)
}
