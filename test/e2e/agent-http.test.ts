// The guides' first way, as people go it: one command beside the app, and visitors sign in at the provider before a byte
// reaches it. Real processes, the real provider, a browser without a screen.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'

import { Browser } from '../support/browser/browser.ts'
import { redirectUri } from '@sallyport/server'

import { AGENT, Processes, RELAY } from '../support/processes.ts'
import type { RunningProcess } from '../support/running-process.ts'
import { signIn } from '../support/sign-in.ts'

describe('agent http', { timeout: 120_000 }, () => {
  let processes: Processes
  let app: Server
  let upstream: string
  let authtoken: string
  let asked = 0

  before(async () => {
    app = createServer((request, response) => {
      asked += 1
      response.end(`hello ${request.headers['sallyport-auth-user-email']?.toString() ?? 'nobody'}`)
    })
    app.listen(0, '127.0.0.1')
    await once(app, 'listening')
    upstream = String((app.address() as AddressInfo).port) // it listens on a port
    processes = await Processes.create()
    await processes.startProvider()
    await processes.startRelay({ edges: [] })
    authtoken = await processes.createAuthtoken()
  })
  after(async () => {
    await processes.close()
    app.close().closeAllConnections()
  })

  const secret = (): string => String(processes.env['E2E_CLIENT_SECRET'])

  function launch(flags: readonly string[], env: NodeJS.ProcessEnv = {}): RunningProcess {
    return processes.start('agent http', [AGENT, 'http', upstream, ...flags], {
      SALLYPORT_SERVER: processes.publicUrl,
      SALLYPORT_AUTHTOKEN: authtoken,
      ...env,
    })
  }

  const oidc = (): string[] => ['--oidc', processes.issuer, '--oidc-client-id', 'e2e']

  /** The address on the agent's own line. */
  async function forwarding(agent: RunningProcess): Promise<string> {
    const line = await agent.waitForLine('its address', (each) => each.startsWith('Forwarding '))
    const [, url] = /^Forwarding (\S+) -> http:\/\/localhost:\d+$/.exec(line) ?? []
    assert.ok(url, line)
    return `${url}/`
  }

  it('prints the address and the redirect URI, and lets nobody through before the sign-in', async () => {
    const agent = launch(oidc(), { SALLYPORT_OIDC_CLIENT_SECRET: secret() })
    const url = await forwarding(agent)
    assert.match(url, new RegExp(`^http://[a-z2-7]{16}\\.localhost:${processes.port}/$`))
    const line = await agent.waitForLine('the redirect URI', (each) => each.startsWith('Redirect URI'))
    assert.ok(line.endsWith(` ${redirectUri(processes.publicUrl, processes.issuer)}`), line)

    assert.equal((await new Browser().fetch(url)).status, 401)
    assert.equal(asked, 0, 'no byte has reached the app')
    const visitor = await signIn(url)
    assert.equal((await visitor.fetch(url)).body, 'hello ada@example.com')
    agent.kill('SIGTERM')
    assert.deepEqual(await agent.exited, { code: 0, signal: null })
    assert.equal((await visitor.fetch(url)).status, 503)
  })

  it('keeps its address and its visitors over a restart of the relay', async () => {
    const agent = launch([...oidc(), '--oidc-client-secret', secret()])
    const url = await forwarding(agent)
    const visitor = await signIn(url)
    processes.relay.kill('SIGKILL')
    await processes.relay.exited
    const since = agent.lines.length
    await processes.restartRelay()
    await processes.relay.waitForEntry('tunnel online', ({ endpoint }) => `${String(endpoint)}/` === url)
    assert.equal((await visitor.fetch(url)).body, 'hello ada@example.com')
    assert.equal((await new Browser().fetch(url)).status, 401)
    assert.equal(agent.lines.slice(since).filter((line) => line.startsWith('Forwarding')).length, 0, 'nothing is new')

    // An agent that is not back yet: the address is known, but its policy is not.
    agent.kill('SIGKILL')
    await agent.exited
    processes.relay.kill('SIGTERM')
    await processes.relay.exited
    await processes.restartRelay()
    const page = await visitor.fetch(url)
    assert.equal(page.status, 503)
    assert.match(page.body, /The relay was restarted/)
  })

  it('attack 44: leaves its secret in no log and no store', async () => {
    const agent = launch([...oidc(), '--log-level', 'debug', '--url', processes.origin('quiet.localhost')], {
      SALLYPORT_OIDC_CLIENT_SECRET: secret(),
    })
    await signIn(await forwarding(agent))
    assert.doesNotMatch(agent.lines.join('\n'), new RegExp(secret()))
    assert.doesNotMatch(processes.relay.lines.join('\n'), new RegExp(secret()))
    for (const name of await readdir(processes.folder)) {
      if (!name.startsWith('relay.db')) continue
      assert.equal((await readFile(join(processes.folder, name))).includes(secret()), false, name)
    }
    agent.kill('SIGTERM')
    await agent.exited
  })

  it('shares an address between agents that pool, and ends a second one that does not, with 1', async () => {
    const flags = ['--domain', 'shared.localhost', '--pooling-enabled']
    const first = launch(flags)
    const url = await forwarding(first)
    const alone = launch(['--domain', 'shared.localhost'])
    assert.equal((await alone.exited).code, 1)
    assert.match(alone.lines.join('\n'), /another agent serves .*--pooling-enabled/)
    const second = launch(flags)
    await forwarding(second)
    assert.equal((await new Browser().fetch(url)).body, 'hello nobody')
    first.kill('SIGTERM')
    await first.exited
    assert.equal((await new Browser().fetch(url)).body, 'hello nobody')
    second.kill('SIGTERM')
    await second.exited
  })

  it('makes way for an agent restarted after a crash', async () => {
    const flags = ['--domain', 'crashed.localhost']
    const first = launch(flags)
    const url = await forwarding(first)
    first.kill('SIGKILL')
    await forwarding(launch(flags))
    assert.equal((await new Browser().fetch(url)).body, 'hello nobody')
  })

  it('attack 37: ends with 1 if the authtoken does not permit the address', async () => {
    const narrow = await processes.createAuthtoken('bind:mine.localhost')
    const before_ = asked
    const agent = launch(['--domain', 'yours.localhost'], { SALLYPORT_AUTHTOKEN: narrow })
    assert.equal((await agent.exited).code, 1)
    assert.match(agent.lines.join('\n'), /does not permit the host yours\.localhost/)
    assert.equal((await new Browser().fetch(processes.origin('yours.localhost'))).status, 404)
    assert.equal(asked, before_)
    const other = launch(['--domain', 'mine.localhost'], { SALLYPORT_AUTHTOKEN: narrow })
    assert.equal(await forwarding(other), `${processes.origin('mine.localhost')}/`)
    other.kill('SIGTERM')
    await other.exited
  })

  it('ends with 2 and the wrong flags, whether agent or relay has found them', async () => {
    const here = launch([
      '--oidc',
      'login.example.com',
      '--cidr-allow',
      '10.0.0.0/8',
      '--request-header-add',
      'nonsense',
    ])
    assert.equal((await here.exited).code, 2)
    const told = here.errors.join('\n')
    for (const flag of ['--oidc', '--oidc-client-id', '--request-header-add'])
      assert.match(told, new RegExp(`^${flag}: `, 'm'))

    const there = launch(['--oidc', 'http://login.example.com', '--oidc-client-id', 'x', '--cidr-allow', '10.0.0.0/99'])
    assert.equal((await there.exited).code, 2)
    assert.match(there.errors.join('\n'), /^--oidc: must be https/m)
    assert.match(there.errors.join('\n'), /^--cidr-allow: /m)
  })

  it('sends no secret to a relay without TLS', async () => {
    const agent = launch([...oidc(), '--server', 'http://relay.example.com'], {
      SALLYPORT_OIDC_CLIENT_SECRET: secret(),
    })
    assert.equal((await agent.exited).code, 2)
    assert.match(agent.errors.join('\n'), /^--oidc-client-secret: .*not encrypted.*https/m)
    assert.doesNotMatch(agent.lines.join('\n'), new RegExp(secret()))
  })

  it('needs sign-in if the operator says so', async () => {
    processes.relay.kill('SIGTERM')
    await processes.relay.exited
    await processes.startRelay({ edges: [], config: { require_sign_in: true } })
    const open = launch(['--domain', 'open.localhost'])
    assert.equal((await open.exited).code, 1)
    assert.match(open.lines.join('\n'), /require_sign_in/)
    assert.equal((await new Browser().fetch(processes.origin('open.localhost'))).status, 404)
    const signedIn = launch([...oidc(), '--domain', 'open.localhost'], { SALLYPORT_OIDC_CLIENT_SECRET: secret() })
    assert.equal((await new Browser().fetch(await forwarding(signedIn))).status, 401)
    const checked = await processes.run([RELAY, 'check', '--config', processes.configFile])
    assert.equal(checked.code, 0)
  })
})
