// A real OpenID Connect identity provider for the demo, the tests and the bench: `oidc-provider` on loopback, over plain
// HTTP unless it is given a certificate, with a sign-in page that asks for a username and a password. Everything lives in
// memory; keys are made at start. For loopback only: nothing here is fit for the internet.

import { randomBytes, randomUUID, timingSafeEqual, createHash, generateKeyPairSync } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'

import { Provider, type Adapter, type AdapterPayload, type Configuration, type KoaContextWithOIDC } from 'oidc-provider'

const MAX_FORM_BYTES = 16_384
const MAX_STORED_ITEMS = 50_000 // a bench signs in often, and memory must stay bounded

export interface IdentityProviderUser {
  username: string
  password: string
  /** What the provider says about the user: `email`, `email_verified`, `name`, `groups`, … `sub` is the username unless given. */
  claims: Record<string, unknown>
}

export interface IdentityProviderClient {
  client_id: string
  /** What the sign-in page calls it; its id unless given. */
  client_name?: string
  /** Left out for a public client, together with `token_endpoint_auth_method: 'none'`. */
  client_secret?: string
  /** Those of a Sallyport relay depend on the issuer, which is known when the port is. */
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
  /** The host of the issuer, `localhost` by default. It listens on 127.0.0.1 whatever the name. */
  host?: string
  /** What stands behind host and port in the issuer: nothing by default, `/` or a path for a tenant. */
  path?: string
  users: readonly IdentityProviderUser[]
  /** Whether the sign-in page shows whom to sign in as, with the password. For a demo, where it is no secret. */
  showsPasswords?: boolean
  clients: readonly IdentityProviderClient[]
  /** Whatever `oidc-provider` can be told beyond this. */
  configure?: Partial<Configuration>
  /** Has it speak https. In PEM. */
  tls?: { cert: string; key: string }
  /** Whether only discovery stands below the path, and the endpoints at the root. */
  endpointsAtRoot?: boolean
  /** The last word about the provider, before it answers anybody. */
  prepare?: (provider: Provider) => void
}

export interface IdentityProvider {
  issuer: string
  close(): Promise<void>
}

/** Starts the provider and resolves when it answers. Rejects where the port is taken. */
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
      // An interaction that is unknown, expired or of another browser.
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

/** As frameworks do for what is mounted below a path; oidc-provider takes its own place from the two URLs. */
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
    // Nobody is asked for consent: the clients here belong to the house.
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

/** Who comes with a valid ID token of theirs is signed out without being asked again. */
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

/** Models of `oidc-provider` in one Map of this instance, oldest out first. */
function memoryAdapter(): (model: string) => Adapter {
  const items = new Map<string, { payload: AdapterPayload; expires: number }>()
  const read = (key: string): AdapterPayload | undefined => {
    const item = items.get(key)
    if (!item || item.expires > Date.now()) return item?.payload
    items.delete(key)
    return undefined
  }
  const findBy = (model: string, field: 'uid' | 'userCode', value: string): AdapterPayload | undefined => {
    for (const [key, { payload }] of items) {
      if (key.startsWith(`${model}:`) && payload[field] === value) return read(key)
    }
    return undefined
  }
  return (model) => ({
    async upsert(id, payload, expiresIn) {
      items.delete(`${model}:${id}`)
      items.set(`${model}:${id}`, { payload, expires: expiresIn ? Date.now() + expiresIn * 1000 : Infinity })
      for (const oldest of items.keys()) {
        if (items.size <= MAX_STORED_ITEMS) break
        items.delete(oldest)
      }
    },
    find: async (id) => read(`${model}:${id}`),
    findByUid: async (uid) => findBy(model, 'uid', uid),
    findByUserCode: async (userCode) => findBy(model, 'userCode', userCode),
    async consume(id) {
      const payload = read(`${model}:${id}`)
      if (payload) payload.consumed = Math.floor(Date.now() / 1000)
    },
    async destroy(id) {
      items.delete(`${model}:${id}`)
    },
    async revokeByGrantId(grantId) {
      for (const [key, { payload }] of items) {
        if (key.startsWith(`${model}:`) && payload.grantId === grantId) items.delete(key)
      }
    },
  })
}

function signInForm(
  clientName: string,
  shown: readonly IdentityProviderUser[],
  problem?: string,
  username = '',
): string {
  const people = shown.map(
    (user) =>
      `<dl class="person"><dt>Username</dt><dd><code>${escapeHtml(user.username)}</code></dd><dt>Password</dt><dd><code>${escapeHtml(user.password)}</code></dd></dl>`,
  )
  return `<p>to continue to <strong>${escapeHtml(clientName)}</strong></p>
${people.length > 0 ? `<aside><p>This is a demo. Sign in as:</p>\n${people.join('\n')}</aside>` : ''}
${problem ? `<p class="problem" role="alert">${escapeHtml(problem)}</p>` : ''}
<form method="post" autocomplete="on">
<label for="username">Username</label>
<input id="username" name="username" value="${escapeHtml(username)}" autocomplete="username" autocapitalize="none" spellcheck="false" required autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button type="submit">Sign in</button>
</form>`
}

function sendPage(response: ServerResponse, status: number, title: string, body: string): void {
  response.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    // No form-action: Chromium applies it to the redirects behind the form, which lead to the relay.
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
  })
  response.end(page(title, body))
}

function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)} · Demo identity provider</title>
<style>
:root { color-scheme: light dark; --ground: #eef1f6; --card: #fff; --ink: #1b2430; --soft: #5a6675; --line: #cfd6e0; --accent: #2a4fa8; --wrong: #a3261b }
@media (prefers-color-scheme: dark) { :root { --ground: #12161c; --card: #1b212a; --ink: #e6eaf0; --soft: #9aa6b5; --line: #37414e; --accent: #8fb0ff; --wrong: #ff9b90 } }
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem; background: var(--ground); color: var(--ink); font: 1rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif }
main { width: 100%; max-width: 24rem; padding: 2rem 2.25rem; background: var(--card); border: 1px solid var(--line); border-radius: .75rem }
h1 { margin: 0; font-size: 1.5rem } p { margin: 0 0 1rem } .problem { color: var(--wrong); font-weight: 600 }
label { display: block; margin: 1rem 0 .25rem; font-weight: 600 }
input:not([type=hidden]) { width: 100%; padding: .6rem .75rem; border: 1px solid var(--line); border-radius: .4rem; background: var(--ground); color: inherit; font: inherit }
button { width: 100%; margin-top: 1.5rem; padding: .7rem; border: 0; border-radius: .4rem; background: var(--accent); color: var(--card); font: inherit; font-weight: 600; cursor: pointer }
input:focus-visible, button:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
aside { margin: 1.25rem 0; padding: .75rem 1rem; border: 1px dashed var(--line); border-radius: .4rem; background: var(--ground) } aside p { margin: 0; color: var(--soft); font-size: .875rem }
.person { display: grid; grid-template-columns: auto 1fr; gap: 0 1rem; margin: .25rem 0 0 } dt { color: var(--soft) } dd { margin: 0 } code { font: .95em ui-monospace, "SF Mono", Menlo, Consolas, monospace }
footer { margin-top: 1.5rem; color: var(--soft); font-size: .875rem }
</style>
</head>
<body>
<main>
<h1>${escapeHtml(title)}</h1>
${body}
<footer>Demo identity provider</footer>
</main>
</body>
</html>
`
}

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')
}
