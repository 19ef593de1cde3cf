// A whole system with an identity provider of a certain make: a real provider that is set up to behave like that make,
// a relay that signs in with it, an agent, and an app that shows the headers about the visitor.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type {
  IdentityProviderClient,
  IdentityProviderOptions,
  IdentityProviderUser,
} from '../support/identity-provider/identity-provider.ts'
import { startIdentityProvider } from '../support/identity-provider/identity-provider.ts'
import { redirectUri } from '@sallyport/server'

import { freePort, RELAY } from '../support/processes.ts'
import { RunningProcess } from '../support/running-process.ts'
import { APP_HOST, httpApp, startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'

/** How one make of provider behaves, and its keys in relay.yml. */
export interface ProviderProfile {
  name: string
  /** The page about it in docs/providers, if it has one. */
  page?: string
  provider: Omit<IdentityProviderOptions, 'port' | 'host' | 'users' | 'clients'>
  client: Omit<IdentityProviderClient, 'redirect_uris' | 'post_logout_redirect_uris'>
  /** Keys of `openid-connect` beside issuer, client id and secret. */
  signIn: Readonly<Record<string, unknown>>
  /** Claims of a visitor who may pass, and of another who may not. */
  member: Readonly<Record<string, unknown>>
  stranger: Readonly<Record<string, unknown>>
}

export const MEMBER = { username: 'ada', password: 'lovelace' }
export const STRANGER = { username: 'eve', password: 'in the middle' }

export interface House {
  issuer: string
  /** A page behind the sign-in. */
  url: string
  stack: Stack
  /** Headers of every request that has reached the app. */
  reached: NodeJS.Dict<string | string[]>[]
  /** Runs `relay oidc check` with this sign-in. */
  check(): Promise<{ code: number | null; stdout: string }>
  close(): Promise<void>
}

/**
 * @param changes keys of the profile's sign-in to replace if they depend on the issuer
 * @param postLogoutUris the registered post-logout URIs; ours by default
 */
export async function startHouse(
  profile: ProviderProfile,
  changes: (provider: { issuer: string }) => Readonly<Record<string, unknown>> = () => ({}),
  postLogoutUris?: string[],
): Promise<House> {
  const port = await freePort()
  const origin = `http://relay.localhost:${port}`
  const users: IdentityProviderUser[] = [
    { ...MEMBER, claims: { ...profile.member } },
    { ...STRANGER, claims: { ...profile.stranger } },
  ]
  const provider = await startIdentityProvider({
    ...profile.provider,
    port: 0,
    host: 'idp.localhost',
    users,
    clients: [
      {
        ...profile.client,
        redirect_uris: (issuer) => [redirectUri(origin, issuer)],
        post_logout_redirect_uris: postLogoutUris ?? [`${origin}/oidc/signed-out`],
      },
    ],
  })
  const { client_id, client_secret } = profile.client
  const config = { issuer_url: provider.issuer, client_id, client_secret, ...profile.signIn, ...changes(provider) }
  const policy = { on_http_request: [{ actions: [{ type: 'openid-connect', config }] }] }
  const edge = JSON.stringify({ id: 'edg_app', hosts: [APP_HOST], policy }) // JSON is YAML
  const reached: House['reached'] = []
  const app = httpApp((request, response) => {
    reached.push(request.headers)
    const { 'sallyport-auth-user-email': email, 'sallyport-auth-user-groups': groups } = request.headers
    response.setHeader('content-type', 'text/html')
    response.end(
      `<!doctype html><title>App</title><p id="who">${String(email)}</p><p id="groups">${String(groups)}</p>`,
    )
  })
  const stack = await startStack({ app, port, edges: `- ${edge}` })
  return {
    issuer: provider.issuer,
    url: `http://${APP_HOST}:${port}/page?a=b`,
    stack,
    reached,
    check: () => check(port, edge),
    async close() {
      await stack.close()
      await provider.close()
    },
  }
}

async function check(port: number, edge: string): Promise<{ code: number | null; stdout: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-check-'))
  try {
    const file = join(folder, 'relay.yml')
    await writeFile(
      file,
      `domain: localhost
public_url: http://relay.localhost:${port}
listen: { http: 127.0.0.1:${port}, admin: 127.0.0.1:0 }
edges: [${edge}]
`,
    )
    const running = new RunningProcess('relay oidc check', [RELAY, 'oidc', 'check', '--config', file], process.env)
    const { code } = await running.exited
    return { code, stdout: [...running.output, ...running.errors].join('\n') }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
