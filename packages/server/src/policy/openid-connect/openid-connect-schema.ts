// The schema of an `openid-connect`. Pure: no I/O, no clock.

import { z } from 'zod'

import { cookieDomainProblem } from '../../values/cookie-domain-problem.ts'
import type { PreparedText } from '../late-text.ts'
import { isLoopbackHost } from '../../values/host-pattern.ts'
import { clientKeySchema } from './client-key-schema.ts'
import { peopleSchema } from './people-schema.ts'
import {
  duration,
  edgeProblem,
  filledList,
  flag,
  origin,
  providerCaFile,
  reporting,
  secretText,
  text,
} from '../../values/value-schemas.ts'

// Parameters that the relay itself puts into the authorization request: RFC 6749 4.1.1, RFC 7636 4.3, RFC 9101 5.
const OWN_AUTHORIZATION_PARAMETERS = new Set([
  'client_id',
  'client_secret',
  'code_challenge',
  'code_challenge_method',
  'nonce',
  'redirect_uri',
  'request',
  'request_uri',
  'response_mode',
  'response_type',
  'scope',
  'state',
])

const DEFAULT_SCOPES = ['openid', 'profile', 'email'] as const

/** RFC 6749 3.3 */
export function scopes() {
  return filledList(
    text().refine((scope) => /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(scope), 'is not a scope; write one scope per entry'),
    'would mean no scope; remove it or add openid',
  )
}

/** The keys of one sign-in. */
export const signInShape = {
  issuer_url: text()
    .superRefine(reporting(issuerProblem))
    .describe('The identity provider, exactly as in the `issuer` of its discovery document. https, except on loopback.')
    .meta({ examples: ['https://login.example.com'] }),
  client_id: text()
    .superRefine(reporting(edgeProblem))
    .describe('The client id that the identity provider has issued.')
    .meta({ examples: ['sallyport'] }),
  client_secret: secretText()
    .exactOptional()
    .describe('The secret that the identity provider has issued. Best written as "${OIDC_SECRET}".'),
  provider_ca_file: providerCaFile(),
  scopes: scopes()
    .default([...DEFAULT_SCOPES])
    .transform((written) => (written.includes('openid') ? written : [...new Set([...DEFAULT_SCOPES, ...written])]))
    .describe(
      'The scopes to request from the identity provider. A list without `openid` is in addition to `openid`, `profile` and `email`.',
    ),
  auth_id: text()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, 'may contain 1 to 64 letters, digits, _ and -')
    .exactOptional()
    .describe(
      'Names the sign-in. Routes of an edge with the same one share a session. By default a short hash of issuer and client id.',
    ),
  client_authentication: z
    .enum(['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'])
    .exactOptional()
    .describe(
      'How the relay authenticates at the provider. By default `private_key_jwt` with a `client_key`; with a `client_secret` a method that the provider offers, basic first; `none`, with PKCE only, for a public client without either.',
    ),
  client_key: clientKeySchema
    .exactOptional()
    .describe('The key for `private_key_jwt`; register its public half at the provider.'),
  id_token_alg: z
    .enum(['HS256'])
    .exactOptional()
    .describe(
      'Set only if the provider signs ID tokens with the client secret. By default the asymmetric algorithms that the provider lists.',
    ),
  authz_url_params: z
    .record(
      text().refine((name) => !OWN_AUTHORIZATION_PARAMETERS.has(name), 'is set by the relay itself; remove this line'),
      z.string(),
    )
    .refine(
      ({ max_age }) => max_age === undefined || /^\d{1,9}$/.test(max_age),
      'max_age is a number of seconds; write for example max_age: "3600"',
    )
    .exactOptional()
    .describe(
      'Further parameters of the authorization request, for example `prompt`, `acr_values` or `domain_hint`. The relay checks `max_age` afterwards.',
    ),
  force_reauthentication: flag()
    .default(false)
    .describe(
      'Every sign-in asks for the credentials again (`prompt=login`, `max_age=0`), and fails if the provider does not prove it by `auth_time`.',
    ),
  auth_cookie_domain: text()
    .toLowerCase()
    .superRefine(reporting(cookieDomainProblem))
    .exactOptional()
    .describe(
      'Shares sessions with other edges under this domain that have the same value, with the same `auth_id`, issuer and client. Every host under it gets the cookie, even one that is not an edge. By default a session belongs to one edge and one host.',
    ),
  allow_cors_preflight: flag()
    .default(false)
    .describe(
      'Lets CORS preflights pass to the app without a session: OPTIONS with `Origin` and `Access-Control-Request-Method`, without body and credentials.',
    ),
  idle_session_duration: duration().prefault('12h').describe('How long a session may be unused before it ends.'),
  max_session_duration: duration()
    .prefault('7d')
    .describe('How long after the sign-in a session ends, even if it is used.'),
  userinfo_refresh_interval: duration()
    .exactOptional()
    .describe(
      'How long the provider’s claims about a visitor count as current, 10 seconds at least; then the relay asks again, if it has a refresh token. By default until the ID token expires, between a minute and an hour.',
    ),
  allow: peopleSchema('allow')
    .exactOptional()
    .describe(
      'Who may pass after signing in. One match is enough. Without it, everybody who signs in at the provider may pass.',
    ),
  deny: peopleSchema('deny')
    .exactOptional()
    .describe('Who may not pass. One match is enough, and it overrides `allow`. Here unverified addresses count, too.'),
  email_verified: z
    .enum(['required', 'if_present'])
    .default('required')
    .describe(
      'Which email addresses count, for `allow` and for the app: addresses that the provider calls verified (`required`), or also addresses about which it says nothing (`if_present`), for providers that never send `email_verified`. An address that it calls unverified never counts.',
    ),
  allowed_origins: filledList(origin('https://app.example.com'), 'would mean no other site; remove it or add an origin')
    .exactOptional()
    .describe('Origins of other sites whose pages may open WebSockets here.'),
  identity_jwt: flag()
    .exactOptional()
    .describe('Whether the app gets `Sallyport-Auth-Jwt`. By default the top-level `identity_jwt`.'),
  identity_groups: z
    .enum(['all', 'matched'])
    .default('all')
    .describe(
      'Which of the visitor’s groups the app gets: `all`, or only groups that `allow` or `deny` of this sign-in names (`matched`), for visitors with hundreds of groups: many servers refuse heads above 8 KB.',
    ),
  forward_access_token: flag()
    .default(false)
    .describe(
      'Whether the app gets the access token of the provider as `Sallyport-Auth-Access-Token`, until it expires. With it the app can do everything that the `scopes` allow.',
    ),
  title: text()
    .max(80)
    .exactOptional()
    .describe(
      'The name from which visitors choose if there are several sign-ins. By default host and path of `issuer_url`.',
    ),
}

