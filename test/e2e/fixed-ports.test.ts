// Programs with fixed ports: local mode (8080, 4041) and the demo (8080, 4400, 8000 to 8002). In one file, so that they
// never run at the same time.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { connect, createServer } from 'node:net'
import type { Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'

import { Browser } from '../support/browser/browser.ts'

import { asInClone } from '../support/as-installed.ts'
import { AGENT, Processes, RELAY } from '../support/processes.ts'
import { PseudoTerminal } from '../support/terminal/pseudo-terminal.ts'

const root = join(import.meta.dirname, '../..')
const DEMO = join(root, 'examples/demo/demo.ts')
const LOCAL_PORT = 8080
const LOCAL_ADMIN_PORT = 4041
const CTRL_C = '\u0003'
const READY = /Requests, and the agent that served each:/
const hasScript = process.platform === 'linux' && existsSync('/usr/bin/script')

describe('local mode and the demo', { timeout: 120_000 }, () => {
  let processes: Processes

  before(async () => {
    processes = await Processes.create()
  })
  after(() => processes.close())

  it('relay start without a configuration shows its addresses and the next command, which works', async (test) => {
    const taken = [await occupy(LOCAL_PORT), await occupy(LOCAL_ADMIN_PORT)]
    for (const server of taken) server?.close()
    if (taken.includes(undefined)) {
      test.skip(`port ${LOCAL_PORT} or ${LOCAL_ADMIN_PORT} is used by another program on this machine`)
      return
    }
    // As npx starts it, which puts the commands of the clone into its PATH.
    const asByNpx = { npm_command: 'exec' }
    const relay = processes.start('local relay', asInClone(RELAY, 'start'), asByNpx)
    const command = await relay.waitForLine('the agent command', (line) => line.includes('agent tunnel --server'))
    assert.ok(relay.lines.some((line) => line.includes('local mode')))
    assert.ok(existsSync(join(processes.folder, 'sallyport/relay.db')), 'the store is in the data folder of the user')

    // As pasted, but for the port of the app.
    const app = createHttpServer((_, response) => response.end('hi'))
    app.listen(0, '127.0.0.1')
    await once(app, 'listening')
    const address = app.address()
    assert.match(command, /^ {2}npx --no agent tunnel /, 'first-hour 25: as it is found where it is printed')
    assert.ok(relay.lines.some((line) => line.endsWith(`in another terminal, in ${root}:`)))
    const words = command.trim().split(/\s+/).slice(3, -1)
    const upstream = `http://localhost:${typeof address === 'object' ? address?.port : ''}`
    const agent = processes.start('agent', [AGENT, ...words, upstream])
    await agent.waitForLine('its endpoint', (line) => line.includes('tunnel online'))
    assert.equal((await new Browser().fetch(`http://app.localhost:${LOCAL_PORT}/`)).body, 'hi')
    for (const child of [agent, relay]) {
      child.kill('SIGINT')
      assert.deepEqual(await child.exited, { code: 0, signal: null }, child.tail)
    }
    app.close().closeAllConnections()

    // The token was shown once; the second start says how to make another.
    const again = processes.start('local relay', asInClone(RELAY, 'start'), asByNpx)
    await again.waitForLine('what to do', (line) => line.includes('npx --no relay authtoken create'))
    const token = words[words.indexOf('--authtoken') + 1]!
    assert.match(token, /^sp_/)
    assert.equal(again.lines.join('\n').includes(token), false)
    again.kill('SIGTERM')
    await again.exited
  })

  it('first-hour 11: local mode uses other ports if its own are taken, and names their owner', async () => {
    const occupied = [await occupy(LOCAL_PORT), await occupy(LOCAL_ADMIN_PORT)]
    const relay = processes.start('local relay', [RELAY, 'start'])
    const command = await relay.waitForLine('the agent command', (line) => line.includes('agent tunnel --server'))
    const taken = relay.errors.flatMap(
      (line) => /^Port (\d+) is in use by (.+), taking (\d+) instead\.$/.exec(line) ?? [],
    )
    const [, http, holder, other, , admin, , otherAdmin] = taken
    assert.deepEqual([http, admin], [String(LOCAL_PORT), String(LOCAL_ADMIN_PORT)], relay.tail)
    if (process.platform === 'linux' && occupied[0]) assert.equal(holder, `node (process ${process.pid})`)
    assert.ok(command.includes(`--server http://localhost:${other} `), command)
    assert.equal((await new Browser().fetch(`http://app.localhost:${other}/`)).status, 503)
    assert.equal(await answers(Number(otherAdmin)), true)
    relay.kill('SIGTERM')
    assert.deepEqual(await relay.exited, { code: 0, signal: null }, relay.tail)
    for (const server of occupied) server?.close()
  })

  it('first-hour 3, 25: the demo signs in by itself, sees each page name its agent, a forged form stop none, its button stop one; exits with 0', async () => {
    const { code, stdout, stderr } = await processes.run([DEMO, '--once'], { TMPDIR: processes.folder })
    assert.equal(code, 0, `${stdout}\n${stderr}`)
    assert.match(stdout, /Everything works, and everything has been stopped/)
    for (const step of [
      /✔ both agents serve in turn, and each page says which/,
      /✔ a forged form stops no agent/,
      /✔ an agent is stopped from its page, and the other takes over/,
    ]) {
      assert.match(stdout, step)
    }
    assert.ok(stdout.split('\n').filter((line) => line.startsWith('✔')).length >= 8, stdout)
    assert.deepEqual(leftFolders(), [])
  })

  it('the demo takes another port if its own is taken, and leaves nothing behind after Ctrl-C', async () => {
    const occupied = await occupy(LOCAL_PORT)
    const demo = processes.start('demo', [DEMO], { TMPDIR: processes.folder })
    await demo.waitForLine('that the port is taken', (line) => /^Port 8080 is in use, taking \d+ instead/.test(line))
    const url = siteUrlIn(await demo.waitForLine('the URL', (line) => line.includes('Open')))
    assert.ok(url)
    await demo.waitForLine('how to stop', (line) => line.includes('Ctrl-C'))
    assert.equal((await new Browser().fetch(url)).status, 401)
    // A visit is shown, with the agent that has answered it.
    await demo.waitForLine('the visit', (line) => /401 {2}GET +\/ +ERR_SIGN_IN_REQUIRED/.test(line))
    const login = await new Browser().visit(url)
    const ports = [url, login.next!].map((each) => Number(new URL(each).port))
    const children = childrenOf(demo.pid)

    demo.kill('SIGINT')
    assert.deepEqual(await demo.exited, { code: 0, signal: null }, demo.tail)
    occupied?.close()
    for (const port of ports) assert.equal(await answers(port), false, `port ${port} is free again`)
    if (children.length > 0) {
      assert.ok(children.length >= 5, 'provider, site, relay and two agents were running')
      assert.deepEqual(
        children.filter((pid) => existsSync(`/proc/${pid}`)),
        [],
        'no process is left',
      )
    }
    assert.deepEqual(leftFolders(), [])
  })

  it('the demo refuses unknown arguments', async () => {
    const { code, stderr } = await processes.run([DEMO, '--onec'])
    assert.equal(code, 2)
    assert.match(stderr, /--once/)
  })

  /** The folders that demos have made and not removed. */
  function leftFolders(): string[] {
    return readdirSync(processes.folder).filter((name) => name.startsWith('sallyport-demo-'))
  }
})

describe(
  'npm run demo',
  { timeout: 230_000, skip: hasScript ? false : 'no script (util-linux), which makes a terminal' },
  () => {
    /** All temporary files of a run are in here. */
    let folder: string
    let terminal: PseudoTerminal

    beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'demo-test-'))))
    afterEach(async () => {
      await terminal.close()
      rmSync(folder, { recursive: true, force: true })
    })

    function open(command: string, columns?: number): void {
      // npm's Node.js may keep its compile cache there.
      const env = { TMPDIR: folder, NODE_DISABLE_COMPILE_CACHE: '1', npm_config_update_notifier: 'false' }
      terminal = new PseudoTerminal(command, { cwd: root, env, ...(columns !== undefined && { columns }) })
    }

    /** Every port that the demo has printed: those of relay, identity provider and site. */
    async function portsOf(text: string): Promise<number[]> {
      const told = [...text.matchAll(/localhost:(\d+)/g)].map((match) => Number(match[1]))
      const { next = '' } = await new Browser().visit(siteUrlIn(text))
      return [...new Set([...told, Number(new URL(next).port)])]
    }

    async function assertNothingIsLeft(ports: readonly number[] = []): Promise<void> {
      assert.deepEqual(terminal.processes, [])
      assert.deepEqual(readdirSync(folder), [])
      for (const port of ports) assert.equal(await answers(port), false, `port ${port}`)
    }

    it('first-hour 2: Ctrl-C ends everything', async () => {
      open('npm run demo')
      await terminal.read(READY)
      const ports = await portsOf(terminal.text)
      assert.ok(ports.length >= 3, ports.join())
      assert.ok(await answers(ports[0] ?? 0))
      assert.ok(readdirSync(folder).length > 0)
      terminal.press(CTRL_C)
      assert.equal(await terminal.exited, 0)
      await assertNothingIsLeft(ports)
    })

    it('first-hour 2: so does Ctrl-C pressed twice', async () => {
      open('npm run demo')
      await terminal.read(READY)
      const ports = await portsOf(terminal.text)
      terminal.press(CTRL_C + CTRL_C)
      assert.equal(await terminal.exited, 0)
      await assertNothingIsLeft(ports)
    })

    it('first-hour 2: so does an impatient second Ctrl-C', async () => {
      open('npm run demo')
      const [, pid] = await terminal.read(/agent 1 +kill -9 (\d+)/)
      await terminal.read(READY)
      const ports = await portsOf(terminal.text)
      process.kill(Number(pid), 'SIGSTOP') // it hears no SIGTERM, so the end takes long
      const pressing = setInterval(() => terminal.press(CTRL_C), 250)
      const code = await terminal.exited
      clearInterval(pressing)
      assert.equal(code, 1, 'it did not end in order')
      await assertNothingIsLeft(ports)
    })

    for (const [when, command] of [
      ['at the set-up', /setup\.mjs|demo\.ts/],
      ['with the identity provider', /identity-provider-main/],
      ['with the relay', /main\.ts start/],
      ['with the second agent', /--metadata agent 2/],
    ] as const) {
      it(`first-hour 2: so does Ctrl-C ${when}`, async () => {
        open('npm run demo')
        await terminal.sees(command)
        terminal.press(CTRL_C)
        await terminal.exited
        await assertNothingIsLeft()
      })
    }

    it('first-hour 2: so does SIGTERM to npm', async () => {
      open('npm run demo')
      await terminal.read(READY)
      const ports = await portsOf(terminal.text)
      process.kill((await terminal.sees(/^npm run demo/)).pid, 'SIGTERM')
      await terminal.exited
      await assertNothingIsLeft(ports)
    })

    it('first-hour 3: one sentence tells of a killed agent, and its command restarts it; the demo ends with its terminal', async () => {
      const columns = 64
      open('npm run demo', columns)
      await terminal.read(READY)
      const siteUrl = siteUrlIn(terminal.text)
      const [, kill = ''] = await terminal.read(/agent 1 +(kill -9 \d+)$/m)
      await shell(kill)
      const [, command = ''] = await terminal.read(/^ {2}(SALLYPORT_AUTHTOKEN=.*(?:\\\n.*)*localhost:\d+)\n\n/m)
      const said = terminal.text.slice(terminal.text.indexOf('agent 1 is gone'), terminal.text.indexOf(command))
      const sentence = said.replaceAll(/\s+/g, ' ').trim()
      const advice = `to bring agent 1 back, paste this into another terminal, in ${root}:`
      assert.equal(sentence, `agent 1 is gone, and agent 2 serves all visitors now; ${advice}`)
      // No line is wider than the terminal, except a single word.
      for (const line of terminal.text.slice(terminal.text.indexOf('Open')).split('\n')) {
        assert.ok(line.length < columns || !line.trim().replace(/ \\$/, '').includes(' '), line)
      }
      const browser = new Browser()
      const signIn = await browser.open(siteUrl)
      const page = await browser.submit(signIn, { username: 'ada', password: 'lovelace' })
      assert.match(page.body, /<li class="here"><strong>agent 2</)
      assert.match(page.body, /agent 1<\/strong> <span>is gone/)

      const agent = spawn('sh', ['-c', command], { cwd: root, stdio: 'ignore', detached: true })
      const ended = once(agent, 'close')
      try {
        await terminal.read(/agent 1 is online/)
        const pages = [await browser.visit(siteUrl), await browser.visit(siteUrl)]
        const here = pages.map(({ body }) => /<li class="here"><strong>([^<]+)/.exec(body)?.[1])
        assert.deepEqual(here.toSorted(), ['agent 1', 'agent 2'])
      } finally {
        process.kill(-(agent.pid ?? 0), 'SIGKILL') // npx and its children
        await ended
      }
      await assertBelievesNobody(portAt(command))

      const ports = await portsOf(terminal.text)
      terminal.hangUp()
      await terminal.isEmpty()
      await assertNothingIsLeft(ports)
    })
  },
)

