// Finds out without a user whether a sign-in with a provider would work, for `relay oidc check`. It asks the provider
// through the same bounded requests as the relay, and decides by the same functions. It sends the client secret only to
// the provider that the issuer names.

import type { CryptoKey } from 'jose'
import type { ServerMetadata } from 'openid-client'

import type { OpenidConnectConfig } from '../../policy/openid-connect/openid-connect-schema.ts'
import type { IssuerReach } from '../../config/issuer-reach.ts'
import { redirectUri as redirectUriOf } from '../../model/redirect-uri.ts'
import { readClientKey } from '../provider/client-key.ts'
import { endpointProblems, isInsecureIssuer } from '../provider/endpoint-problems.ts'
import { readAuthority, type ProviderAuthority } from '../provider/provider-authorities.ts'
import { ProviderUnreachable, providerFetch, type ProviderFetch } from '../provider/provider-fetch.ts'
import type { Client } from './client.ts'
import { checkCredentials } from './credentials.ts'
import { discover } from './discovery.ts'
import { problem, unchecked, type Finding } from './finding.ts'
import { checkKeys } from './keys.ts'
import { judgeMetadata, offersOf, type Offers } from './metadata.ts'
import { checkPostLogout, checkRedirectUri } from './redirects.ts'

export interface ProviderCheck {
  config: OpenidConnectConfig
  /** Origin of `public_url`; undefined if it is not known. */
  publicOrigin: string | undefined
  /** The time limit of one request to the provider. A check makes up to some fifteen requests. */
  timeoutMs: number
  clock: () => number
  /** Set if an agent has named the provider. */
  reach?: IssuerReach | undefined
  /** Called with the reason of a failed request. The report then does not contain the reason. */
  onUnreachable?: (reason: string) => void
}

export interface ProviderReport {
  issuer_url: string
  client_id: string
  /** Whether no finding keeps visitors from signing in. */
  ok: boolean
  /** The redirect URI to register at the provider; undefined if `public_url` is not known. */
  redirect_uri: string | undefined
  /** The post-logout redirect URI to register; undefined also if the provider ends no sessions. */
  post_logout_redirect_uri: string | undefined
  /** Set if the provider says that it reports sign-outs (OpenID Connect Back-Channel Logout 1.0, 2.1). */
  backchannel_logout_uri: string | undefined
  /** The provider's metadata; undefined if it could not be asked. */
  offers: Offers | undefined
  findings: readonly Finding[]
}

/** Never throws because of the provider. */
export async function checkProvider(check: ProviderCheck): Promise<ProviderReport> {
  const { config, publicOrigin } = check
  const authority = await authorityOf(config)
  const fetch = withoutReasons(
    providerFetch(check.timeoutMs, config.issuer_url, check.reach, authority.known),
    check.onUnreachable,
  )
  const { metadata, isExpectedIssuer, findings } = await discover(config, fetch, check.clock)
  findings.unshift(...authority.findings)
  const redirectUri = publicOrigin === undefined ? undefined : redirectUriOf(publicOrigin, config.issuer_url)
  const postLogoutUri = publicOrigin === undefined ? undefined : `${publicOrigin}/oidc/signed-out`
  const offers = metadata && offersOf(metadata)
  if (metadata) {
    const isInsecure = isInsecureIssuer(config.issuer_url)
    findings.push(...judgeMetadata(metadata, config, isInsecure))
    if (endpointProblems(metadata, isInsecure).length === 0) {
      // The endpoints have just been checked to be URLs; openid-client checks the rest. openid-client needs an issuer,
      // even a wrong one.
      const issuer = isExpectedIssuer ? metadata.issuer : config.issuer_url
      const described = { ...metadata, issuer } as Readonly<ServerMetadata>
      const connection = { fetch, timeoutMs: check.timeoutMs, isInsecure }
      const client = { config, metadata: described, connection, redirectUri }
      findings.push(
        ...(await checkKeys(described.jwks_uri!, offers?.id_token_algorithms, config, fetch)),
        ...(await tryClient(client, postLogoutUri, isExpectedIssuer)),
      )
    }
  }
  return {
    issuer_url: config.issuer_url,
    client_id: config.client_id,
    ok: findings.every(({ verdict }) => verdict !== 'problem'),
    redirect_uri: redirectUri,
    post_logout_redirect_uri: offers?.sign_out === false ? undefined : postLogoutUri,
    backchannel_logout_uri:
      publicOrigin !== undefined && metadata?.['backchannel_logout_supported'] === true
        ? `${publicOrigin}/oidc/backchannel-logout`
        : undefined,
    offers,
    findings,
  }
}

/** This form is for readers who must not learn about the network around the relay. */
function withoutReasons(fetch: ProviderFetch, tell: ((reason: string) => void) | undefined): ProviderFetch {
  if (!tell) return fetch
  return async (url, request) => {
    try {
      return await fetch(url, request)
    } catch (error) {
      if (!(error instanceof ProviderUnreachable)) throw error
      tell(error.message)
      // The error without its cause, which explainUnreachable() would read.
      throw new ProviderUnreachable(
        `the relay gets no answer from ${new URL(url).origin}; its operator can find the reason in the log`,
      )
    }
  }
}

async function authorityOf({ provider_ca_file: file }: OpenidConnectConfig): Promise<{
  known: ProviderAuthority | undefined
  findings: Finding[]
}> {
  try {
    return { known: file === undefined ? undefined : await readAuthority(file), findings: [] }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return { known: undefined, findings: [problem('provider CA', why)] }
  }
}

async function tryClient(
  client: Omit<Client, 'clientKey'>,
  postLogoutUri: string | undefined,
  isExpectedIssuer: boolean,
): Promise<Finding[]> {
  // A document that speaks for another issuer may also name another's token endpoint.
  const isTheirs = new URL(client.metadata.token_endpoint!).origin === new URL(client.config.issuer_url).origin
  if (!isExpectedIssuer && !isTheirs) return [unchecked('credentials', 'not tried, because the issuer is not right')]
  const { client_key } = client.config
  let clientKey: CryptoKey | undefined
  try {
    clientKey = client_key && readClientKey(client_key)
  } catch (error) {
    return [problem('client key', error instanceof Error ? error.message : String(error))]
  }
  const complete = { ...client, clientKey }
  return [
    await checkCredentials(complete),
    await checkRedirectUri(complete),
    ...(await checkPostLogout(complete, postLogoutUri)),
  ]
}
