// The exact bytes that relay and agent write on a real terminal: lines for people, and no escape codes if the user has
// switched them off. `script` makes the terminal.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess, ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'

import { asInstalled } from '../support/as-installed.ts'
import { ask } from '../support/ask.ts'
import { AGENT, Processes, RELAY } from '../support/processes.ts'
import { until } from '../support/until.ts'

const SCRIPT = '/usr/bin/script'
const CTRL_C = '\u0003'
const HOST = 'app.localhost'

/** A program on its own terminal. */
class OnTerminal {
  text = ''
  readonly #child: ChildProcessWithoutNullStreams
  readonly #exited: Promise<unknown>
  #look = (): void => {}

  constructor(columns: number, args: readonly string[], env: NodeJS.ProcessEnv) {
    const words = asInstalled(args)
      .map((word) => `'${word}'`)
      .join(' ')
    const command = `stty cols ${columns} rows 40; exec ${words}`
    this.#child = spawn(SCRIPT, ['-q', '-f', '-e', '-c', command, '/dev/null'], { env })
    this.#exited = once(this.#child, 'close')
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.text += text
      this.#look()
    })
  }

  async until(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.text)) await new Promise<void>((resolve) => (this.#look = resolve))
  }

  async stop(): Promise<void> {
    this.#child.stdin.write(CTRL_C)
    await this.#exited
  }

  kill(): void {
    this.#child.kill('SIGKILL') // this closes the terminal and ends its programs
  }
}

