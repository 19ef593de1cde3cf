// Several agents share one edge, each a process with an app of its own, so that the app tells which agent served.
// One is killed, one leaves in order, one joins: always under load.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, beforeEach, describe, it } from 'node:test'

import { Load } from '../support/load.ts'
import type { Asked } from '../support/load.ts'
import { Processes } from '../support/processes.ts'
import type { LogEntry, RunningProcess } from '../support/running-process.ts'

const VISITORS = 24
const APP_MS = 3 // long enough that requests are always under way

/** One app and the requests that it has got. */
interface App {
  name: string
  server: Server
  upstream: string
  /** Path → how often. */
  seen: Map<string, number>
  open: number
}

const EDGE = { id: 'edg_app', hosts: ['app.localhost'] }

describe('several agents on one edge, under load', { timeout: 120_000 }, () => {
  let processes: Processes
  let authtoken: string
  let origin: string
  const apps: App[] = []
  const agents = new Map<string, { process: RunningProcess; tunnelId: string }>()

  async function startAgent(app: App): Promise<void> {
    const { name, upstream } = app
    agents.set(name, await processes.startAgent({ authtoken, labels: ['edge=edg_app'], upstream, name }))
  }

  before(async () => {
    processes = await Processes.create()
    await processes.startRelay({ edges: [EDGE] })
    authtoken = await processes.createAuthtoken('bind:edge=edg_app')
    origin = processes.origin('app.localhost')
    for (const name of ['a', 'b', 'c', 'd']) apps.push(await startApp(name))
    await Promise.all(apps.slice(0, 3).map(startAgent))
  })
  after(async () => {
    await processes.close()
    for (const { server } of apps) server.close().closeAllConnections()
  })
  beforeEach(() => {
    for (const app of apps) app.seen.clear()
  })

  it('attack 41: loses only exchanges that had begun on a killed agent, and sends no POST twice', async () => {
    const [a, victim, c] = apps as [App, App, App]
    const load = new Load({ origin, visitors: VISITORS })
    await load.more(600)
    for (const { name, seen } of [a, victim, c]) assert.ok(seen.size > 100, `${name} has served ${seen.size}`)
    while (victim.open === 0) await load.more(1)
    const { process: killed, tunnelId } = agents.get('b')!
    killed.kill('SIGKILL')
    await killed.exited
    // Later answers come from the others.
    await load.more(VISITORS * 2)
    const before = { a: a.seen.size, victim: victim.seen.size, c: c.seen.size }
    await load.more(800)
    const asked = await load.stop()

    const failed = asked.filter(({ status }) => status !== 200)
    assert.ok(failed.length > 0, 'requests were under way on the killed agent')
    assert.ok(failed.length <= VISITORS, `${failed.length} failed: no more than were under way`)
    const onVictim = await tunnelsOf(processes.relay, failed)
    for (const { path, method, status } of failed) {
      const where = `${method} ${path} (${status})`
      assert.equal(onVictim.get(path), tunnelId, `${where} failed, and had not begun on the killed agent`)
      assert.equal(a.seen.has(path) || c.seen.has(path), false, `${where} failed although a sibling had it`)
    }
    assertNoPostTwice(asked)
    assert.equal(victim.seen.size, before.victim, 'nothing reaches the app of the killed agent')
    const shares = [a.seen.size - before.a, c.seen.size - before.c]
    // An app that the machine lets run for longer gets more: least in flight means that.
    for (const share of shares)
      assert.ok(share > 800 * 0.1, `the remaining two share the load: ${shares.join(' and ')}`)
  })

  it('gives a joining agent its share', async () => {
    const [a, , c, d] = apps as [App, App, App, App]
    const load = new Load({ origin, visitors: VISITORS })
    await load.more(200)
    await startAgent(d)
    const before = [a, c, d].map(({ seen }) => seen.size)
    await load.more(900)
    const asked = await load.stop()
    assert.deepEqual(statuses(asked), [200])
    const shares = [a, c, d].map(({ seen }, index) => seen.size - (before[index] ?? 0))
    for (const share of shares) assert.ok(share > 900 * 0.08, `three share the load: ${shares.join(', ')}`)
  })

  it('fails no request when an agent is told to stop', async () => {
    const [a, , c, d] = apps as [App, App, App, App]
    const load = new Load({ origin, visitors: VISITORS })
    await load.more(300)
    const { process: leaving, tunnelId } = agents.get('c')!
    leaving.kill('SIGTERM')
    assert.deepEqual(await leaving.exited, { code: 0, signal: null })
    const before = [a, c, d].map(({ seen }) => seen.size)
    await load.more(600)
    const asked = await load.stop()
    assert.deepEqual(statuses(asked), [200])
    assertNoPostTwice(asked)
    assert.equal(c.seen.size, before[1], 'the one that left gets nothing more')
    await processes.relay.waitForEntry('tunnel leaving', (entry) => entry.tunnelId === tunnelId)
  })

  it('attack 40: detects a frozen agent, sends it nothing more, and takes it back when it wakes', async () => {
    const { relay } = processes
    const { process: frozen, tunnelId } = agents.get('d')!
    const d = apps[3]!
    await relay.waitForEntry('tunnel has a further connection', (entry) => entry.tunnelId === tunnelId)
    const since = relay.lines.length
    frozen.kill('SIGSTOP')
    // Each of its two connections is detected separately; the tunnel goes with the second.
    const silent = new Set<unknown>()
    for (let found = 0; found < 2; found++) {
      const isNext = ({ code, sessionId }: LogEntry): boolean => code === 'silent' && !silent.has(sessionId)
      const { sessionId } = await relay.waitForEntry('agent session ended', isNext, since)
      silent.add(sessionId)
    }
    d.seen.clear()
    const load = new Load({ origin, visitors: VISITORS })
    await load.more(200)
    assert.deepEqual(statuses(await load.stop()), [200])
    assert.equal(d.seen.size, 0)

    frozen.kill('SIGCONT')
    const woken = await processes.tunnelOnline('d', since)
    assert.equal(woken, tunnelId, 'the same offer has the same name again')
    const more = new Load({ origin, visitors: VISITORS })
    await more.more(200)
    assert.deepEqual(statuses(await more.stop()), [200])
    assert.ok(d.seen.size > 0, 'it has its share again')
  })

  function assertNoPostTwice(asked: readonly Asked[]): void {
    for (const { method, path } of asked) {
      const times = apps.reduce((sum, { seen }) => sum + (seen.get(path) ?? 0), 0)
      if (method === 'POST') assert.ok(times <= 1, `POST ${path} was seen ${times} times`)
    }
  }
})

async function startApp(name: string): Promise<App> {
  const app: App = { name, server: createServer(), upstream: '', seen: new Map(), open: 0 }
  app.server.on('request', (request, response) => {
    app.seen.set(request.url ?? '', (app.seen.get(request.url ?? '') ?? 0) + 1)
    app.open++
    response.once('close', () => app.open--)
    request.resume()
    setTimeout(() => response.end(name), APP_MS)
  })
  app.server.listen(0, '127.0.0.1')
  await once(app.server, 'listening')
  app.upstream = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}` // it listens on a port
  return app
}

/** Path → its tunnel, according to the relay. */
async function tunnelsOf(relay: RunningProcess, asked: readonly Asked[]): Promise<Map<string, unknown>> {
  const paths = new Set(asked.map(({ path }) => path))
  const found = new Map<string, unknown>()
  for (const path of paths) {
    const entry = await relay.waitForEntry('exchange', (each) => each.path === path)
    found.set(path, entry.tunnelId)
  }
  return found
}

function statuses(asked: readonly Asked[]): number[] {
  return [...new Set(asked.map(({ status }) => status))]
}
