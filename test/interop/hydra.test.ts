// Sign-in with an independent provider: Ory Hydra, which asks a page of its operator for the user's identity, and whose
// logout tokens have no `exp`. Skipped with the reason if it is missing; `npm run test:long` builds it if Go is
// installed.

import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'
import { after, before, describe, it, type TestContext } from 'node:test'

import { Browser } from '../support/browser/browser.ts'
import { redirectUri } from '@sallyport/server'
import { decodeJwt } from 'jose'

import { ask } from '../support/ask.ts'
import { findHydra } from '../support/programs/hydra.ts'
import { RELAY, freePort } from '../support/processes.ts'
import { RecordingApp } from '../support/recording-app.ts'
import { RunningProcess } from '../support/running-process.ts'
import { signIn } from '../support/sign-in.ts'
import { startStack, type Stack } from '../support/stack.ts'

const REASON =
  'no Ory Hydra: npm run test:long builds it where Go is, or name the program in SALLYPORT_TEST_HYDRA to run this'
const START_DEADLINE_MS = 30_000
const REFRESH_DEADLINE_MS = 30_000
const SECRET = 'a-secret_of.the~tests'
const ADA = { username: 'ada', password: 'lovelace' }

describe('interop with Ory Hydra', { timeout: 120_000 }, () => {
  let house: House | undefined

  before(async () => {
    const hydra = findHydra()
    if (hydra !== undefined) house = await startHouse(hydra)
  })
  after(() => house?.close())

  function there(test: TestContext): House | undefined {
    if (!house) test.skip(REASON)
    return house
  }

  it('relay oidc check finds nothing wrong, and knows a wrong secret', async (test) => {
    const hydra = there(test)
    if (!hydra) return
    const check = async (secret: string): Promise<string> => {
      const words = ['--client-id', 'sallyport', '--client-secret', secret, '--public-url', hydra.relayOrigin]
      const command = [RELAY, 'oidc', 'check', hydra.issuer, ...words, '--scope', 'openid offline_access']
      const running = new RunningProcess('relay oidc check', command, process.env)
      await running.exited
      return running.output.join('\n')
    }
    const right = await check(SECRET)
    for (const about of ['issuer', 'clock', 'keys', 'credentials', 'redirect URI']) {
      assert.match(right, new RegExp(`✔ ${about} `), right)
    }
    assert.match(right, /\? post-logout .*without an ID token/)
    assert.match(right, /\nNo problem found, but not everything could be checked: post-logout\.\n*$/)
    assert.match(await check('nope'), /✘ credentials +it does not accept this client id and secret \(invalid_client/)
  })

  it('signs in, and signs out there too', async (test) => {
    const hydra = there(test)
    if (!hydra) return
    const browser = await signIn(hydra.url, ADA)
    assert.deepEqual(hydra.app.values('Sallyport-Auth-User-Email'), ['ada@example.com'])
    assert.deepEqual(hydra.app.values('Sallyport-Auth-User-Groups'), ['staff'])
    const landed = await browser.submit(await browser.open(new URL('/.sallyport/logout', hydra.url)))
    assert.equal(new URL(landed.url).pathname, '/.sallyport/signed-out')
    await asksForThePassword(browser, hydra)
  })

  it('real-providers 4: a sign-out there ends the session here, by a logout token without exp, taken once', async (test) => {
    const hydra = there(test)
    if (!hydra) return
    const browser = await signIn(hydra.url, ADA)
    const told = once(hydra.logoutTokens, 'told')
    await browser.open(`${hydra.issuer}oauth2/sessions/logout`)
    const [{ token, status }] = (await told) as [{ token: string; status: number }]
    const { exp, iat, sid } = decodeJwt(token)
    assert.deepEqual([exp, typeof iat, typeof sid], [undefined, 'number', 'string'])
    assert.equal(status, 200)
    await asksForThePassword(browser, hydra)
    assert.equal(await hydra.tell(token), 400, 'it has been taken')
    const [head = '', claims = '', signature = ''] = token.split('.')
    const other = Buffer.from(JSON.stringify({ ...decodeJwt(token), jti: 'another' })).toString('base64url')
    assert.notEqual(other, claims)
    assert.equal(await hydra.tell(`${head}.${other}.${signature}`), 400, 'nobody has signed it')
  })

  it('a refresh brings Hydra’s current claims: a visitor who has left the group is out', async (test) => {
    const hydra = there(test)
    if (!hydra) return
    const browser = await signIn(hydra.url, ADA)
    hydra.groupsAtRefresh = ['press']
    const reached = hydra.app.heads.length
    const deadline = Date.now() + REFRESH_DEADLINE_MS
    let page = await browser.open(hydra.url)
    assert.equal(page.status, 200)
    for (; page.status === 200 && Date.now() < deadline; page = await browser.open(hydra.url)) await setTimeout(500)
    assert.equal(page.headers['sallyport-error-code'], 'ERR_NOT_ALLOWED', `${page.status} ${hydra.stack.log.at(-1)}`)
    assert.ok(hydra.app.heads.length > reached, 'until then the session stood')
  })
})

async function asksForThePassword(browser: Browser, { app, url }: House): Promise<void> {
  const reached = app.heads.length
  const page = await browser.open(url)
  assert.match(page.body, /name="password"/, `${page.status} at ${page.url}`)
  assert.equal(app.heads.length, reached, 'nothing has reached the app')
}

/** Hydra with the pages that it leaves to its operator, a relay that signs in there, an agent, and an app. */
class House {
  readonly issuer: string
  readonly relayOrigin: string
  /** A page behind the sign-in. */
  readonly url: string
  readonly stack: Stack
  readonly app: RecordingApp
  /** Reports each logout token that Hydra has sent: `told`, with the token and the relay's answer. */
  readonly logoutTokens = new EventEmitter()
  /** The claims of every user when tokens are refreshed. */
  groupsAtRefresh: readonly string[] = ['staff']
  readonly #hydra: ChildProcess
  readonly #pages: Server
  readonly #admin: string

  constructor(init: {
    stack: Stack
    app: RecordingApp
    issuer: string
    hydra: ChildProcess
    pages: Server
    admin: string
  }) {
    this.stack = init.stack
    this.app = init.app
    this.issuer = init.issuer
    this.relayOrigin = `http://relay.localhost:${init.stack.port}`
    this.url = `http://app.localhost:${init.stack.port}/wanted`
    this.#hydra = init.hydra
    this.#admin = init.admin
    this.#pages = init.pages.on('request', (request: IncomingMessage, response: ServerResponse) => {
      this.#answer(request, response).catch((error: unknown) => response.destroy(error as Error)) // nothing else is thrown
    })
  }

  /** Hands the relay a logout token. @returns the status of its answer */
  async tell(token: string): Promise<number> {
    const { status } = await ask(this.stack.port, {
      host: new URL(this.relayOrigin).host,
      path: '/oidc/backchannel-logout',
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ logout_token: token }).toString(),
    })
    return status
  }

  async close(): Promise<void> {
    await this.stack.close()
    this.#pages.close()
    await stop(this.#hydra)
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<unknown> {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://house')
    const form = new URLSearchParams(pathname === '/refreshed' ? '' : await text(request))
    const goOn = async (what: string, body: object): Promise<unknown> =>
      response.writeHead(303, { location: await this.#accept(what, searchParams, body) }).end()
    switch (`${request.method} ${pathname}`) {
      case 'GET /login':
        return response.end('<form method="post"><input name="username"><input name="password"></form>')
      case 'POST /login': {
        const isAda = form.get('username') === ADA.username && form.get('password') === ADA.password
        if (!isAda) return response.writeHead(401).end()
        return goOn('login', { subject: ADA.username, remember: true })
      }
      case 'GET /consent':
        return goOn('consent', {
          grant_scope: ['openid', 'offline_access'],
          session: { id_token: claims(['staff']) },
        })
      case 'GET /logout':
        return goOn('logout', {})
      case 'POST /refreshed':
        response.setHeader('content-type', 'application/json')
        return response.end(JSON.stringify({ session: { id_token: claims(this.groupsAtRefresh), access_token: {} } }))
      case 'POST /signed-out': {
        const token = form.get('logout_token') ?? ''
        const status = await this.tell(token)
        response.writeHead(status).end()
        return this.logoutTokens.emit('told', { token, status })
      }
      default:
        return response.writeHead(404).end()
    }
  }

  /** @returns the browser's next address */
  async #accept(what: string, query: URLSearchParams, body: object): Promise<string> {
    const url = `${this.#admin}/admin/oauth2/auth/requests/${what}/accept?${query.toString()}`
    const answer = await fetch(url, { method: 'PUT', body: JSON.stringify(body) })
    assert.equal(answer.status, 200, url)
    return ((await answer.json()) as { redirect_to: string }).redirect_to // as its API says
  }
}

function claims(groups: readonly string[]): object {
  return { name: 'Ada Lovelace', email: 'ada@example.com', email_verified: true, groups }
}

async function startHouse(program: string): Promise<House> {
  const [port, publicPort, adminPort] = await Promise.all([freePort(), freePort(), freePort()])
  const pages = createServer().listen(0, '127.0.0.1')
  await once(pages, 'listening')
  const origin = `http://127.0.0.1:${(pages.address() as AddressInfo).port}` // it listens on a port
  const issuer = `http://127.0.0.1:${publicPort}/`
  const admin = `http://127.0.0.1:${adminPort}`
  const hydra = spawn(program, ['serve', 'all', '--dev'], {
    stdio: 'ignore',
    env: {
      DSN: 'memory',
      SECRETS_SYSTEM: 'a secret of the tests and of nobody',
      SERVE_PUBLIC_HOST: '127.0.0.1',
      SERVE_PUBLIC_PORT: String(publicPort),
      SERVE_ADMIN_HOST: '127.0.0.1',
      SERVE_ADMIN_PORT: String(adminPort),
      URLS_SELF_ISSUER: issuer,
      URLS_LOGIN: `${origin}/login`,
      URLS_CONSENT: `${origin}/consent`,
      URLS_LOGOUT: `${origin}/logout`,
      OAUTH2_REFRESH_TOKEN_HOOK_URL: `${origin}/refreshed`,
      SQA_OPT_OUT: 'true', // it would tell its makers of its use
    },
  })
  try {
    await isReady(`${admin}/health/ready`, hydra)
    const relayOrigin = `http://relay.localhost:${port}`
    const created = await fetch(`${admin}/admin/clients`, {
      method: 'POST',
      body: JSON.stringify({
        client_id: 'sallyport',
        client_secret: SECRET,
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        scope: 'openid offline_access',
        redirect_uris: [redirectUri(relayOrigin, issuer)],
        post_logout_redirect_uris: [`${relayOrigin}/oidc/signed-out`],
        // Go looks relay.localhost up in DNS.
        backchannel_logout_uri: `${origin}/signed-out`,
        backchannel_logout_session_required: true,
      }),
    })
    assert.equal(created.status, 201, await created.text())
    const app = new RecordingApp()
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
            config:
              issuer_url: "${issuer}"
              client_id: sallyport
              client_secret: "${SECRET}"
              scopes: [openid, offline_access]
              userinfo_refresh_interval: 10s
              allow: { groups: { any_of: [staff] } }
`,
    })
    return new House({ stack, app, issuer, hydra, pages, admin })
  } catch (error) {
    pages.close()
    await stop(hydra)
    throw error
  }
}

async function isReady(url: string, hydra: ChildProcess): Promise<void> {
  const deadline = Date.now() + START_DEADLINE_MS
  for (;;) {
    const answer = await fetch(url).catch(() => undefined) // nothing listens yet
    if (answer?.status === 200) return
    assert.ok(Date.now() < deadline && hydra.exitCode === null, `Hydra is not ready: ${answer?.status}`)
    await setTimeout(200)
  }
}

async function stop(hydra: ChildProcess): Promise<void> {
  if (hydra.exitCode !== null || hydra.signalCode !== null) return
  hydra.kill()
  await once(hydra, 'exit')
}
