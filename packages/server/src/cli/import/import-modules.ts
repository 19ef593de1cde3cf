// The modules of one of ngrok's routes become a policy, in the order in which ngrok ran them: addresses, user agents, sign-in,
// tokens, webhooks, the circuit breaker, a traffic policy, headers, compression. A module that decides who may pass and cannot be
// taken over closes the route: nothing that was protected may be open after the move. Pure.

import { ConfigError } from '@sallyport/protocol/config-error'
import { YamlFile } from '@sallyport/protocol/yaml-file'

import { child } from '../../values/written-tree.ts'
import { refusedAction } from '../../model/schema/refusals.ts'
import { importHeaders } from './import-headers.ts'
import type { Phase, PolicyImport } from './policy-import.ts'
import type { Written } from './written.ts'

/** @param near the route, for comments */
export function importModules(route: Written, into: PolicyImport, near: object): void {
  restrictIps(route.module('ip_restriction'), into)
  filterUserAgents(route.module('user_agent_filter'), into)
  openidConnect(route.module('oidc'), into)
  oauth(route.module('oauth'), into)
  const saml = route.module('saml')
  if (saml) into.close(saml, refusedAction({ type: 'saml' }) ?? '')
  validateTokens(route.module('jwt_validation'), into)
  verifyWebhooks(route.module('webhook_verification'), into)
  breakCircuits(route.module('circuit_breaker'), into, near)
  for (const name of ['policy', 'traffic_policy']) trafficPolicy(route.module(name), into, near)
  importHeaders(route.module('request_headers'), 'on_http_request', into, near)
  importHeaders(route.module('response_headers'), 'on_http_response', into, near)
  const compression = route.module('compression')
  if (compression) into.offer(compression, { actions: [{ type: 'compress-response' }] }, 'on_http_response', near)
  const converter = route.module('websocket_tcp_converter')
  if (converter) into.notes.leaveOut(converter, 'the app gets the WebSockets as they are, not the bytes in them', near)
}

function restrictIps(module: Written | undefined, into: PolicyImport): void {
  if (!module) return
  const ids = module.at('ip_policies').entries.flatMap((policy) => policy.text ?? policy.at('id').text ?? [])
  const { ipPolicies, ipPolicyProblems } = into.account
  const [problem] = ids.flatMap((id) => ipPolicyProblems.get(id) ?? [])
  if (problem !== undefined) return into.close(module, problem)
  const unknown = ids.filter((id) => !ipPolicies.has(id))
  if (unknown.length > 0 || ids.length === 0) {
    const names = unknown.length > 0 ? `${unknown.join(', ')} is not in these files` : 'it names no IP policy'
    return into.close(module, `${names}; add the answer of ngrok’s API at /ip_policy_rules, or write restrict-ips`)
  }
  if (!ids.some((id) => ipPolicies.get(id)?.allow)) return into.close(module, ALLOWS_NOBODY)
  into.guard(module, { actions: [{ type: 'restrict-ips', config: { ip_policies: ids } }] })
}

const ALLOWS_NOBODY = 'none of its IP policies allows anything, so nobody passed at ngrok'

/** Whether a rule has a `restrict-ips` with IP policies that only deny: here, all other addresses would pass. */
function allowsNobody(rule: unknown, { account }: PolicyImport): boolean {
  const actions = child(rule, 'actions')
  if (!Array.isArray(actions)) return false
  return actions.some((action: unknown) => {
    const config = child(action, 'config')
    const ids = child(config, 'ip_policies')
    if (child(action, 'type') !== 'restrict-ips' || child(config, 'allow') !== undefined || !Array.isArray(ids))
      return false
    const policies = ids.map((id) => account.ipPolicies.get(String(id)))
    return policies.every((policy) => policy && !policy.allow)
  })
}

/** At ngrok a request passes if no pattern of `deny` matches, and `allow` is empty or has one that matches. */
function filterUserAgents(module: Written | undefined, into: PolicyImport): void {
  const patterns = (key: string): string[] =>
    module?.at(key).texts.map((pattern) => `req.user_agent.matches(${JSON.stringify(pattern)})`) ?? []
  const [allowed, denied] = [patterns('allow'), patterns('deny')]
  for (const expression of [...(allowed.length > 0 ? [`!(${allowed.join(' || ')})`] : []), ...denied]) {
    const message = 'relay.yml would read the ${ in its pattern as a variable; write it as a condition of your own'
    if (expression.includes('${')) into.close(module!, message) // it has patterns
    else into.guard(module!, { expressions: [expression], actions: [{ type: 'deny' }] })
  }
}

function openidConnect(module: Written | undefined, into: PolicyImport): void {
  if (!module) return
  const [issuer = '', client = ''] = [module.at('issuer').text, module.at('client_id').text]
  const scopes = module.at('scopes').texts
  const config = {
    issuer_url: issuer,
    client_id: client,
    client_secret: into.notes.fillIn('OIDC_CLIENT_SECRET', `the secret of the client ${client} at ${issuer}`),
    ...(scopes.length > 0 && { scopes: [...new Set(['openid', ...scopes])] }),
    ...sessionOf(module, 'idle_session_duration'),
  }
  const rule = { actions: [{ type: 'openid-connect', config }] }
  into.guard(module, rule)
  noteCookiePrefix(module, into, rule)
}

