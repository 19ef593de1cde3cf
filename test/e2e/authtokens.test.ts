// Authtokens and the tunnels they permit: made, limited and revoked by the command line while the relay runs.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'

import { Browser } from '../support/browser/browser.ts'

import { Processes, RELAY } from '../support/processes.ts'
import type { AgentOptions } from '../support/processes.ts'
import type { RunningProcess } from '../support/running-process.ts'

const UNKNOWN_TOKEN = `sp_${'x'.repeat(30)}`

describe('authtokens', { timeout: 120_000 }, () => {
  let processes: Processes
  let app: Server
  let upstream: string

  before(async () => {
    app = createServer((_, response) => response.end('the app'))
    app.listen(0, '127.0.0.1')
    await once(app, 'listening')
    upstream = `http://127.0.0.1:${(app.address() as AddressInfo).port}` // it listens on a port
    processes = await Processes.create()
    await processes.startRelay({
      edges: [
        { id: 'edg_app', hosts: ['app.localhost'] },
        { id: 'edg_other', hosts: ['other.localhost'] },
      ],
      config: { limits: { failed_agent_logins_per_minute: 4 } },
    })
  })
  after(async () => {
    await processes.close()
    app.close().closeAllConnections()
  })

  function launch(options: Pick<AgentOptions, 'authtoken' | 'labels' | 'name'>): RunningProcess {
    return processes.launchAgent({ upstream, ...options })
  }

  /** Waits until the agent has ended; returns its last error. */
  async function refused(agent: RunningProcess): Promise<string> {
    assert.deepEqual(await agent.exited, { code: 1, signal: null }, agent.tail)
    const entry = agent.entries.findLast(({ level }) => Number(level) >= 50)
    assert.ok(entry, `the agent says why it ends: ${agent.tail}`)
    return String(entry.msg)
  }

  function metric(name: string, metrics: string): number {
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(metrics)?.[1])
  }

  it('attack 38: an agent without an authtoken is refused, and told how to make one', async () => {
    const told = await refused(launch({ authtoken: UNKNOWN_TOKEN, labels: ['edge=edg_app'], name: 'too early' }))
    assert.match(told, /no authtokens yet/)
    assert.match(told, /relay authtoken create/)
    assert.equal((await new Browser().fetch(processes.origin('app.localhost'))).status, 503)
  })

  it('attack 37: a label that the authtoken does not permit is refused, and so is every part and extension of it', async () => {
    const authtoken = await processes.createAuthtoken('bind:edge=edg_app')
    const others = [
      'edge=edg_other',
      'edge=edg_ap',
      'edge=edg_apps',
      'edge=EDG_APP',
      '__proto__=edg_app',
      'constructor=x',
    ]
    const agents = others.map((label) => launch({ authtoken, labels: [label], name: label }))
    for (const agent of agents) assert.match(await refused(agent), /does not permit/, agent.name)
    // A permitted label does not carry another one in.
    await refused(launch({ authtoken, labels: ['edge=edg_app', 'team=red'], name: 'one more' }))
    assert.equal((await new Browser().fetch(processes.origin('other.localhost'))).status, 503)

    await processes.startAgent({ authtoken, labels: ['edge=edg_app'], upstream, name: 'permitted' })
    assert.equal((await new Browser().fetch(processes.origin('app.localhost'))).body, 'the app')
  })

  it('attack 39: revoking an authtoken ends its sessions at once; those of others continue', async () => {
    const authtoken = await processes.createAuthtoken('bind:edge=edg_other')
    const labels = ['edge=edg_other']
    const agents = await Promise.all(
      ['one', 'two'].map((name) => processes.startAgent({ authtoken, labels, upstream, name })),
    )
    assert.equal((await new Browser().fetch(processes.origin('other.localhost'))).status, 200)

    const listed = await processes.run([RELAY, 'authtoken', 'list', '--json', '--config', processes.configFile])
    const rows = JSON.parse(listed.stdout) as { id: string; acl: string[] }[] // the command's own JSON
    const { id } = rows.find(({ acl }) => acl.includes('bind:edge=edg_other'))!
    assert.doesNotMatch(listed.stdout, new RegExp(authtoken))
    const revoked = await processes.run([RELAY, 'authtoken', 'revoke', id, '--config', processes.configFile])
    assert.equal(revoked.code, 0, revoked.stderr)
    for (const { process } of agents) assert.match(await refused(process), /revoked/)

    assert.equal((await new Browser().fetch(processes.origin('other.localhost'))).status, 503)
    assert.equal((await new Browser().fetch(processes.origin('app.localhost'))).body, 'the app')
    assert.match(await refused(launch({ authtoken, labels, name: 'again' })), /unknown or revoked/)
    const { body } = await new Browser().fetch(`${processes.adminUrl}/metrics`)
    assert.equal(metric('sallyport_tunnels', body), 1)
    assert.equal(metric('sallyport_tunnel_sessions', body), 2, 'the two of the agent that is permitted')
  })

  it('limits failed logins from one address, but not valid ones, and never writes a token into a log', async () => {
    // Two have failed above; the limit is four in a minute.
    const valid = await processes.createAuthtoken()
    const wrong = ['wrong 1', 'wrong 2'].map((name) =>
      launch({ authtoken: UNKNOWN_TOKEN, labels: ['edge=edg_app'], name }),
    )
    for (const agent of wrong) await refused(agent)
    const late = launch({ authtoken: UNKNOWN_TOKEN, labels: ['edge=edg_app'], name: 'late' })
    await late.waitForLine('too many attempts', (line) => line.includes('too many attempts'))
    assert.ok(late.isRunning, 'it waits and tries again')
    // Behind the same address.
    const good = launch({ authtoken: valid, labels: ['edge=edg_app'], name: 'good' })
    await good.waitForEntry('tunnel online')
    for (const agent of [late, good]) {
      agent.kill('SIGTERM')
      await agent.exited
    }

    const logs = [...processes.relay.lines, ...late.lines, ...good.lines].join('\n')
    assert.equal(logs.includes(UNKNOWN_TOKEN), false)
    assert.equal(logs.includes(valid), false)
  })
})
