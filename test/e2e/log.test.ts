// Trouble with the log's output affects only the log: a full disk, a stalled reader, and a reader that has gone. Real
// processes; their state is read over HTTP, since their log cannot show it.

import assert from 'node:assert/strict'
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, afterEach, before, describe, it } from 'node:test'

import { asInstalled } from '../support/as-installed.ts'
import { ask } from '../support/ask.ts'
import { AGENT, freePort, Processes, RELAY } from '../support/processes.ts'
import { until } from '../support/until.ts'

const NO_FULL = !existsSync('/dev/full') && 'needs /dev/full'
const EDGE = { id: 'edg_app', hosts: ['app.localhost'] }
const FIXED = {
  id: 'edg_fixed',
  hosts: ['fixed.localhost'],
  backend: { fixed_response: { status: 200, body: 'here' } },
}

describe('a log that cannot be written', { timeout: 120_000 }, () => {
  let processes: Processes
  let admin = 0
  let full = -1
  const children: ChildProcess[] = []

  before(async () => {
    processes = await Processes.create()
    admin = await freePort()
    await writeFile(
      processes.configFile,
      JSON.stringify({
        domain: 'localhost',
        public_url: processes.publicUrl,
        listen: { http: `127.0.0.1:${processes.port}`, admin: `127.0.0.1:${admin}` },
        store: 'sqlite:relay.db',
        log: { format: 'json' },
        timeouts: { drain_seconds: 5 },
        edges: [EDGE, FIXED],
      }),
    )
    if (!NO_FULL) full = openSync('/dev/full', 'w')
  })
  after(async () => {
    if (full !== -1) closeSync(full)
    await processes.close()
  })
  afterEach(async () => {
    for (const child of children.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
  })

  function start(args: readonly string[], stdio: StdioOptions, env: NodeJS.ProcessEnv = {}): ChildProcess {
    const [program, ...words] = asInstalled(args)
    const child = spawn(program, words, { env: { ...processes.env, ...env }, stdio })
    children.push(child)
    return child
  }

  const startRelay = async (stdout: number | 'pipe', ...flags: string[]): Promise<ChildProcess> => {
    const relay = start([RELAY, 'start', '--config', processes.configFile, ...flags], ['ignore', stdout, 'inherit'])
    await until('the relay is ready', isReady)
    return relay
  }

  const isReady = (): Promise<boolean> =>
    ask(admin, { host: 'localhost', path: '/readyz' }).then(
      ({ status }) => status === 200,
      () => false, // it may not listen yet
    )

  async function dropped(): Promise<number> {
    const { body } = await ask(admin, { host: 'localhost', path: '/metrics' })
    return Number(/^sallyport_log_lines_dropped_total (\d+)$/m.exec(body)?.[1])
  }

  async function assertServes(): Promise<void> {
    for (let count = 0; count < 20; count++) {
      assert.equal((await ask(processes.port, { host: 'fixed.localhost', path: `/${count}` })).body, 'here')
    }
    assert.equal((await ask(admin, { host: 'localhost', path: '/healthz' })).status, 200)
  }

  async function assertStops(child: ChildProcess): Promise<void> {
    child.kill('SIGTERM')
    const [code] = (await once(child, 'exit', { signal: AbortSignal.timeout(15_000) })) as [number | null]
    assert.equal(code, 0)
  }

  /** Lines of two kilobytes each, through one visitor after the other. */
  async function fillLog(lines: number): Promise<void> {
    const path = `/${'p'.repeat(3000)}`
    const visitor = async (): Promise<void> => {
      for (let count = 0; count < lines / 20; count++) {
        assert.equal((await ask(processes.port, { host: 'fixed.localhost', path })).status, 200)
      }
    }
    await Promise.all(Array.from({ length: 20 }, visitor))
  }

  it('B4: keeps serving and stops in order if there is no room for the log', { skip: NO_FULL }, async () => {
    const relay = await startRelay(full)
    await assertServes()
    await until('lines are dropped', async () => (await dropped()) > 0)
    await assertServes()
    await assertStops(relay)
  })

  it('B4: with several workers as well', { skip: NO_FULL }, async () => {
    const relay = await startRelay(full, '--workers', '2')
    await assertServes()
    await until('more lines are dropped', async () => (await dropped()) > 3)
    await assertServes()
    await assertStops(relay)
  })

  it('S9: keeps serving while the reader stalls, within bounds, and reports lost lines afterwards', async () => {
    const relay = await startRelay('pipe')
    await fillLog(2800)
    await assertServes()
    const missing = await dropped()
    assert.ok(missing > 100, `${missing} lines were dropped`)
    // It reads again.
    let text = ''
    relay.stdout?.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
    await until('the log says that lines are missing', () => text.includes('log lines were dropped'))
    const entries = text.split('\n').flatMap((line) => (line ? [JSON.parse(line) as Record<string, unknown>] : []))
    const told = entries.find(({ msg }) => typeof msg === 'string' && msg.startsWith('log lines were dropped'))
    assert.ok(Number(told?.['lines']) >= missing, `${String(told?.['lines'])} of ${missing}`)
    const longest = Math.max(...entries.map(({ path }) => (typeof path === 'string' ? path.length : 0)))
    assert.equal(longest, 2049, 'a path is cut')
    await assertStops(relay)
    assert.match(text, /"msg":"stopped"/, 'the last line is there')
  })

  it('B4: stops in order while the reader stalls', async () => {
    const relay = await startRelay('pipe')
    await fillLog(400)
    await assertServes()
    await assertStops(relay)
  })

  it('B4: keeps serving when the reader has gone', async () => {
    const relay = await startRelay('pipe')
    await assertServes()
    relay.stdout?.destroy()
    await fillLog(400)
    await until('lines are dropped', async () => (await dropped()) > 0)
    await assertServes()
    await assertStops(relay)
  })

  describe('of an agent', () => {
    let app: Server
    let upstream = ''
    before(async () => {
      app = createServer((_, response) => response.end('the app'))
      app.listen(0, '127.0.0.1')
      await once(app, 'listening')
      upstream = `http://127.0.0.1:${(app.address() as AddressInfo).port}` // listening on TCP
    })
    after(() => {
      app.close()
      app.closeAllConnections()
    })

    const visit = async (method = 'GET'): Promise<boolean> =>
      (await ask(processes.port, { host: 'app.localhost', method })).body === 'the app'

    async function startAgent(stderr: number | 'pipe'): Promise<ChildProcess> {
      const relay = start([RELAY, 'start', '--config', processes.configFile], ['ignore', 'ignore', 'inherit'])
      await until('the relay is ready', isReady)
      assert.equal(relay.exitCode, null)
      const args = [AGENT, 'tunnel', '--server', processes.publicUrl, '--label', 'edge=edg_app', '--log-level', 'debug']
      const agent = start([...args, upstream], ['ignore', 'ignore', stderr], {
        SALLYPORT_AUTHTOKEN: await processes.createAuthtoken(),
      })
      await until('a visitor is served', visit)
      return agent
    }

    /** Each POST opens a new stream, which is a line of the agent's. */
    async function fillAgentLog(lines: number): Promise<void> {
      const visitor = async (): Promise<void> => {
        for (let count = 0; count < lines / 20; count++) assert.ok(await visit('POST'))
      }
      await Promise.all(Array.from({ length: 20 }, visitor))
    }

    it('B4: keeps serving and stops in order if there is no room', { skip: NO_FULL }, async () => {
      const agent = await startAgent(full)
      await fillAgentLog(100)
      assert.ok(await visit())
      await assertStops(agent)
    })

    it('B4: keeps serving and stops in order while the reader stalls', async () => {
      const agent = await startAgent('pipe')
      await fillAgentLog(2000) // more than a socket or pipe of the system holds
      assert.ok(await visit())
      await assertStops(agent)
    })

    it('B4: keeps serving and stops in order when the reader has gone', async () => {
      const agent = await startAgent('pipe')
      agent.stderr?.destroy()
      await fillAgentLog(100)
      assert.ok(await visit())
      await assertStops(agent)
    })
  })
})
