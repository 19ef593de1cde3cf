// Signals from operators by habit, or from a shell that ends: none cuts an exchange, and none opens a debugger.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, get, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'

import { ask } from '../support/ask.ts'
import { Processes } from '../support/processes.ts'
import type { RunningProcess } from '../support/running-process.ts'

const HOST = 'app.localhost'

describe('signals', { timeout: 60_000 }, () => {
  let processes: Processes
  let app: Server
  let relay: RunningProcess
  let agent: RunningProcess
  /** Downloads that the app has begun. */
  const downloads: ServerResponse[] = []

  before(async () => {
    app = createServer((request, response) => {
      if (request.url === '/download') {
        response.write('half, ')
        downloads.push(response)
      } else response.end('the app')
    })
    app.listen(0, '127.0.0.1')
    await once(app, 'listening')
    processes = await Processes.create()
    relay = await processes.startRelay({ edges: [{ id: 'edg_app', hosts: [HOST] }], config: { workers: 2 } })
    const started = await processes.startAgent({
      authtoken: await processes.createAuthtoken(),
      labels: ['edge=edg_app'],
      upstream: `http://127.0.0.1:${(app.address() as AddressInfo).port}`, // listening on TCP
      name: 'agent',
    })
    agent = started.process
  })
  after(async () => {
    await processes.close()
    app.close()
  })

  /** Sends a signal in the middle of a download, and has it end. */
  async function assertKeeps(signal: NodeJS.Signals, send: () => Promise<void> | void): Promise<void> {
    const request = get({ host: '127.0.0.1', port: processes.port, path: '/download', headers: { host: HOST } })
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    await send()
    // Every process has got it when it answers again.
    for (let count = 0; count < 10; count++) {
      assert.equal((await ask(processes.port, { host: HOST })).body, 'the app', signal)
    }
    downloads.pop()?.end('whole')
    assert.equal(await text(response), 'half, whole', signal)
    assert.ok(relay.isRunning && agent.isRunning, signal)
  }

  it('B5: SIGHUP ends neither relay nor workers nor agent if they write to no terminal, as under nohup', async () => {
    const workers = relay.entries.filter(({ msg }) => msg === 'worker started').map(({ pid }) => Number(pid))
    assert.equal(workers.length, 2)
    await assertKeeps('SIGHUP', async () => {
      relay.kill('SIGHUP')
      await relay.waitForLine('its word', (line) => line.includes('the edges of relay.yml were taken over'))
      agent.kill('SIGHUP')
      await agent.waitForLine('its word', (line) => line.includes('SIGHUP changes nothing'))
      for (const pid of workers) process.kill(pid, 'SIGHUP')
    })
  })

  it('B5: SIGUSR1 opens no debugger, and SIGUSR2 ends nothing', async () => {
    const workers = relay.entries.filter(({ msg }) => msg === 'worker started').map(({ pid }) => Number(pid))
    for (const signal of ['SIGUSR1', 'SIGUSR2'] as const) {
      await assertKeeps(signal, () => {
        for (const pid of [relay.pid, agent.pid, ...workers]) process.kill(pid, signal)
      })
    }
    for (const one of [relay, agent]) assert.doesNotMatch(one.lines.join('\n'), /debugger|inspector/i)
  })

  it('B5: SIGQUIT, which a terminal sends to all of them at once, ends them in order, after all exchanges', async () => {
    const workers = relay.entries.filter(({ msg }) => msg === 'worker started').map(({ pid }) => Number(pid))
    const request = get({ host: '127.0.0.1', port: processes.port, path: '/download', headers: { host: HOST } })
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    for (const pid of [relay.pid, agent.pid, ...workers]) process.kill(pid, 'SIGQUIT')
    await relay.waitForEntry('draining')
    downloads.pop()?.end('whole')
    assert.equal(await text(response), 'half, whole')
    for (const one of [agent, relay]) assert.deepEqual(await one.exited, { code: 0, signal: null })
  })
})
