// A real OpenID Connect identity provider for the demo, the tests and the bench: `oidc-provider` on loopback, over plain
// HTTP unless it is given a certificate, with a sign-in page that asks for a username and a password. Everything lives in
// memory; keys are made at start. For loopback only: nothing here is fit for the internet.

import { randomBytes, randomUUID, timingSafeEqual, createHash, generateKeyPairSync } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'

import { Provider, type Configuration, type KoaContextWithOIDC } from 'oidc-provider'

import { memoryAdapter } from './memory-adapter.ts'
import { escapeHtml, page, sendPage, signInForm } from './pages.ts'

const MAX_FORM_BYTES = 16_384

export interface IdentityProviderUser {
  username: string
  password: string
  /**
   * The provider's claims about the user: `email`, `email_verified`, `name`, `groups`, … `sub` is the username unless
   * given.
   */
  claims: Record<string, unknown>
}

export interface IdentityProviderClient {
  client_id: string
  /** Its name on the sign-in page; its id unless given. */
  client_name?: string
  /** Left out for a public client, together with `token_endpoint_auth_method: 'none'`. */
  client_secret?: string
  /** Those of a Sallyport relay depend on the issuer, which is known once the port is. */
  redirect_uris: string[] | ((issuer: string) => string[])
  /** `authorization_code` unless given. */
  grant_types?: string[]
  backchannel_logout_uri?: string
  backchannel_logout_session_required?: boolean
  post_logout_redirect_uris?: string[]
  token_endpoint_auth_method?: 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt' | 'none'
  /** The public keys of a client that authenticates by `private_key_jwt`. */
  jwks?: { keys: Record<string, unknown>[] }
  id_token_signed_response_alg?: 'RS256' | 'ES256' | 'HS256'
}

export interface IdentityProviderOptions {
  /** 0 takes a free port. */
  port: number
  /** The host of the issuer, `localhost` by default. The provider always listens on 127.0.0.1. */
  host?: string
  /** The issuer's path: none by default, `/` or a path for a tenant. */
  path?: string
  users: readonly IdentityProviderUser[]
  /** Whether the sign-in page shows the users and their passwords. For a demo, in which they are no secret. */
  showsPasswords?: boolean
  clients: readonly IdentityProviderClient[]
  /** Further options of `oidc-provider`. */
  configure?: Partial<Configuration>
  /** Has it speak https. In PEM. */
  tls?: { cert: string; key: string }
  /** Whether only discovery is below the path, and the endpoints are at the root. */
  endpointsAtRoot?: boolean
  /** Called with the provider before it answers its first request. */
  prepare?: (provider: Provider) => void
}

export interface IdentityProvider {
  issuer: string
  close(): Promise<void>
}

/** Starts the provider and resolves when it answers. Rejects if the port is taken. */
export async function startIdentityProvider(options: IdentityProviderOptions): Promise<IdentityProvider> {
  const host = options.host ?? 'localhost'
  let answer: (request: IncomingMessage, response: ServerResponse) => void = (_request, response) => response.end()
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => answer(request, response)
  const server = options.tls ? createTlsServer(options.tls, onRequest) : createServer(onRequest)
  // A person takes longer than Node's five seconds to type a password, and a browser does not repeat a POST that met a
  // connection just being closed.
  server.keepAliveTimeout = 75_000
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(options.port, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo // listening on TCP, so it is one
  const issuer = `${options.tls ? 'https' : 'http'}://${host}:${port}${options.path ?? ''}`
  const mount = options.path?.replace(/\/$/, '') ?? ''

  const provider = new Provider(issuer, configuration(options, issuer))
  options.prepare?.(provider)
  provider.on('server_error', (_context, error) => console.error('identity provider:', error))
  const protocol = provider.callback()
  answer = (request, response) => {
    const uid = /^\/sign-in\/([\w-]+)$/.exec(request.url ?? '')?.[1]
    if (uid === undefined) return answerBelow(mount, options, protocol, request, response)
    signIn(provider, options, request, response).catch((error: unknown) => {
      // The interaction is unknown, expired or of another browser.
      if (!response.headersSent) {
        sendPage(response, 400, 'Sign-in is over', '<p>Go back to the page you wanted and start again.</p>')
      } else response.destroy(error instanceof Error ? error : undefined)
    })
  }

  return {
    issuer,
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()))
        server.closeAllConnections()
      }),
  }
}

/** As frameworks do for an app mounted below a path; oidc-provider derives its path from the two URLs. */
function answerBelow(
  mount: string,
  { endpointsAtRoot = false }: IdentityProviderOptions,
  protocol: (request: IncomingMessage, response: ServerResponse) => unknown,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const { url = '' } = request
  if (url.startsWith(`${mount}/`)) {
    request.url = url.slice(mount.length)
    if (!endpointsAtRoot) Object.assign(request, { originalUrl: url })
  } else if (!endpointsAtRoot || url.startsWith('/.well-known/openid-configuration')) {
    return sendPage(response, 404, 'Not found', '<p>There is nothing here.</p>')
  }
  protocol(request, response)
}

