// The providers of `oauth`, and the settings that each needs beyond OpenID Connect, from their discovery documents and
// documentation. Pure: no I/O, no clock.

export interface OauthProvider {
  /** For people. */
  readonly title: string
  /** The issuer; a provider with a function has one for each of its tenants. */
  readonly issuer: string | ((tenant: string) => string)
  /** The scopes that are always requested, for the identity and the email address. */
  readonly scopes: readonly string[]
  /** Parameters of each authorization request. */
  readonly params?: Readonly<Record<string, string>>
  readonly client_authentication?: 'client_secret_post'
  /** Its token endpoint refuses PKCE, and its ID tokens have no nonce. */
  readonly without_proof?: true
}

/** By ngrok's names. */
export type OauthProviders = Readonly<Record<OauthName, OauthProvider>>

export const OAUTH_NAMES = ['gitlab', 'google', 'linkedin', 'microsoft', 'twitch'] as const
export type OauthName = (typeof OAUTH_NAMES)[number]

const SCOPES = ['openid', 'profile', 'email']
const TWITCH_CLAIMS = { email: null, email_verified: null, preferred_username: null }

export const OAUTH_PROVIDERS: OauthProviders = {
  gitlab: { title: 'GitLab', issuer: 'https://gitlab.com', scopes: SCOPES },
  google: { title: 'Google', issuer: 'https://accounts.google.com', scopes: SCOPES },
  // Its discovery document does not say where the secret belongs: in the body.
  linkedin: {
    title: 'LinkedIn',
    issuer: 'https://www.linkedin.com/oauth',
    scopes: SCOPES,
    client_authentication: 'client_secret_post',
    without_proof: true,
  },
  microsoft: {
    title: 'Microsoft',
    issuer: (tenant) => `https://login.microsoftonline.com/${tenant}/v2.0`,
    scopes: SCOPES,
  },
  // It refuses scopes that it does not know, and gives claims on request (OpenID Connect Core 5.5).
  twitch: {
    title: 'Twitch',
    issuer: 'https://id.twitch.tv/oauth2',
    scopes: ['openid', 'user:read:email'],
    params: { claims: JSON.stringify({ id_token: TWITCH_CLAIMS, userinfo: TWITCH_CLAIMS }) },
  },
}

const NO_OPENID: ReadonlySet<string> = new Set(['amazon', 'facebook', 'github'])

/** Why a text is no provider of `oauth`: a sentence for one that ngrok has, undefined for any other. */
export function refusedProvider(name: string): string | undefined {
  if (!NO_OPENID.has(name)) return undefined
  return `${name} is not an OpenID provider; use openid-connect with one that is: Keycloak, Dex or Authentik in front of ${name}`
}

export function issuerOf({ issuer }: OauthProvider, tenant: string): string {
  return typeof issuer === 'string' ? issuer : issuer(tenant)
}