describe('first-hour 10: on a terminal', { skip: !existsSync(SCRIPT) && `no ${SCRIPT}`, timeout: 90_000 }, () => {
  let processes: Processes
  let app: Server
  let authtoken: string
  /** Standard error of a relay that has no terminal. */
  let piped: readonly string[]
  const running: { kill(): void }[] = []
  before(async () => {
    app = createServer((_, response) => response.end('the app')).listen(0, '127.0.0.1')
    await once(app, 'listening')
    processes = await Processes.create()
    const relay = await processes.startRelay({ edges: [{ id: 'edg_app', hosts: [HOST] }], config: { log: {} } })
    authtoken = await processes.createAuthtoken()
    relay.kill('SIGTERM')
    await relay.exited
    piped = relay.errors
  })
  after(async () => {
    for (const each of running) each.kill()
    await processes.close()
    app.close()
  })

  function environment(further: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
    const { NO_COLOR: _, FORCE_COLOR: __, CI: ___, ...inherited } = processes.env
    return { ...inherited, TERM: 'xterm-256color', ...further }
  }

  /** A request that is served and one that is refused, on terminals of this environment. */
  async function seen(columns: number, further: NodeJS.ProcessEnv): Promise<{ relay: string; agent: string }> {
    const env = environment(further)
    const relay = new OnTerminal(columns, [RELAY, 'start', '--config', processes.configFile], env)
    running.push(relay)
    await relay.until(/relay started/)
    const { port } = app.address() as AddressInfo // listening on TCP
    const to = ['--server', processes.publicUrl, '--label', 'edge=edg_app', '--metadata', 'my laptop']
    const agent = new OnTerminal(columns, [AGENT, 'tunnel', ...to, `http://127.0.0.1:${port}`], {
      ...env,
      SALLYPORT_AUTHTOKEN: authtoken,
    })
    running.push(agent)
    await relay.until(/tunnel online/)
    await ask(processes.port, { host: HOST, path: '/page?code=secret' })
    await ask(processes.port, { host: 'nowhere.localhost' })
    await relay.until(/ERR_EDGE_NOT_FOUND/)
    await agent.stop()
    await relay.stop()
    return { relay: relay.text, agent: agent.text }
  }

  for (const [name, value] of [
    ['NO_COLOR', '1'],
    ['TERM', 'dumb'],
  ] as const) {
    it(`${name}=${value} gets no escape code, from relay and agent`, async () => {
      const { relay, agent } = await seen(100, { [name]: value })
      for (const text of [relay, agent]) assert.doesNotMatch(text.replaceAll('^C', ''), /[^\P{Cc}\r\n]/u)
      assert.match(agent, /INFO.*online/)
      assert.match(relay, /\(edg_app\)\r\n {4}\/\* {2}everybody\r\n[^]*Waiting for agents/) // first-hour 19
      const lines = relay.split('\r\n')
      const served = lines.filter((line) => line.includes('/page'))
      assert.equal(served.length, 1)
      assert.match(
        served[0]!,
        /^\d\d:\d\d:\d\d 200 +[\d.]+ms GET  app\.localhost\/page +edg_app my laptop req_[0-9a-z]+$/,
      )
      assert.match(
        relay,
        /^\d\d:\d\d:\d\d 404 +[\d.]+ms GET  nowhere\.localhost\/ .*ERR_EDGE_NOT_FOUND req_[0-9a-z]+\r$/m,
      )
    })
  }

  it('a pipe gets no escape code, from relay and agent, whatever the terminal can do', async () => {
    const written = { relay: '', agent: '' }
    const start = (name: 'relay' | 'agent', args: readonly string[]): ChildProcess => {
      const env = { ...environment({}), SALLYPORT_AUTHTOKEN: authtoken, SALLYPORT_LOG_FORMAT: 'pretty' }
      const [program, ...words] = asInstalled(args)
      const child = spawn(program, words, { env, stdio: ['ignore', 'pipe', 'pipe'] })
      running.push({ kill: () => void child.kill('SIGKILL') })
      for (const output of [child.stdout, child.stderr]) output?.on('data', (text) => (written[name] += String(text)))
      return child
    }
    const relay = start('relay', [RELAY, 'start', '--config', processes.configFile])
    await until('the relay has started', () => written.relay.includes('relay started'))
    const to = ['--server', processes.publicUrl, '--label', 'edge=edg_app']
    const agent = start('agent', [AGENT, 'tunnel', ...to, `${(app.address() as AddressInfo).port}`]) // listening on TCP
    await until('the agent is online', () => written.agent.includes('tunnel online'))
    await ask(processes.port, { host: HOST, path: '/in-a-pipe' })
    await until('the relay logs it', () => written.relay.includes('/in-a-pipe'))
    for (const child of [agent, relay]) {
      child.kill('SIGTERM')
      await once(child, 'close')
    }
    for (const text of [written.relay, written.agent]) assert.doesNotMatch(text, /[^\P{Cc}\r\n]/u)
  })

  it('first-hour 19: a pipe gets no greeting', () => assert.deepEqual(piped, []))

  it('has colours otherwise, and lines that fit into 80 columns', async () => {
    const { relay, agent } = await seen(80, {})
    assert.ok(relay.includes('\u001b[32m200 '))
    assert.ok(agent.includes('\u001b['))
    for (const line of relay.split('\r\n').filter((each) => each.includes('req_'))) {
      // oxlint-disable-next-line no-control-regex
      assert.ok(line.replaceAll(/\u001b\[\d+m/g, '').length <= 80, line)
    }
  })

  it("real-apps 5: the agent's log has colours if lines are asked for, but not with TERM=dumb or NO_COLOR", async () => {
    const nowhere = ['tunnel', '--server', 'http://127.0.0.1:9', '--authtoken', 'a', '--label', 'a=b', '--log-level', 'info', '9'] // prettier-ignore
    for (const [further, pattern] of [
      // oxlint-disable-next-line no-control-regex
      [{}, /\u001b\[\d+mWARN/],
      [{ TERM: 'dumb' }, /\] WARN/],
      [{ NO_COLOR: '1' }, /\] WARN/],
    ] as const) {
      const agent = new OnTerminal(80, [AGENT, ...nowhere], environment(further))
      running.push(agent)
      await agent.until(pattern) // that it is not connected
      await agent.stop()
    }
  })
})
