// oauth, whole: visitors sign in at a real provider under the names of Google, GitLab and LinkedIn. The table of providers is
// injected where the action is defined, so no key of the configuration can move an issuer. Real relay, agent and sockets.

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import { after, before, beforeEach, describe, it } from 'node:test'

import { Browser } from '../../../../../test/support/browser/browser.ts'
import type { Visit } from '../../../../../test/support/browser/browser.ts'
import { freePort } from '../../../../../test/support/processes.ts'
import { startIdentityProvider } from '../../../../../test/support/identity-provider/identity-provider.ts'
import type { IdentityProvider } from '../../../../../test/support/identity-provider/identity-provider.ts'
import { startStack } from '../../../../../test/support/stack.ts'
import type { Stack } from '../../../../../test/support/stack.ts'
import { edgeReader } from '../../model/read-edges.ts'
import { redirectUri } from '../../model/redirect-uri.ts'
import { KINDS } from '../kinds.ts'
import { oauthKindOf } from './kind.ts'
import { OAUTH_PROVIDERS } from './oauth-providers.ts'

const PASSWORD = 'correct horse battery staple'
const CLIENT = { client_id: 'relay', client_secret: 'a secret of the client' }

const userOf = (name: string, email: string) => ({
  username: name,
  password: PASSWORD,
  claims: { email, email_verified: true, name },
})

