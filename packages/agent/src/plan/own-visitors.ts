// Describes who may visit an endpoint, from its own flags, before a relay has answered. Pure.

import {
  CERTIFICATE_WORDS,
  PASSWORD_WORDS,
  addressWords,
  signInWords,
  webhookWords,
  whoMayVisit,
} from '@sallyport/protocol'

import type { HttpPolicyOptions } from './agent-options.ts'

/** For example `from 10.0.0.0/8, and sign-in at login.example.com (only @example.com)`. */
export function ownVisitors(options: HttpPolicyOptions): string {
  const { oidc, oidcAllowDomains: domains, oidcAllowEmails: emails, oidcAllowGroups: groups } = options
  const addresses = addressWords(options.cidrAllow, options.cidrDeny)
  const filters = (options.uaFilterAllow?.length ?? 0) + (options.uaFilterDeny?.length ?? 0)
  return whoMayVisit([
    ...(options.mutualTlsCas === undefined ? [] : [CERTIFICATE_WORDS]),
    ...(addresses === '' ? [] : [addresses]),
    ...(filters > 0 ? ['a User-Agent that the filters let pass'] : []),
    ...(oidc ? [signInWords([{ issuer: oidc, allow: { domains, emails, groups } }])] : []),
    ...(options.oauth ? [oauthWords(options.oauth, options)] : []),
    ...(options.basicAuth && options.basicAuth.length > 0 ? [PASSWORD_WORDS] : []),
    ...(options.verifyWebhook === undefined ? [] : [webhookWords(options.verifyWebhook)]),
  ])
}

function oauthWords(
  issuer: string,
  { oauthAllowDomains: domains, oauthAllowEmails: emails }: HttpPolicyOptions,
): string {
  return signInWords([{ issuer, allow: { domains, emails } }])
}
