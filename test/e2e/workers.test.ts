// A relay of two worker processes, as an operator runs it: agents have a session with each, a request finds its agent
// from every worker, a worker that dies takes only its own requests with it, and the stop is orderly. Hops are tested
// in test/in-process/nodes.test.ts.

import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { Agent as HttpAgent, createServer, request as httpRequest } from 'node:http'
import type { IncomingMessage, OutgoingHttpHeaders, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'

import { lookupLocalhost } from '../support/browser/browser.ts'

import { Load } from '../support/load.ts'
import { Processes, RELAY } from '../support/processes.ts'
import type { LogEntry, RunningProcess } from '../support/running-process.ts'
import { signIn } from '../support/sign-in.ts'
import { until } from '../support/until.ts'

const VISITORS = 24
const LOGINS_PER_MINUTE = 20
const CAPACITY = 50
const LIMIT = {
  on_http_request: [
    {
      actions: [
        {
          type: 'rate-limit',
          config: { name: 'shared', capacity: CAPACITY, rate: '24h', bucket_key: ['conn.client_ip'] },
        },
      ],
    },
  ],
}

const TO_INTERNAL = {
  on_http_request: [{ actions: [{ type: 'forward-internal', config: { url: 'https://far.internal' } }] }],
}

/** A connection that is kept alive, and so stays with one worker. */
interface Line {
  agent: HttpAgent
  worker: number
}

interface Asking {
  agent?: HttpAgent
  headers?: OutgoingHttpHeaders
  method?: 'GET' | 'POST'
}

describe('a relay of two workers', { timeout: 120_000 }, () => {
  let processes: Processes
  let app: Server
  let upstream: string
  let authtoken: string
  let agent: RunningProcess
  let tunnelId: string
  let far: RunningProcess
  let lines: Line[]
  let asked = 0
  const slow = new EventEmitter<{ asked: [ServerResponse] }>()

  before(async () => {
    app = createServer((request, response) => {
      request.resume()
      if (request.url !== '/slow') return void request.on('end', () => response.end('the app'))
      response.write('first half, ')
      slow.emit('asked', response)
    })
    app.listen(0, '127.0.0.1')
    await once(app, 'listening')
    upstream = `http://127.0.0.1:${(app.address() as AddressInfo).port}` // it listens on a port
    processes = await Processes.create()
    await processes.startProvider()
    await processes.startRelay({
      edges: [
        { id: 'edg_open', hosts: ['open.localhost'] },
        { id: 'edg_limited', hosts: ['limited.localhost'], policy: LIMIT, backend: { labels: { edge: 'edg_open' } } },
        { id: 'edg_far', hosts: ['far.localhost'] },
        { id: 'edg_front', hosts: ['front.localhost'], policy: TO_INTERNAL },
        { id: 'edg_inner', hosts: ['far.internal'], backend: { labels: { edge: 'edg_far' } } },
        { id: 'edg_private', hosts: ['private.localhost'], policy: processes.signIn() },
      ],
      config: { workers: 2, limits: { failed_agent_logins_per_minute: LOGINS_PER_MINUTE } },
    })
    authtoken = await processes.createAuthtoken()
    ;({ process: agent, tunnelId } = await processes.startAgent({
      authtoken,
      labels: ['edge=edg_open'],
      upstream,
      name: 'near',
    }))
    await Promise.all([1, 2].map((worker) => agentAt(worker)))
    const flags = ['--connections', '1']
    ;({ process: far } = await processes.startAgent({
      authtoken,
      labels: ['edge=edg_far'],
      upstream,
      name: 'far',
      flags,
    }))
  })
  after(async () => {
    for (const line of lines ?? []) line.agent.destroy()
    await processes.close()
    app.close().closeAllConnections()
  })

  /** The agent `near` has a session with a worker. */
  async function agentAt(worker: number, since = 0): Promise<void> {
    const isIt = (entry: LogEntry): boolean => entry.worker === worker && entry.tunnelId === tunnelId
    await Promise.any([
      processes.relay.waitForEntry('tunnel online', isIt, since),
      processes.relay.waitForEntry('tunnel has a further connection', isIt, since),
    ])
  }

  async function ask(
    host: string,
    path: string,
    { agent: through, headers = {}, method = 'GET' }: Asking = {},
  ): Promise<IncomingMessage> {
    // One address for every host: a line stays one connection.
    const request = httpRequest(new URL(path, processes.publicUrl), {
      agent: through ?? false,
      lookup: lookupLocalhost,
      headers: { ...headers, host },
      method,
    })
    request.end()
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    return response
  }

  /** The worker that served a request. */
  async function workerOf(path: string): Promise<number> {
    return Number((await processes.relay.waitForEntry('exchange', (entry) => entry.path === path)).worker)
  }

  /** One connection to each worker: the system chooses, so it takes a few. */
  async function openLines(): Promise<Line[]> {
    const found = new Map<number, Line>()
    while (found.size < 2) {
      const through = new HttpAgent({ keepAlive: true, maxSockets: 1 })
      const path = `/line/${asked++}`
      assert.equal(await text(await ask('open.localhost', path, { agent: through })), 'the app')
      const worker = await workerOf(path)
      if (found.has(worker)) through.destroy()
      else found.set(worker, { agent: through, worker })
    }
    return [...found.values()].toSorted((a, b) => a.worker - b.worker)
  }

  async function metric(name: string): Promise<number> {
    const response = await fetch(`${processes.adminUrl}/metrics`)
    return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(await response.text())?.[1])
  }

  const pidOf = async (worker: number, since = 0): Promise<number> =>
    Number((await processes.relay.waitForEntry('worker started', (entry) => entry.worker === worker, since)).pid)

  it('serves at both, each with a session of the agent', async () => {
    lines = await openLines()
    for (const line of lines) {
      for (let count = 0; count < 5; count++) {
        assert.equal(await text(await ask('open.localhost', `/both/${line.worker}`, line)), 'the app')
      }
    }
    assert.equal(await metric('sallyport_hops_total'), 0, 'nobody needs a hop')
    assert.equal(await metric('sallyport_workers'), 2)
    assert.equal(await metric('sallyport_tunnels'), 2, 'an agent with a session at each is one tunnel')
    const ready = await fetch(`${processes.adminUrl}/readyz`)
    assert.deepEqual([ready.status, await ready.text()], [200, 'ready\n'])
  })

  it('lets nobody else listen at the same address', async () => {
    const second = await processes.run([RELAY, 'start', '--config', processes.configFile, '--workers', '2'])
    assert.equal(second.code, 2)
    assert.match(second.stderr, /listen\.http: .* is in use by (?:node \(process \d+\)|another program); stop it/)
  })

  it('knows a visitor at one worker right after a sign-in at the other', async () => {
    const url = `${processes.origin('private.localhost')}/`
    const { process: own } = await processes.startAgent({
      authtoken,
      labels: ['edge=edg_private'],
      upstream,
      name: 'private',
    })
    const browser = await signIn(url)
    const cookie = browser.cookieHeader(url)
    for (const line of lines) {
      const answer = await ask('private.localhost', '/in', { ...line, headers: { cookie } })
      assert.equal(answer.statusCode, 200, `at worker ${line.worker}`)
      await text(answer)
    }
    // And the end reaches both, within the watch of the store.
    const out = await browser.fetch(`${processes.origin('private.localhost')}/.sallyport/logout`, {
      method: 'POST',
      headers: { origin: processes.origin('private.localhost') },
    })
    assert.ok(out.status < 400, out.body)
    for (const line of lines) {
      await until('the session has ended at this worker', async () => {
        // Exchanges under way are cut when the session ends.
        const answer = await ask('private.localhost', '/out', { ...line, headers: { cookie } }).catch(() => undefined)
        if (answer) await text(answer).catch(() => '')
        return answer?.statusCode === 401
      })
    }
    own.kill('SIGTERM')
    await own.exited
  })

  it('counts requests of a rate limit over both (traffic policy, 14.7)', async () => {
    const passed = { here: 0, there: 0 }
    const [here, there] = lines
    const isRefused = async (worker: 'here' | 'there', line: Line | undefined): Promise<boolean> => {
      const answer = await ask('limited.localhost', '/', line)
      await text(answer)
      assert.ok([200, 429].includes(answer.statusCode ?? 0))
      if (answer.statusCode === 200) passed[worker]++
      return answer.statusCode === 429
    }
    while (!(await isRefused('here', here)));
    assert.equal(passed.here, CAPACITY)
    await until('the other worker has heard of it', () => isRefused('there', there), { pauseMs: 20 })
    // The other worker needs a fraction of a second to hear of them. By itself it would let the whole capacity through.
    assert.ok(passed.there < CAPACITY, `${passed.there}`)
  })

  it('loses only the exchanges of a killed worker, and starts it again', async () => {
    const { relay } = processes
    const since = relay.lines.length
    const load = new Load({ origin: processes.origin('open.localhost'), visitors: VISITORS })
    await load.more(600)
    process.kill(await pidOf(2), 'SIGKILL')
    await relay.waitForEntry('worker ended', ({ worker, signal }) => worker === 2 && signal === 'SIGKILL', since)
    await pidOf(2, since)
    await agentAt(2, since)
    const before = load.asked.length
    await load.more(600)
    const all = await load.stop()
    const failed = all.filter(({ status }) => status !== 200)
    assert.ok(failed.length <= VISITORS, `${failed.length} failed: at most what each visitor had under way`)
    assert.deepEqual(
      all.slice(before + VISITORS).filter(({ status }) => status !== 200),
      [],
      'it is over once the worker is back',
    )
    const paths = new Set(failed.map(({ path }) => path))
    const others = relay.entries.filter(({ msg, path, worker }) => {
      return msg === 'exchange' && worker === 1 && typeof path === 'string' && paths.has(path)
    })
    assert.deepEqual(others, [], 'nothing that came to the other worker has failed')
    assert.equal(await metric('sallyport_worker_restarts_total'), 1)
    const isServed = async () => (await ask('far.localhost', '/')).resume().statusCode === 200
    await until('far.localhost is served', isServed) // its agent may have been there, too
    for (const line of lines) line.agent.destroy()
    lines = await openLines()
    assert.deepEqual(
      lines.map(({ worker }) => worker),
      [1, 2],
    )
  })

  it('counts refused authtokens over all workers', async () => {
    const statuses: number[] = []
    for (let count = 0; count < LOGINS_PER_MINUTE * 4; count++) {
      const request = httpRequest(new URL('/.sallyport/agent', processes.publicUrl), {
        agent: false,
        lookup: lookupLocalhost,
        headers: {
          authorization: 'Bearer made-up',
          connection: 'Upgrade',
          upgrade: 'websocket',
          'sec-websocket-protocol': 'sallyport.v1',
          'sec-websocket-version': '13',
          'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
        },
      })
      request.end()
      const [response] = (await once(request, 'response')) as [IncomingMessage]
      statuses.push(response.statusCode ?? 0)
      await text(response)
    }
    const refused = statuses.filter((status) => status === 401).length
    // Messages between two processes may come late; each process by itself would let the whole number through.
    assert.ok(refused >= LOGINS_PER_MINUTE && refused < LOGINS_PER_MINUTE * 1.5, `${refused} were looked at`)
    assert.equal(statuses.at(-1), 429)
  })

  it('reaches an agent with a single session from both, and drains with an exchange under way', async () => {
    const { relay } = processes
    // Since a worker was killed, the agent may have reconnected to either.
    const online = relay.entries.findLast(({ msg, metadata }) => msg === 'tunnel online' && metadata === 'far')!
    const here = lines.find(({ worker }) => worker === online.worker)!
    const there = lines.find(({ worker }) => worker !== online.worker)!
    assert.equal(await text(await ask('far.localhost', '/here', here)), 'the app')
    const before = await metric('sallyport_hops_total')
    assert.equal(await text(await ask('far.localhost', '/there', { ...there, method: 'POST' })), 'the app')
    assert.equal(
      await text(await ask('front.localhost', '/', { ...there, method: 'POST' })),
      'the app',
      'and by a policy',
    )
    assert.equal((await metric('sallyport_hops_total')) - before, 2)

    const pids = relay.entries.filter(({ msg }) => msg === 'worker started').map(({ pid }) => Number(pid))
    assert.equal(pids.length, 3)
    const held = once(slow, 'asked')
    const answer = await ask('far.localhost', '/slow', there)
    const [appResponse] = (await held) as [ServerResponse]
    relay.kill('SIGTERM')
    const ready = async (): Promise<string> => (await fetch(`${processes.adminUrl}/readyz`)).text()
    while ((await ready()) !== 'draining\n');
    // The agent's worker has nothing left to do, but waits: this exchange of the other worker runs over its agent.
    await relay.waitForEntry('draining', ({ worker }) => worker === here.worker)
    appResponse.end('second half')
    assert.equal(await text(answer), 'first half, second half')
    assert.deepEqual(await relay.exited, { code: 0, signal: null })
    for (const pid of pids) assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
    assert.equal(agent.isRunning && far.isRunning, true, 'agents wait for the relay to come back')
  })

  it('leaves no worker behind when the supervisor is killed', async () => {
    const relay = await processes.restartRelay()
    relay.kill('SIGKILL')
    // The process counts as ended when its output is closed, and the workers hold it until they end.
    await relay.exited
    assert.equal(relay.entries.filter(({ msg }) => msg === 'the supervisor is gone').length, 2)
    assert.equal(relay.entries.filter(({ msg }) => msg === 'stopped').length, 2, 'each has drained')
    // The next relay finds the ports free.
    await processes.restartRelay()
  })
})