function oauth(module: Written | undefined, into: PolicyImport): void {
  if (!module) return
  const providers = module.at('provider')
  const name = providers.keys.find((key) => providers.at(key).isObject)
  if (name === undefined) return into.close(module, 'it names no provider')
  const provider = providers.at(name)
  const client = provider.at('client_id').text
  const refusal = client === undefined ? ownApp(name) : peopleLeftOut(provider)
  if (refusal !== undefined) return into.close(module, refusal)
  const people = (key: string): object => (provider.at(key).texts.length > 0 ? { [key]: provider.at(key).texts } : {})
  const config = {
    provider: name,
    ...(name === 'microsoft' && {
      tenant: into.notes.fillIn('MICROSOFT_TENANT', 'the id of your Microsoft tenant, which ngrok did not ask for'),
    }),
    client_id: client,
    client_secret: into.notes.fillIn('OAUTH_CLIENT_SECRET', `the secret of the client ${client} at ${name}`),
    ...people('scopes'),
    ...people('email_addresses'),
    ...people('email_domains'),
    ...sessionOf(module, 'idle_session_timeout'),
  }
  const rule = { actions: [{ type: 'oauth', config }] }
  into.guard(module, rule)
  noteCookiePrefix(module, into, rule)
}

function ownApp(name: string): string {
  return `ngrok’s own app at ${name} cannot be used here; register a client there, with the redirect URI that relay oidc redirect-uri prints`
}

/** Without its rules about groups, the sign-in would let in every account of the provider. */
function peopleLeftOut(provider: Written): string | undefined {
  const rule = ['groups', 'teams', 'organizations'].find((key) => provider.at(key).texts.length > 0)
  return (
    rule &&
    `its ${rule} are not among the claims of the provider at the sign-in; write openid-connect with an allow of your own`
  )
}

function sessionOf(module: Written, idle: string): object {
  const seconds = (key: string, name: string): object => {
    const count = module.at(name).number
    return count === undefined || count === 0 ? {} : { [key]: `${count}s` }
  }
  return {
    ...seconds('max_session_duration', 'maximum_duration'),
    ...seconds(idle, 'inactivity_timeout'),
    ...seconds('userinfo_refresh_interval', 'auth_check_interval'),
    ...(module.at('options_passthrough').value === true && { allow_cors_preflight: true }),
  }
}

function noteCookiePrefix(module: Written, into: PolicyImport, near: object): void {
  const prefix = module.at('cookie_prefix')
  if (prefix.text === undefined || prefix.text === 'ngrok.') return
  into.notes.leaveOut(prefix, 'the relay names its cookies itself', near)
}

function validateTokens(module: Written | undefined, into: PolicyImport): void {
  if (!module) return
  const keys = ['issuer', 'audience', 'http', 'jws'].filter((key) => module.at(key).isObject)
  const config = Object.fromEntries(keys.map((key) => [key, module.at(key).value]))
  into.guard(module, { actions: [{ type: 'jwt-validation', config }] })
}

function verifyWebhooks(module: Written | undefined, into: PolicyImport): void {
  if (!module) return
  const provider = module.at('provider').text?.toLowerCase() ?? ''
  const secret = into.notes.fillIn(
    'WEBHOOK_SECRET',
    `the secret with which ${provider} signs webhooks, of ${module.path}`,
  )
  into.guard(module, { actions: [{ type: 'verify-webhook', config: { provider, secret } }] })
}

function breakCircuits(module: Written | undefined, into: PolicyImport, near: object): void {
  if (!module) return
  const seconds = (key: string, name: string): object =>
    module.at(name).number === undefined ? {} : { [key]: `${module.at(name).number}s` }
  const volume = module.at('volume_threshold').number
  const config = {
    error_threshold: module.at('error_threshold_percentage').number ?? 0.5,
    ...(volume !== undefined && { volume_threshold: volume }),
    ...seconds('window_duration', 'rolling_window'),
    ...seconds('tripped_duration', 'tripped_duration'),
  }
  into.offer(module, { actions: [{ type: 'circuit-breaker', config }] }, 'on_http_request', near)
}

const PHASES: Readonly<Record<string, Phase>> = {
  inbound: 'on_http_request',
  outbound: 'on_http_response',
  on_http_request: 'on_http_request',
  on_http_response: 'on_http_response',
}

/** A text in YAML or JSON, or, in older answers, an object. */
function trafficPolicy(module: Written | undefined, into: PolicyImport, near: object): void {
  if (!module) return
  try {
    const value = module.at('value').text
    const policy: unknown = value === undefined ? module.value : new YamlFile(value, 'the policy').tree
    if (typeof policy !== 'object' || policy === null) return into.close(module, 'it is not a policy')
    for (const [key, rules] of Object.entries(policy)) {
      if (key !== 'enabled' || rules === false) phaseOf(module, key, rules, into, near)
    }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    into.close(module, error.message)
  }
}

function phaseOf(module: Written, key: string, rules: unknown, into: PolicyImport, near: object): void {
  const phase = PHASES[key]
  if (!phase || !Array.isArray(rules)) return into.close(module, `${key} cannot be taken over`)
  for (const [index, rule] of rules.entries()) {
    if (allowsNobody(rule, into)) {
      into.close(module, `${key}[${index}]: ${ALLOWS_NOBODY}`)
      continue
    }
    const problem = into.add(phase, rule)
    if (problem === undefined) continue
    const message = `${key}[${index}]: ${problem}`
    if (phase === 'on_http_response') into.notes.leaveOut(module, message, near)
    else into.close(module, message)
  }
}
