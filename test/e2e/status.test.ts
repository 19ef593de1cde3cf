// "Who is connected?": `relay status` and `relay tunnel list` ask the running relay, over a socket beside its store.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, statSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { createServer, request } from 'node:http'
import type { IncomingMessage, Server } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'

import { Browser } from '../support/browser/browser.ts'

import type {
  AgentResource,
  EdgeResource,
  RelayStatus,
  TunnelResource,
} from '../../packages/server/src/operator/resources.ts'
import { HandAgent } from '../support/hand-agent.ts'
import { Processes, RELAY } from '../support/processes.ts'
import type { Finished } from '../support/processes.ts'
import { until } from '../support/until.ts'

const NOBODY = 65_534
const HOSTILE = '\u001b]0;owned\u0007\u001b[2J\nedg_docs  healthy\u202e'
// oxlint-disable-next-line no-control-regex
const UNFIT = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/

interface Seen {
  relay: RelayStatus
  edges: EdgeResource[]
  agents: AgentResource[]
}

describe('who is connected (the first hour, 9)', { timeout: 120_000, skip: process.platform === 'win32' }, () => {
  let processes: Processes
  let app: Server
  let token: string
  let hand: HandAgent

  const relay = (...words: string[]): Promise<Finished> =>
    processes.run([RELAY, ...words, '--config', processes.configFile])
  const socket = (): string => join(processes.folder, 'relay.sock')

  async function seen(): Promise<Seen> {
    return JSON.parse((await relay('status', '--json')).stdout) as Seen // our own command's JSON
  }

  /** As `seen`, without a process. */
  async function status(): Promise<RelayStatus> {
    const asked = request({ socketPath: socket(), path: '/api/v1/status', agent: false }).end()
    const [response] = (await once(asked, 'response')) as [IncomingMessage]
    return JSON.parse(await text(response)) as RelayStatus // of our own relay
  }

  before(async () => {
    app = createServer((_, response) => response.end('the app'))
    app.listen(0, '127.0.0.1')
    await once(app, 'listening')
    const upstream = `http://127.0.0.1:${(app.address() as AddressInfo).port}` // it listens on a port
    processes = await Processes.create()
    await processes.startRelay({
      edges: [
        { id: 'edg_docs', hosts: ['docs.localhost'] },
        { id: 'edg_shop', hosts: ['shop.localhost'], backend: { labels: { app: 'shop' } } },
      ],
      config: { workers: 2 },
    })
    token = await processes.createAuthtoken()
    const agents = ['first', 'second'].map((name) =>
      processes.startAgent({ authtoken: token, labels: ['edge=edg_docs'], upstream, name }),
    )
    await Promise.all(agents)
    hand = await HandAgent.connect(processes, token)
    hand.hello({ agent_version: HOSTILE, os: HOSTILE, machine: HOSTILE })
    hand.send({
      type: 'bind',
      tunnel_id: 1,
      labels: [['edge', 'edg_nowhere']],
      forwards_to: 'http://localhost:1',
      metadata: HOSTILE,
    })
    await hand.next('bound')
    hand.send({ type: 'health', tunnel_id: 1, healthy: false, detail: HOSTILE })
    await until('the agents are connected to both workers', async () => (await status()).agents.connections === 5)
  })
  after(async () => {
    hand?.close()
    await processes.close()
    app.close().closeAllConnections()
  })

  it('shows the relay, its edges and its agents, over all workers, each once', async () => {
    assert.equal((await new Browser().fetch(processes.origin('docs.localhost'))).body, 'the app')
    const { relay: whole, edges, agents } = await seen()
    assert.equal(whole.pid, processes.relay.pid)
    assert.equal(whole.state, 'serving')
    assert.deepEqual(whole.problems, [])
    assert.deepEqual(
      whole.workers?.map(({ state }) => state),
      ['serving', 'serving'],
    )
    assert.deepEqual(whole.store, { path: join(processes.folder, 'relay.db'), healthy: true })
    assert.deepEqual(whole.edges, { total: 2, without_tunnel: 1 })
    assert.deepEqual(whole.tunnels, { online: 3, unhealthy: 1, in_flight: 0 })
    assert.equal(whole.agents.total, 3)
    assert.deepEqual(
      edges.map(({ id, status: { state, tunnels } }) => [id, state, tunnels.online]),
      [
        ['edg_docs', 'online', 2],
        ['edg_shop', 'no_tunnel', 0],
      ],
    )
    const nodes = agents.map(({ connections }) => new Set(connections.map(({ node }) => node)).size)
    assert.deepEqual(nodes.toSorted(), [1, 2, 2])

    const listed = await relay('tunnel', 'list', '--edge', 'edg_docs', '--json')
    const tunnels = JSON.parse(listed.stdout) as TunnelResource[] // our own command's JSON
    assert.deepEqual(tunnels.map(({ metadata }) => metadata).toSorted(), ['first', 'second'])
    for (const { edges: its, health, connections, agent } of tunnels) {
      assert.deepEqual([its, health.state, connections.length], [['edg_docs'], 'healthy', 2])
      assert.ok(agent.version && agent.machine)
    }
    assert.equal(tunnels.filter((each) => each.last_request_at !== undefined).length, 1, 'one of them had the request')
    assert.doesNotMatch(listed.stdout, /sp_/)
  })

  it('shows tables that fit a terminal, without control characters of agents', async () => {
    const [shown, tunnels] = [await relay('status'), await relay('tunnel', 'list')]
    for (const { code, stdout, stderr } of [shown, tunnels]) {
      assert.deepEqual([code, stderr], [0, ''])
      assert.doesNotMatch(stdout, UNFIT)
      assert.equal(stdout.split('\n').filter((line) => line.startsWith('edg_docs  healthy\u{fffd}')).length, 0)
    }
    assert.match(shown.stdout, /serving since .*\n\n {2}Visitors {3}http:\/\/127\.0\.0\.1:\d+\n/)
    assert.match(shown.stdout, /^edg_docs {2}2 online {2}http:\/\/docs\.localhost:\d+$/m)
    assert.match(shown.stdout, /^edg_shop {2}none .*\n {2}no tunnel with app=shop$/m)
    assert.match(
      tunnels.stdout,
      /^edg_docs {2}healthy {4}\d+ s +(?:none|\d+ s ago) +0 +1 +\S+, \d+\.\d+\.\d+, 127\.0\.0\.1$/m,
    )
    assert.match(tunnels.stdout, /^none +unhealthy .*\n.*\n {2}no edge leads to it\n {2}unhealthy for \d+ s: /m)
  })

  it('answers nobody else: not at the admin port, and no other user of the machine', async (t) => {
    for (const path of ['/api/v1/status', '/api/v1/tunnels', '/api/v1/agents', '/api/v1/edges']) {
      assert.equal((await new Browser().fetch(`${processes.adminUrl}${path}`)).status, 404)
    }
    const { body } = await new Browser().fetch(`${processes.adminUrl}/metrics`)
    assert.doesNotMatch(body, /tun_|tse_|atk_|edg_/)
    assert.equal(statSync(socket()).mode & 0o777, 0o600)

    if (process.getuid?.() !== 0) return t.diagnostic('not as root: nobody else can be tried')
    chmodSync(processes.folder, 0o755)
    const words = [RELAY, 'status', '--config', processes.configFile]
    const as = { uid: NOBODY, gid: NOBODY, env: processes.env, encoding: 'utf8' } as const
    const { status: code, stderr, error } = spawnSync(process.execPath, words, as)
    if (error || /Cannot find module|permission denied, open/.test(stderr)) {
      return t.diagnostic('others may not read this clone')
    }
    assert.equal(code, 1)
    assert.match(stderr, /may not ask the relay .* Run the command as root: sudo relay/)
  })

  it('works again after a crash, although that leaves a socket behind', async () => {
    processes.relay.kill('SIGKILL')
    await processes.relay.exited // its workers as well, which print to the same place
    assert.ok(existsSync(socket()), 'a crash takes nothing away')
    const config = {
      domain: 'localhost',
      public_url: processes.publicUrl,
      listen: { http: `127.0.0.1:${processes.port}`, admin: '127.0.0.1:0' },
      store: 'sqlite:relay.db',
      log: { format: 'json' },
    }
    await writeFile(processes.configFile, JSON.stringify(config))
    const next = await processes.restartRelay()
    const { pid, workers } = await status()
    assert.deepEqual([pid, workers], [next.pid, undefined])
  })

  it('stops although a client holds the socket, and leaves none behind', async () => {
    const held = connect(socket())
    held.on('error', () => {}).write('GET /api/v1/')
    await once(held, 'connect')
    processes.relay.kill('SIGTERM')
    assert.deepEqual(await processes.relay.exited, { code: 0, signal: null })
    assert.equal(existsSync(socket()), false)
    const { code, stdout, stderr } = await relay('status')
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(stderr, /^No relay runs on this store, or it is still starting: there is no \/.*relay\.sock\./)
  })
})
