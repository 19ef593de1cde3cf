// A provider's description of itself, fetched and checked: its discovery document (OpenID Connect Discovery 1.0) and
// its signing keys. It uses openid-client, so it is loaded only with the first sign-in.

import {
  ClientError,
  None,
  allowInsecureRequests,
  customFetch,
  discovery,
  type CustomFetch,
  type ServerMetadata,
} from 'openid-client'

import { describeRedirect, followingOnce } from './discovery-document.ts'
import { endpointProblems } from './endpoint-problems.ts'
import { isSameIssuer, issuerMismatch } from './issuer-mismatch.ts'
import { KeySet } from './key-set.ts'
import { ProviderUnreachable } from './provider-fetch.ts'
import type { AskedProvider, ProviderDescription } from './provider-description.ts'
import { withoutNulls } from './without-nulls.ts'

/** @throws an error for explainFailure() */
export async function discoverProvider(provider: AskedProvider): Promise<ProviderDescription> {
  const configuration = await discovery(new URL(provider.issuerUrl), 'sallyport', undefined, None(), {
    [customFetch]: followingOnce(provider.fetch, ({ from, to }) =>
      provider.log.warn({ issuer: provider.issuerUrl, from, to }, 'a discovery document was found behind a redirect'),
    ) as CustomFetch, // its body is one of the kinds we send
    timeout: provider.timeoutMs / 1000,
    ...(provider.isInsecure && { execute: [allowInsecureRequests] }),
  })
  const metadata = withoutNulls({ ...configuration.serverMetadata() }) as Readonly<ServerMetadata> // openid-client has seen its issuer
  // openid-client makes exceptions here for two hosts of Microsoft. We do not.
  if (!isSameIssuer(provider.issuerUrl, metadata.issuer)) throw new IssuerMismatch(metadata.issuer)
  const [problem] = endpointProblems(metadata, provider.isInsecure)
  if (problem !== undefined) throw new ProviderUnreachable(problem)
  const { fetch, clock, log } = provider
  const url = metadata.jwks_uri! // endpointProblems() requires one
  // If the keys cannot be fetched, no sign-in works. But a sign-in needs the provider in any case.
  const keys = new KeySet({ locate: async () => url, fetch, clock, log, staleMs: 0 })
  return { metadata, keys: (header, token) => keys.find(header, token) }
}

/** One sentence for the operator: the problem and, if known, what to write. */
export function explainFailure(issuerUrl: string, error: unknown): string {
  const other = issuerOf(error)
  if (other !== undefined) return issuerMismatch(issuerUrl, other)
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof ProviderUnreachable) return cause.message
  }
  if (error instanceof ClientError && error.cause instanceof Response) {
    const { status } = error.cause
    const redirect = describeRedirect(`${issuerUrl.replace(/\/$/, '')}/.well-known/openid-configuration`, error.cause)
    if (redirect !== undefined) return `the discovery document of ${issuerUrl} ${redirect}`
    const hint = status === 404 ? '; is issuer_url right?' : ''
    return `the discovery document of ${issuerUrl} was answered with HTTP ${status}, ${error.message}${hint}`
  }
  return `the discovery document of ${issuerUrl} cannot be used: ${error instanceof Error ? error.message : String(error)}`
}

class IssuerMismatch extends Error {
  readonly issuer: string

  constructor(issuer: string) {
    super('the issuer is another one')
    this.issuer = issuer
  }
}

/** The issuer that the provider named, if it is not the expected one. */
function issuerOf(error: unknown): string | undefined {
  if (error instanceof IssuerMismatch) return error.issuer
  // openid-client passes the issuer through new URL(), whose error has the input.
  if (error instanceof TypeError && 'code' in error && error.code === 'ERR_INVALID_URL' && 'input' in error) {
    return String(error.input)
  }
  if (!(error instanceof ClientError)) return undefined
  const cause: unknown = error.cause
  if (typeof cause !== 'object' || cause === null || !('attribute' in cause) || cause.attribute !== 'issuer') {
    return undefined
  }
  const body: unknown = 'body' in cause ? cause.body : undefined
  return typeof body === 'object' && body !== null && 'issuer' in body ? String(body.issuer) : undefined
}
