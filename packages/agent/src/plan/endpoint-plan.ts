// The endpoint that `agent http` asks the relay for: its address, who else may serve it, and its policy. Pure: no I/O, no clock.

import { forwardedWords } from '@sallyport/protocol'
import { ConfigError } from '@sallyport/protocol/config-error'
import type { ConfigProblem } from '@sallyport/protocol/config-error'

import { flagAt, flagsGiven, planHttpPolicy } from './http-policy.ts'
import type { EndpointOptions } from './agent-options.ts'
import { readPolicyFile } from './policy-file.ts'
import { hasSecrets, withSecrets } from './policy-secrets.ts'
import type { SecretsPlace } from './policy-secrets.ts'
import type { RelayAddress } from './relay-address.ts'
import { ownVisitors } from './own-visitors.ts'

export interface EndpointPlan {
  /** As in `bind`: an origin, a host, or empty. */
  url: string
  pooling: boolean
  /**
   * The policy in the form that the relay takes, except that it contains each Secret as such; undefined if visitors
   * need nothing.
   */
  policy: unknown
  /** Names the text that a person has written for a place in the policy: a flag, or a line of the file. */
  placeOf: (path: readonly (string | number)[]) => string
  /** Describes for people who may visit. */
  visitors: string
}

export function planEndpoint(
  options: EndpointOptions,
  relay: RelayAddress | undefined,
  ofAgent: SecretsPlace,
  problems: ConfigProblem[],
): EndpointPlan {
  const {
    url,
    hostname,
    domain = hostname,
    pooling = false,
    oidc,
    oidcClientSecret,
    oauth,
    oauthClientSecret,
    basicAuth = [],
    verifyWebhookSecret,
  } = options
  const flag = hostname === undefined ? '--domain' : '--hostname'
  if ([url, options.domain, hostname].filter((one) => one !== undefined).length > 1) {
    problems.push({ path: flag, message: 'This is an older form of --url; give one of the two.' })
  }
  if (relay?.inClear) {
    const message = inClear(relay)
    if (oidc && oidcClientSecret) problems.push({ path: '--oidc-client-secret', message })
    if (oauth && oauthClientSecret) problems.push({ path: '--oauth-client-secret', message })
    if (basicAuth.length > 0) problems.push({ path: '--basic-auth', message })
    if (verifyWebhookSecret) problems.push({ path: '--verify-webhook-secret', message })
    if (options.trafficPolicy) problems.push({ path: options.trafficPolicy.source, message })
  }
  const address = url === undefined ? planDomain(flag, domain, problems) : planUrl(url, problems)
  const policy = planPolicy(options, relay, ofAgent, problems)
  const visitors = isInternal(address) ? forwardedWords(policy.visitors) : policy.visitors
  return { url: address, pooling, ...policy, visitors }
}

/** Whether the address is an internal endpoint, which visitors reach through policies alone. */
function isInternal(address: string): boolean {
  const host = URL.parse(address.includes('://') ? address : `https://${address}`)?.hostname
  return host?.endsWith('.internal') === true
}

function inClear({ url }: RelayAddress): string {
  return `${url} is not encrypted, so no secret is sent there. Use https:// in --server.`
}

type PolicyPlan = Pick<EndpointPlan, 'policy' | 'placeOf' | 'visitors'>

function planPolicy(
  options: EndpointOptions,
  relay: RelayAddress | undefined,
  ofAgent: SecretsPlace,
  problems: ConfigProblem[],
): PolicyPlan {
  const { trafficPolicy } = options
  if (!trafficPolicy) {
    const policy = withSecrets(planHttpPolicy(options, problems), ofAgent, problems)
    if (relay?.inClear && hasSecrets(policy)) problems.push({ path: 'secrets', message: inClear(relay) })
    return { policy, placeOf: (path) => flagAt(policy, path), visitors: ownVisitors(options) }
  }
  // Which of the two would come first is nothing to guess.
  const message = `The policy in ${trafficPolicy.source} decides alone; write this into it as an action, or give flags only.`
  for (const path of flagsGiven(options)) problems.push({ path, message })
  const visitors = `whom ${trafficPolicy.source} lets pass`
  try {
    return { ...readPolicyFile(trafficPolicy, ofAgent.environment ?? {}, ofAgent.secrets), visitors }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    problems.push(...error.problems)
    return { policy: undefined, placeOf: (path) => path.join('.'), visitors }
  }
}

function planUrl(text: string, problems: ConfigProblem[]): string {
  const written = text.includes('://') ? text : `https://${text}`
  const url = URL.canParse(written) ? new URL(written) : undefined
  const isPlain = url && url.pathname === '/' && !url.search && !url.hash && !url.username && !url.password
  if (isPlain && /^https?:$/.test(url.protocol) && url.hostname !== '' && !url.hostname.includes('*')) {
    return text.includes('://') ? url.origin : url.host
  }
  const message = `"${text}" is not the address of an endpoint. Write it like https://name.example.com`
  problems.push({ path: '--url', message })
  return ''
}

function planDomain(flag: string, text: string | undefined, problems: ConfigProblem[]): string {
  if (text === undefined || /^[\w.-]{1,253}$/.test(text)) return text ?? ''
  problems.push({ path: flag, message: `"${text}" is not a host. Write it like name.example.com` })
  return ''
}