describe('oauth at the relay (traffic policy, oauth)', { timeout: 60_000 }, () => {
  let stack: Stack
  let provider: IdentityProvider
  let got: IncomingHttpHeaders[] = []

  before(async () => {
    const port = await freePort()
    const back = (issuer: string): string[] => [redirectUri(`http://relay.localhost:${port}`, issuer)]
    provider = await startIdentityProvider({
      port: 0,
      host: 'idp.localhost',
      users: [userOf('ada', 'ada@example.com'), userOf('eve', 'eve@example.org')],
      clients: [
        { ...CLIENT, redirect_uris: back },
        { ...CLIENT, client_id: 'linked', redirect_uris: back, token_endpoint_auth_method: 'client_secret_post' },
      ],
    })
    const { issuer } = provider
    const { google, gitlab, linkedin } = OAUTH_PROVIDERS
    const providers = {
      ...OAUTH_PROVIDERS,
      google: { ...google, issuer },
      gitlab: { ...gitlab, issuer },
      linkedin: { ...linkedin, issuer },
    }
    const edge = (name: string, ...rules: object[]): string =>
      `- ${JSON.stringify({
        id: `edg_${name}`,
        hosts: [`${name}.localhost`],
        backend: { labels: { edge: 'edg_app' } },
        policy: { on_http_request: rules },
      })}`
    const oauth = (config: object) => ({ actions: [{ type: 'oauth', config: { ...CLIENT, ...config } }] })
    const results = '${actions.ngrok.oauth.identity.email} ${actions.sallyport.oauth.identity.provider_user_id}'
    const told = {
      'X-Session': '${actions.ngrok.oidc.identity.current_session_id}',
      'X-Expires': '${actions.ngrok.oidc.expires_at}',
      'X-Id-Token': '${actions.ngrok.oidc.identity_token}',
      'X-Access': '${actions.ngrok.oidc.access_token}',
      'X-Flags':
        '${actions.ngrok.oidc.session_timed_out} ${actions.ngrok.oidc.userinfo_refreshed} ${has(actions.ngrok.oidc.refresh_token)}',
    }
    stack = await startStack({
      app: createServer((request, response) => {
        got.push(request.headers)
        response.end('the app')
      }),
      port,
      readEdges: edgeReader({ ...KINDS, oauth: oauthKindOf(providers) }),
      edges: [
        edge('listed', oauth({ provider: 'google', email_domains: ['example.com'] })),
        // As ngrok's pages have it: a rule with the result of the sign-in.
        edge(
          'ruled',
          oauth({ provider: 'gitlab' }),
          {
            expressions: ["!actions.ngrok.oauth.identity.email.endsWith('@example.com')"],
            actions: [{ type: 'deny' }],
          },
          { actions: [{ type: 'set-headers', config: { headers: { 'X-Who': results } } }] },
        ),
        edge(
          'told',
          { actions: [{ type: 'openid-connect', config: { ...CLIENT, issuer_url: issuer } }] },
          { actions: [{ type: 'set-headers', config: { headers: told } }] },
        ),
        edge('linked', oauth({ provider: 'linkedin', client_id: 'linked' })),
      ].join('\n'),
    })
  })
  after(async () => {
    await provider.close()
    await stack.close()
  })
  beforeEach(() => void (got = []))

  async function signIn(host: string, username: string): Promise<{ asked: URL; page: Visit; browser: Browser }> {
    const browser = new Browser()
    const first = await browser.visit(`http://${host}.localhost:${stack.port}/page`)
    const asked = new URL(first.next ?? '')
    assert.equal(asked.origin, new URL(provider.issuer).origin)
    assert.deepEqual(got, [], 'no byte has reached the app')
    const form = await browser.open(asked)
    return { asked, page: await browser.submit(form, { username, password: PASSWORD }), browser }
  }

  it('lets the listed people pass, and shows the others why they may not', async () => {
    const { asked, page } = await signIn('listed', 'ada')
    assert.equal(page.body, 'the app', page.body)
    assert.equal(got[0]?.['sallyport-auth-user-email'], 'ada@example.com')
    assert.equal(asked.searchParams.get('scope'), 'openid profile email')
    assert.ok(asked.searchParams.has('nonce') && asked.searchParams.has('code_challenge'))
    got = []
    const other = await signIn('listed', 'eve')
    assert.equal(other.page.status, 403)
    assert.deepEqual(got, [])
  })

  it('tells expressions who the visitor is: rules on its result decide', async () => {
    assert.equal((await signIn('ruled', 'ada')).page.body, 'the app')
    assert.equal(got[0]?.['x-who'], 'ada@example.com ada')
    got = []
    assert.equal((await signIn('ruled', 'eve')).page.status, 403)
    assert.deepEqual(got, [])
  })

  it('tells them of the session and its tokens, and of no missing values', async () => {
    const { browser } = await signIn('told', 'ada')
    const [headers = {}] = got
    const { 'x-session': session, 'x-expires': expires, 'x-id-token': token, 'x-access': access } = headers
    const cookie = browser.cookie('told.localhost', 'sallyport.')
    assert.match(String(session), /^ses_[0-9a-f]{16}$/)
    assert.ok(cookie && !cookie.value.includes(String(session)))
    assert.ok(Date.parse(String(expires)) > Date.now())
    const claims = JSON.parse(Buffer.from(String(token).split('.')[1] ?? '', 'base64url').toString()) as unknown
    assert.equal((claims as { sub: string }).sub, 'ada') // of an ID token
    assert.match(String(access), /^[\w-]{20,}$/)
    assert.equal(headers['x-flags'], 'false false false')
    assert.equal(headers['sallyport-auth-access-token'], undefined)
  })

  it('answers at ngrok’s paths, which apps link to (14.15); with openid-connect alone the app does', async () => {
    const { browser } = await signIn('listed', 'ada')
    const origin = `http://listed.localhost:${stack.port}`
    got = []
    const again = await browser.open(`${origin}/ngrok/login?redirect_path=/there`)
    assert.equal(again.url, `${origin}/there`, again.body)
    const page = await browser.open(`${origin}/ngrok/logout`)
    assert.equal(got.length, 1, 'neither has reached the app')
    await browser.submit(page)
    assert.equal(new URL((await browser.visit(origin)).next ?? '').origin, new URL(provider.issuer).origin)
    const evil = await browser.visit(`${origin}/ngrok/login?redirect_path=//evil.example`)
    assert.ok(evil.next?.startsWith(`${origin}/.sallyport/login?`))
    got = []
    const other = await signIn('told', 'ada')
    await other.browser.visit(`http://told.localhost:${stack.port}/ngrok/login`)
    assert.equal(got.length, 2)
  })

  it('leaves out parameters that LinkedIn refuses, and claims that its tokens lack', async () => {
    const { asked, page } = await signIn('linked', 'ada')
    assert.equal(page.body, 'the app', page.body)
    for (const name of ['nonce', 'code_challenge', 'code_challenge_method']) assert.ok(!asked.searchParams.has(name))
    assert.ok(asked.searchParams.has('state'))
  })

  it('attack 44: neither the secret nor a token is in any log line', () => {
    const log = stack.log.join('\n')
    assert.ok(!log.includes(CLIENT.client_secret) && !/eyJ[\w-]+\./.test(log))
  })
})
