// `agent http --traffic-policy-file` while its file changes: real processes, a relay of two workers, two agents that share an
// endpoint, one of them connected to one worker only. The file is replaced in each way that programs use.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer, get } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'

import { ask } from '../support/ask.ts'
import { AGENT, Processes } from '../support/processes.ts'
import type { RunningProcess } from '../support/running-process.ts'
import { until } from '../support/until.ts'

const HOST = 'shop.localhost'
const SPREAD = 8 // visitors: each is at one of the two workers

describe('a policy file that changes', { timeout: 120_000 }, () => {
  let processes: Processes
  let app: Server
  let authtoken: string
  let asked = 0
  const slow: ServerResponse[] = []

  before(async () => {
    app = createServer((request, response) => {
      asked += 1
      if (request.url !== '/slow') return void response.end('the app')
      response.write('half, ')
      slow.push(response)
    })
    app.listen(0, '127.0.0.1')
    await once(app, 'listening')
    processes = await Processes.create()
    await processes.startRelay({ edges: [], config: { workers: 2 } })
    authtoken = await processes.createAuthtoken()
  })
  after(async () => {
    await processes.close()
    app.close().closeAllConnections()
  })

  const file = (name: string): string => join(processes.folder, name)
  const naming = (name: string): string =>
    `on_http_response:\n  - actions:\n      - type: set-headers\n        config: { headers: { x-policy: ${name} } }\n`

  async function launch(policyFile: string, ...flags: string[]): Promise<RunningProcess> {
    const upstream = String((app.address() as AddressInfo).port) // it listens on a port
    const agent = processes.start(
      policyFile,
      [AGENT, 'http', upstream, '--url', processes.origin(HOST), '--pooling-enabled', ...flags].concat(
        '--traffic-policy-file',
        policyFile,
      ),
      { SALLYPORT_SERVER: processes.publicUrl, SALLYPORT_AUTHTOKEN: authtoken, SALLYPORT_LOG_FORMAT: 'json' },
    )
    await agent.waitForLine('its address', (line) => line.startsWith('Forwarding '))
    return agent
  }

  /** The answers for visitors, at both workers. */
  async function met(): Promise<string[]> {
    const answers = await Promise.all(Array.from({ length: SPREAD }, () => ask(processes.port, { host: HOST })))
    return [...new Set(answers.map(({ status, headers }) => String(headers['x-policy'] ?? status)))]
  }

  const heard = (agent: RunningProcess, words: RegExp): Promise<unknown> =>
    agent.waitFor(String(words), () => agent.entries.find(({ msg }) => words.test(String(msg))))

  it('takes effect at all workers without ending the tunnel, however the file is replaced', async () => {
    // As Kubernetes mounts a ConfigMap: a link to a folder is swapped.
    await mkdir(file('v1'))
    await mkdir(file('v2'))
    await writeFile(file('v1/policy.yaml'), naming('first'))
    await writeFile(file('v2/policy.yaml'), naming('second'))
    await symlink('v1', file('data'))
    await writeFile(file('other.yaml'), naming('first'))
    const one = await launch(file('data/policy.yaml'))
    const two = await launch(file('other.yaml'), '--connections', '1')
    assert.deepEqual(await met(), ['first'])
    const request = get({ host: '127.0.0.1', port: processes.port, path: '/slow', headers: { host: HOST } })
    const [half] = (await once(request, 'response')) as [IncomingMessage]

    await symlink('v2', file('data.new'))
    await rename(file('data.new'), file('data'))
    await heard(one, /has changed, but another agent of this endpoint still asks for another policy/)
    assert.deepEqual(await met(), ['first'])
    // As an editor saves: a new file in its place. A signal has it read at once.
    await writeFile(file('other.yaml.new'), naming('second'))
    await rename(file('other.yaml.new'), file('other.yaml'))
    two.kill('SIGHUP')
    await heard(two, /other\.yaml has changed, and its policy is in force now/)
    await heard(one, /policy\.yaml has changed, and its policy is in force now/)
    await until('both workers', async () => (await met()).join() === 'second')

    slow.pop()?.end('whole')
    assert.equal(await text(half), 'half, whole')
    two.kill('SIGTERM')
    assert.deepEqual(await two.exited, { code: 0, signal: null })

    const before_ = asked
    await rm(file('v2/policy.yaml'))
    await heard(one, /policy\.yaml has changed and cannot be used, .* There is no such file/)
    await writeFile(file('v2/policy.yaml'), naming('second').replace('set-headers', 'set-header'))
    await heard(one, /policy\.yaml:3:9 on_http_response\[0\]\.actions\[0\]\.type: .*set-headers/)
    assert.deepEqual(await met(), ['second'])
    assert.equal(asked, before_ + SPREAD)
    await writeFile(file('v2/policy.yaml'), 'on_http_request:\n  - actions: [{ type: deny }]\n')
    one.kill('SIGHUP')
    await until('the denial', async () => (await met()).join() === '403')
    assert.ok(processes.relay.isRunning)
  })
})