export const openidConnectSchema = z.strictObject({
  ...signInShape,
  alternatives: z
    .array(z.strictObject(signInShape))
    .min(1, 'an empty list would change nothing; remove it or add a provider')
    .max(20)
    .exactOptional()
    .describe(
      'Further providers, each with the keys of this table. A session of any of them is enough, by its own `allow` and `deny`; visitors without one choose on a page.',
    ),
})

/** Its texts that may be secrets of the configuration. */
export const CLIENT_TEXTS: readonly PreparedText[] = [
  { at: ['client_id'], example: 'client' },
  { at: ['client_secret'], example: 'a secret of a client' },
]

/** Why a text cannot be an `issuer_url`: the end of a sentence, or one of its own. */
// The callback takes no `iss` that is longer, and parsing a host with non-ASCII letters takes quadratic time.
const ISSUER_MAX_CHARS = 512

export function issuerProblem(issuer: string): string | undefined {
  const odd = edgeProblem(issuer) // which URL.parse() would drop silently
  if (odd !== undefined) return odd
  if (issuer.length > ISSUER_MAX_CHARS) return `is longer than ${ISSUER_MAX_CHARS} characters`
  const url = URL.parse(issuer)
  if (!url || (url.protocol !== 'https:' && url.protocol !== 'http:'))
    return `"${issuer}" is not a URL; write for example https://login.example.com`
  // OpenID Connect Discovery 1.0, section 3: https, without query or fragment.
  if (url.search || url.hash || url.username || url.password) return 'must be scheme, host and path only'
  if (url.protocol === 'http:' && !isLoopbackHost(url.hostname))
    return 'must be https, or anyone on the way could sign in as anyone'
  if (issuer.endsWith('/.well-known/openid-configuration'))
    return `must not end with /.well-known/openid-configuration; write ${issuer.slice(0, -'/.well-known/openid-configuration'.length)}`
  return undefined
}

/** Durations are in milliseconds. `auth_id` and `identity_jwt` always have a value here. */
export type OpenidConnectConfig = Omit<
  z.output<typeof openidConnectSchema>,
  'auth_id' | 'identity_jwt' | 'alternatives'
> & {
  auth_id: string
  identity_jwt: boolean
  alternatives?: readonly OpenidConnectConfig[]
  /** The provider takes no PKCE and repeats no nonce. No key of the configuration: `oauth` knows its providers. */
  without_proof?: true
  /** An expression of the policy reads the access token. No key of the configuration either. */
  tells_access_token?: true
}

/** One of them alone. */
export type OneSignIn = Omit<z.output<typeof openidConnectSchema>, 'alternatives'>
