// Sign-in with an independent provider: Glewlwyd, from Debian's package. It does not decode Basic credentials, and
// answers unauthorized_client to a wrong secret. Skipped with the reason if it is not installed.

import assert from 'node:assert/strict'
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout } from 'node:timers/promises'
import { after, before, describe, it, type TestContext } from 'node:test'
import { promisify } from 'node:util'

import { Browser } from '../support/browser/browser.ts'
import { redirectUri } from '@sallyport/server'

import { freePort } from '../support/processes.ts'
import { RecordingApp } from '../support/recording-app.ts'
import { startStack, type Stack } from '../support/stack.ts'

const TABLES = '/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3'
const MODULES = '/usr/lib/glewlwyd'
const START_DEADLINE_MS = 10_000
const SECRET = 'gl-secret_1.2~3'
const ADA = { username: 'ada', password: 'correct horse' }

describe('interop with Glewlwyd', { timeout: 60_000 }, () => {
  let folder: string
  let provider: ChildProcess | undefined
  let origin = ''
  let reason = ''

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sallyport-glewlwyd-'))
    try {
      await promisify(execFile)('glewlwyd', ['--version'])
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error // as execFile rejects
      reason = 'no Glewlwyd: apt-get install glewlwyd (Debian) to run this'
      return
    }
    if (!existsSync(TABLES)) return void (reason = `no tables for Glewlwyd at ${TABLES}`)
    origin = `http://127.0.0.1:${await freePort()}`
    provider = await startGlewlwyd(folder, origin)
  })

  after(async () => {
    if (provider && provider.exitCode === null) {
      provider.kill()
      await once(provider, 'exit')
    }
    await rm(folder, { recursive: true, force: true })
  })

  const at = (path: string): string => `${origin}/api${path}`

  /** A client at the provider, and an edge that signs in with it. */
  async function house(clientId: string, secret: string): Promise<{ stack: Stack; app: RecordingApp; url: string }> {
    const app = new RecordingApp()
    const port = await freePort()
    const stack = await startStack({
      app: app.server,
      port,
      edges: `
- id: edg_app
  hosts: [app.localhost]
  policy:
    on_http_request:
      - actions:
          - type: openid-connect
            config: { issuer_url: "${at('/oidc')}", client_id: ${clientId}, client_secret: "${secret}", scopes: [openid], email_verified: if_present }
`,
    })
    const admin = await signedIn(new Browser(), { username: 'admin', password: 'password' })
    await put(admin, 'POST', '/client/', {
      client_id: clientId,
      password: SECRET,
      confidential: true,
      enabled: true,
      scope: [],
      redirect_uri: [redirectUri(`http://relay.localhost:${port}`, at('/oidc'))],
      authorization_type: ['code', 'refresh_token'],
      token_endpoint_auth_method: ['client_secret_basic', 'client_secret_post'],
    })
    return { stack, app, url: `http://app.localhost:${port}/wanted` }
  }

  async function put(browser: Browser, method: string, path: string, body: object): Promise<void> {
    const headers = { 'content-type': 'application/json' }
    const { status, body: said } = await browser.fetch(at(path), { method, headers, body: JSON.stringify(body) })
    assert.equal(status, 200, `${method} ${path}: ${said}`)
  }

  async function signedIn(browser: Browser, user: typeof ADA): Promise<Browser> {
    await put(browser, 'POST', '/auth/', user)
    return browser
  }

  /** The steps of its login page's script: signs in, grants the scope, and continues. */
  async function throughLogin(url: string, clientId: string): Promise<Awaited<ReturnType<Browser['open']>>> {
    const browser = new Browser()
    const page = await browser.open(url)
    const goesOn = new URL(page.url).searchParams.get('callback_url')
    assert.ok(goesOn, `${page.url} is its login page`)
    await signedIn(browser, ADA)
    await put(browser, 'PUT', `/auth/grant/${clientId}`, { scope: 'openid' })
    return browser.open(`${goesOn}&g_continue`)
  }

  function isThere(test: TestContext): boolean {
    if (!provider) test.skip(reason)
    return provider !== undefined
  }

  it('real-providers 2: signs in with a secret of -_.~, by Basic credentials', async (test) => {
    if (!isThere(test)) return
    const { stack, app, url } = await house('sallyport', SECRET)
    try {
      const page = await throughLogin(url, 'sallyport')
      assert.equal(page.status, 200, `${page.body} ${stack.log.at(-1)}`)
      assert.equal(page.url, url)
      assert.deepEqual(app.values('Sallyport-Auth-User-Name'), ['Ada Lovelace'])
      assert.deepEqual(app.values('Sallyport-Auth-User-Email'), ['ada@example.com'])
    } finally {
      await stack.close()
    }
  })

  it('real-providers 5: a wrong secret is reported to the operator, and nothing reaches the app', async (test) => {
    if (!isThere(test)) return
    const { stack, app, url } = await house('mistaken', 'nope')
    try {
      const page = await throughLogin(url, 'mistaken')
      assert.equal(page.status, 400)
      assert.match(page.body, /The operator finds the reason in the relay’s log/)
      assert.match(stack.log.join(''), /unauthorized_client: no description; are client_id and credentials right\?/)
      assert.deepEqual(app.heads, [])
    } finally {
      await stack.close()
    }
  })
})