/** The children of a process; none if the system has no /proc. */
function childrenOf(pid: number): number[] {
  if (!existsSync('/proc/self/task')) return []
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((candidate) => parentOf(candidate) === pid)
}

/** proc(5): the parent is the second field after the name, which is in brackets. */
function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    return undefined // it has just ended
  }
}

/** Listens on a port; undefined if the port is taken. */
async function occupy(port: number): Promise<Server | undefined> {
  const server = createServer()
  const { promise, resolve } = Promise.withResolvers<Server | undefined>()
  server.once('error', () => resolve(undefined))
  server.listen(port, '127.0.0.1', () => resolve(server))
  return promise
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  const { promise, resolve } = Promise.withResolvers<boolean>()
  socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
  const found = await promise
  socket.destroy()
  return found
}

function siteUrlIn(text: string): string {
  return /http:\/\/docs\.localhost:\d+/.exec(text)?.[0] ?? ''
}

/** The port of the site that a command of an agent leads to. */
function portAt(command: string): string {
  return /localhost:(\d+)$/.exec(command)?.[1] ?? ''
}

/** A program that reaches the site without the relay can write any header, but cannot sign. */
async function assertBelievesNobody(port: string): Promise<void> {
  const parts = ['{"alg":"none"}', '{"sub":"ada","aud":"edg_docs","exp":4102444800}', '']
  const token = parts.map((part) => Buffer.from(part).toString('base64url')).join('.')
  const headers = { 'sallyport-auth-user-id': 'ada', 'sallyport-auth-jwt': token }
  const body = new URLSearchParams({ agent: 'agent 2' })
  for (const answer of [
    await fetch(`http://127.0.0.1:${port}/`, { headers }),
    await fetch(`http://127.0.0.1:${port}/stop`, { method: 'POST', headers, body }),
  ]) {
    assert.equal(answer.status, 401)
    assert.doesNotMatch(await answer.text(), /application|agent/)
  }
}

async function shell(command: string): Promise<void> {
  const [code] = (await once(spawn('sh', ['-c', command]), 'close')) as [number]
  assert.equal(code, 0, command)
}
