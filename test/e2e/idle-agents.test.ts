// A thousand agents that have nothing to do: all are counted, visitors do not notice, and each costs little memory.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'

import { Browser } from '../support/browser/browser.ts'

import { Processes } from '../support/processes.ts'

const AGENTS = 1000
// Generous: bench/ holds the relay to 40 kB, here only a leak or a thoughtless buffer must show.
const SESSION_MAX_BYTES = 200_000

describe('a thousand idle agents', { timeout: 120_000 }, () => {
  let processes: Processes
  let app: Server

  before(async () => {
    app = createServer((_, response) => response.end('the app'))
    app.listen(0, '127.0.0.1')
    await once(app, 'listening')
    processes = await Processes.create()
    await processes.startRelay({
      edges: [
        { id: 'edg_app', hosts: ['app.localhost'] },
        { id: 'edg_idle', hosts: ['idle.localhost'] },
      ],
    })
  })
  after(async () => {
    await processes.close()
    app.close().closeAllConnections()
  })

  it('are all counted, leave visitors alone, cost little memory, and are forgotten when they go', async (test) => {
    const authtoken = await processes.createAuthtoken()
    const upstream = `http://127.0.0.1:${(app.address() as AddressInfo).port}` // it listens on a port
    await processes.startAgent({
      authtoken,
      labels: ['edge=edg_app'],
      upstream,
      name: 'busy',
      flags: ['--connections', '1'],
    })
    const visit = async (host: string): Promise<string> => (await new Browser().fetch(processes.origin(host))).body
    assert.equal(await visit('app.localhost'), 'the app')

    const before = processes.relay.residentBytes
    const fixture = join(import.meta.dirname, 'fixtures/idle-agents.ts')
    const idle = processes.start(
      'idle agents',
      [fixture, processes.publicUrl, String(AGENTS), 'edge=edg_idle', upstream],
      { SALLYPORT_AUTHTOKEN: authtoken },
    )
    await idle.waitForLine('all online', (line) => line.includes(`"online":${AGENTS}`))
    const during = processes.relay.residentBytes

    assert.deepEqual(await counted(), { sessions: AGENTS + 1, tunnels: AGENTS + 1 })
    assert.equal(await visit('app.localhost'), 'the app')
    assert.equal(await visit('idle.localhost'), 'the app')

    idle.kill('SIGKILL')
    await idle.exited
    let gone = 0
    await processes.relay.waitForEntry('agent disconnected', () => ++gone === AGENTS)
    assert.deepEqual(await counted(), { sessions: 1, tunnels: 1 })
    assert.equal(await visit('app.localhost'), 'the app')

    if (before === undefined || during === undefined) {
      test.diagnostic('memory is not looked at: this system has no /proc')
      return
    }
    const each = Math.round((during - before) / AGENTS)
    test.diagnostic(`relay: ${Math.round(before / 1e6)} MB before, ${each} bytes for each idle session`)
    assert.ok(each < SESSION_MAX_BYTES, `${each} bytes for each idle session`)
  })

  async function counted(): Promise<{ sessions: number; tunnels: number }> {
    const { body } = await new Browser().fetch(`${processes.adminUrl}/metrics`)
    const value = (name: string): number => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(body)?.[1])
    return { sessions: value('sallyport_tunnel_sessions'), tunnels: value('sallyport_tunnels') }
  }
})
