// The guide with a policy file, step by step: policy.yaml, one command, a private window, the provider's page, the app.
// See `guides.md`, C: the file is the guide's, with the issuer of a provider that is set up as Descope is.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'

import { redirectUri } from '@sallyport/server'

import { DESCOPE } from '../providers/descope.ts'
import { MEMBER } from '../providers/provider-profile.ts'
import { Browser } from '../support/browser/browser.ts'
import { ChromiumBrowser, NO_CHROMIUM } from '../support/browser/chromium-browser.ts'
import { startIdentityProvider } from '../support/identity-provider/identity-provider.ts'
import type { IdentityProvider } from '../support/identity-provider/identity-provider.ts'
import { AGENT, Processes } from '../support/processes.ts'
import type { RunningProcess } from '../support/running-process.ts'

describe('the Descope guide (traffic policy)', { timeout: 120_000 }, () => {
  let processes: Processes
  let provider: IdentityProvider
  let app: Server
  let asked = 0

  before(async () => {
    app = createServer((request, response) => {
      asked += 1
      response.setHeader('content-type', 'text/html')
      response.end(`<!doctype html><p id="who">${String(request.headers['sallyport-auth-user-email'])}</p>`)
    })
    app.listen(0, '127.0.0.1')
    await once(app, 'listening')
    processes = await Processes.create()
    provider = await startIdentityProvider({
      ...DESCOPE.provider,
      port: 0,
      host: 'idp.localhost',
      users: [{ ...MEMBER, claims: { ...DESCOPE.member } }],
      clients: [{ ...DESCOPE.client, redirect_uris: (issuer) => [redirectUri(processes.publicUrl, issuer)] }],
    })
    await processes.startRelay({ edges: [] })
  })
  after(async () => {
    await processes.close()
    await provider.close()
    app.close().closeAllConnections()
  })

  const upstream = (): string => String((app.address() as AddressInfo).port) // it listens on a port

  /** The guide's file: one key, one rule, one action. */
  async function policyFile(name: string, { issuer = provider.issuer, more = '' } = {}): Promise<string> {
    const file = join(processes.folder, name)
    const { client_id, client_secret } = DESCOPE.client
    await writeFile(
      file,
      `on_http_request:
  - actions:
      - type: openid-connect
        config:
          issuer_url: '${issuer}'
          client_id: '${client_id}'
          client_secret: '${client_secret}'
          scopes:
            - openid
            - profile
            - email
${more}`,
    )
    return file
  }

  async function launch(...flags: readonly string[]): Promise<RunningProcess> {
    return processes.start('agent http', [AGENT, 'http', upstream(), ...flags], {
      SALLYPORT_SERVER: processes.publicUrl,
      SALLYPORT_AUTHTOKEN: await processes.createAuthtoken(),
    })
  }

  it('signs visitors in with the policy of the file', async (test) => {
    const chromium = await ChromiumBrowser.start()
    if (!chromium) return test.skip(NO_CHROMIUM)
    const url = processes.origin('guide.localhost')
    const agent = await launch('--traffic-policy-file', await policyFile('policy.yaml'), '--url', url)
    try {
      await agent.waitForLine('its address', (line) => line === `Forwarding ${url} -> http://localhost:${upstream()}`)
      await agent.waitForLine('the redirect URI', (line) => line.startsWith('Redirect URI to register'))
      const window = await chromium.privateWindow()
      const page = await window.newPage()
      await page.goto(`${url}/page?a=b`)
      assert.equal(new URL(page.url()).origin, new URL(provider.issuer).origin)
      assert.equal(asked, 0, 'no byte has reached the app')
      await page.getByLabel('Username').fill(MEMBER.username)
      await page.getByLabel('Password').fill(MEMBER.password)
      await page.getByRole('button', { name: 'Sign in' }).click()
      await page.waitForURL(`${url}/page?a=b`)
      assert.equal(await page.locator('#who').textContent(), 'ada@example.com')
      await window.close()
    } finally {
      agent.kill('SIGTERM')
      await agent.exited
      await chromium.close()
    }
  })

  it('ends with 2 and the line of each problem', async () => {
    const more = `      - type: restrict-ips
        config:
          allow: [10.0.0.0/99]
  - actions:
      - type: dney
`
    const file = await policyFile('wrong.yaml', { issuer: 'http://login.example.com', more })
    const agent = await launch('--traffic-policy-file', file)
    assert.equal((await agent.exited).code, 2)
    const told = agent.errors.join('\n')
    assert.match(told, /wrong\.yaml:5:11 on_http_request\[0\]\.actions\[0\]\.config\.issuer_url: must be https/)
    assert.match(told, /wrong\.yaml:14:19 on_http_request\[0\]\.actions\[1\]\.config\.allow\[0\]: /)
    assert.match(told, /wrong\.yaml:16:9 on_http_request\[1\]\.actions\[0\]\.type: .*did you mean deny/)
    assert.doesNotMatch(agent.lines.join('\n'), new RegExp(DESCOPE.client.client_secret ?? 'none'))
  })

  it('takes the policy from an address', async () => {
    const text = '{"on_http_request":[{"actions":[{"type":"deny","config":{"status_code":418}}]}]}'
    const server = createServer((_, response) => void response.end(text))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo // it listens on a port
    try {
      const url = processes.origin('fetched.localhost')
      const agent = await launch('--traffic-policy-url', `http://127.0.0.1:${port}/policy.json`, '--url', url)
      await agent.waitForLine('its address', (line) => line.startsWith('Forwarding'))
      assert.equal((await new Browser().fetch(url)).status, 418)
      agent.kill('SIGTERM')
      await agent.exited
    } finally {
      server.close().closeAllConnections()
    }
  })
})