/** With a fresh database, its plugin for OpenID Connect, and one user. */
async function startGlewlwyd(folder: string, origin: string): Promise<ChildProcess> {
  const path = join(folder, 'glewlwyd.db')
  const database = new DatabaseSync(path)
  database.exec(await readFile(TABLES, 'utf8'))
  database.close()
  const config = join(folder, 'glewlwyd.conf')
  const settings = {
    bind_address: '127.0.0.1',
    external_url: origin,
    login_url: 'login.html',
    api_prefix: 'api',
    log_mode: 'console',
    log_level: 'ERROR',
    session_key: 'GLEWLWYD',
    admin_scope: 'g_admin',
    profile_scope: 'g_profile',
    user_module_path: `${MODULES}/user`,
    client_module_path: `${MODULES}/client`,
    user_auth_scheme_module_path: `${MODULES}/scheme`,
    plugin_module_path: `${MODULES}/plugin`,
    hash_algorithm: 'SHA512',
  }
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${JSON.stringify(value)}`)
  const numbers = `port = ${new URL(origin).port}\ncookie_secure = 0`
  await writeFile(config, `${numbers}\n${lines.join('\n')}\ndatabase = { type = "sqlite3"; path = "${path}"; };\n`)
  const provider = spawn('glewlwyd', ['--config-file', config], { stdio: 'ignore' })
  try {
    await answers(`${origin}/api/`, provider)
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const admin = new Browser()
    const post = async (where: string, body: object): Promise<void> => {
      const headers = { 'content-type': 'application/json' }
      const answer = await admin.fetch(`${origin}/api${where}`, { method: 'POST', headers, body: JSON.stringify(body) })
      assert.equal(answer.status, 200, `${where}: ${answer.body}`)
    }
    await post('/auth/', { username: 'admin', password: 'password' })
    await post('/mod/plugin/', {
      module: 'oidc',
      name: 'oidc',
      display_name: 'OpenID Connect',
      enabled: true,
      parameters: {
        iss: `${origin}/api/oidc`,
        'jwt-type': 'rsa',
        'jwt-key-size': '256',
        key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
        cert: publicKey.export({ type: 'spki', format: 'pem' }),
        'access-token-duration': 3600,
        'refresh-token-duration': 86_400,
        'code-duration': 600,
        'allow-non-oidc': false,
        'auth-type-code-enabled': true,
        'auth-type-refresh-enabled': true,
        'pkce-allowed': true,
        'subject-type': 'public',
        'name-claim': 'mandatory',
        'email-claim': 'mandatory',
        'scope-claim': 'no',
        'jwks-show': true,
      },
    })
    await post('/user/', { ...ADA, name: 'Ada Lovelace', email: 'ada@example.com', enabled: true, scope: ['openid'] })
    return provider
  } catch (error) {
    provider.kill()
    throw error
  }
}

async function answers(url: string, provider: ChildProcess): Promise<void> {
  const deadline = Date.now() + START_DEADLINE_MS
  for (;;) {
    try {
      return void (await fetch(url))
    } catch (error) {
      if (Date.now() > deadline || provider.exitCode !== null) throw error
      await setTimeout(100)
    }
  }
}