function configuration({ users, clients, configure }: IdentityProviderOptions, issuer: string): Configuration {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' })
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })
  return {
    adapter: memoryAdapter(),
    jwks: {
      keys: [
        { ...rsa, kid: randomUUID(), alg: 'RS256', use: 'sig' },
        { ...ec, kid: randomUUID(), alg: 'ES256', use: 'sig' },
      ] as NonNullable<Configuration['jwks']>['keys'], // node:crypto types its JWKs loosely
    },
    cookies: {
      keys: [randomBytes(32).toString('base64url')],
      names: { session: 'idp_session', interaction: 'idp_interaction', resume: 'idp_resume' },
    },
    clients: clients.map((client) => ({
      grant_types: ['authorization_code'],
      response_types: ['code'],
      ...client,
      redirect_uris: typeof client.redirect_uris === 'function' ? client.redirect_uris(issuer) : client.redirect_uris,
    })),
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'], groups: ['groups'] },
    scopes: ['openid', 'offline_access', 'email', 'profile', 'groups'],
    // Most providers put the claims of the scopes into the ID token; the strict reading keeps them for userinfo.
    conformIdTokenClaims: false,
    enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256', 'HS256'] },
    findAccount: (_context, id) => {
      const user = users.find((candidate) => subjectOf(candidate) === id)
      return user && { accountId: id, claims: () => ({ ...user.claims, sub: id }) }
    },
    // Users are not asked for consent: the clients belong to the same operator.
    loadExistingGrant: async (context) => {
      const { client, session, provider, requestParamScopes } = context.oidc
      if (!client || !session?.accountId) return undefined
      const existing = session.grantIdFor(client.clientId)
      const grant =
        (existing && (await provider.Grant.find(existing))) ||
        new provider.Grant({ clientId: client.clientId, accountId: session.accountId })
      grant.addOIDCScope([...requestParamScopes].join(' '))
      await grant.save()
      return grant
    },
    interactions: { url: (_context, interaction) => `/sign-in/${interaction.uid}` },
    renderError: (context, out) => {
      context.type = 'html'
      context.body = page(
        'That did not work',
        `<p>${escapeHtml(String(out.error_description ?? out.error))}</p><p><code>${escapeHtml(out.error)}</code></p>`,
      )
    },
    ttl: {
      AccessToken: 600,
      AuthorizationCode: 60,
      Grant: 86_400,
      IdToken: 600,
      Interaction: 900,
      Session: 86_400,
    },
    ...configure,
    features: {
      devInteractions: { enabled: false },
      revocation: { enabled: true },
      rpInitiatedLogout: { enabled: true, logoutSource: signOut, postLogoutSuccessSource: signedOut },
      ...configure?.features,
    },
  }
}

async function signIn(
  provider: Provider,
  { users, clients, showsPasswords = false }: IdentityProviderOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { params } = await provider.interactionDetails(request, response)
  const clientId = String(params.client_id)
  const clientName = clients.find((client) => client.client_id === clientId)?.client_name ?? clientId
  const shown = showsPasswords ? users : []
  if (request.method !== 'POST') return sendPage(response, 200, 'Sign in', signInForm(clientName, shown))
  const form = new URLSearchParams(await readForm(request))
  const username = form.get('username') ?? ''
  const user = users.find((candidate) => candidate.username === username)
  if (!user || !samePassword(user.password, form.get('password') ?? '')) {
    return sendPage(response, 401, 'Sign in', signInForm(clientName, shown, 'Username or password is wrong.', username))
  }
  await provider.interactionFinished(request, response, { login: { accountId: subjectOf(user) } })
}

function subjectOf(user: IdentityProviderUser): string {
  return typeof user.claims.sub === 'string' ? user.claims.sub : user.username
}

function samePassword(expected: string, given: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(expected), digest(given))
}

async function readForm(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > MAX_FORM_BYTES) throw new Error('the form is too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** A user with a valid ID token of their own is signed out without being asked again. */
async function signOut(context: KoaContextWithOIDC, form: string): Promise<void> {
  const { session, provider, entities } = context.oidc
  if (!session || !entities.IdTokenHint) {
    context.body = page(
      'Sign out?',
      `${form}\n<p>You will be signed out of this identity provider.</p>
<button type="submit" form="op.logoutForm" name="logout" value="yes">Sign out</button>`,
    )
    return
  }
  const asked = session.state as { postLogoutRedirectUri?: string; state?: string } | undefined // set by end_session
  await session.destroy()
  context.cookies.set(provider.cookieName('session'), null)
  if (asked?.postLogoutRedirectUri === undefined) return signedOut(context)
  const target = new URL(asked.postLogoutRedirectUri)
  if (asked.state !== undefined) target.searchParams.set('state', asked.state)
  context.status = 303
  context.redirect(target.href)
}

function signedOut(context: KoaContextWithOIDC): void {
  context.body = page('You are signed out', '<p>You can close this page.</p>')
}
