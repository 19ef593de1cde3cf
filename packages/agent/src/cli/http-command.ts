// `agent http`: a public endpoint while the agent runs, with sign-in if the flags name a provider.

import type { Environment } from '../plan/proxy.ts'
import { policySource, readPolicyText } from './policy-text.ts'
import type { PolicyFlags } from './policy-text.ts'
import { runAgent } from './run-agent.ts'
import type { UpstreamFlags } from './run-agent.ts'
import { readCertificate } from './settings.ts'
import type { GlobalFlags } from './settings.ts'

export interface HttpFlags extends GlobalFlags, UpstreamFlags, PolicyFlags {
  url?: string
  domain?: string
  hostname?: string
  poolingEnabled?: boolean
  oidc?: string
  oidcClientId?: string
  oidcClientSecret?: string
  oidcScope?: string[]
  oidcAllowEmail?: string[]
  oidcAllowDomain?: string[]
  oidcAllowGroup?: string[]
  oidcGroupClaim?: string
  oidcIdTokenAlg?: string
  oauth?: string
  oauthClientId?: string
  oauthClientSecret?: string
  oauthTenant?: string
  oauthScope?: string[]
  oauthAllowEmail?: string[]
  oauthAllowDomain?: string[]
  maxSessionDuration?: string
  idleSessionDuration?: string
  forceReauthentication?: boolean
  basicAuth?: string[]
  mutualTlsCas?: string
  cidrAllow?: string[]
  cidrDeny?: string[]
  uaFilterAllow?: string[]
  uaFilterDeny?: string[]
  verifyWebhook?: string
  verifyWebhookSecret?: string
  circuitBreaker?: string
  requestHeaderAdd?: string[]
  requestHeaderRemove?: string[]
  responseHeaderAdd?: string[]
  responseHeaderRemove?: string[]
  compression?: boolean
}

/** As runAgent(). */
export async function runHttp(upstream: string, flags: HttpFlags, environment: Environment): Promise<number> {
  const endpoint = {
    url: flags.url,
    domain: flags.domain,
    hostname: flags.hostname,
    pooling: flags.poolingEnabled,
    oidc: flags.oidc,
    oidcClientId: flags.oidcClientId,
    oidcClientSecret:
      flags.oidcClientSecret ?? (flags.oidc ? secretIn(environment, 'SALLYPORT_OIDC_CLIENT_SECRET') : undefined),
    oidcScopes: flags.oidcScope,
    oidcAllowEmails: flags.oidcAllowEmail,
    oidcAllowDomains: flags.oidcAllowDomain,
    oidcAllowGroups: flags.oidcAllowGroup,
    oidcGroupClaim: flags.oidcGroupClaim,
    oidcIdTokenAlg: flags.oidcIdTokenAlg,
    oauth: flags.oauth,
    oauthClientId: flags.oauthClientId,
    oauthClientSecret:
      flags.oauthClientSecret ?? (flags.oauth ? secretIn(environment, 'SALLYPORT_OAUTH_CLIENT_SECRET') : undefined),
    oauthTenant: flags.oauthTenant,
    oauthScopes: flags.oauthScope,
    oauthAllowEmails: flags.oauthAllowEmail,
    oauthAllowDomains: flags.oauthAllowDomain,
    maxSessionDuration: flags.maxSessionDuration,
    idleSessionDuration: flags.idleSessionDuration,
    forceReauthentication: flags.forceReauthentication,
    basicAuth: flags.basicAuth,
    mutualTlsCas: readCertificate('--mutual-tls-cas', flags.mutualTlsCas),
    cidrAllow: flags.cidrAllow,
    cidrDeny: flags.cidrDeny,
    uaFilterAllow: flags.uaFilterAllow,
    uaFilterDeny: flags.uaFilterDeny,
    verifyWebhook: flags.verifyWebhook,
    verifyWebhookSecret:
      flags.verifyWebhookSecret ??
      (flags.verifyWebhook ? secretIn(environment, 'SALLYPORT_VERIFY_WEBHOOK_SECRET') : undefined),
    circuitBreaker: flags.circuitBreaker,
    requestHeaderAdd: flags.requestHeaderAdd,
    requestHeaderRemove: flags.requestHeaderRemove,
    responseHeaderAdd: flags.responseHeaderAdd,
    responseHeaderRemove: flags.responseHeaderRemove,
    compression: flags.compression,
    trafficPolicy: await readPolicyText(flags),
  }
  return runAgent(upstream, { endpoint }, flags, environment, policySource(flags))
}

/** Everybody on the machine can read a command line. */
function secretIn(environment: Environment, name: string): string | undefined {
  return environment[name] || undefined
}
