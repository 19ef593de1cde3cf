// What likes fixed ports: local mode (8080, 4041) and the demo (8080, 8000, 4400). In one file, so that they never run
// at the same time.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { connect, createServer } from 'node:net'
import type { Server } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'

import { Browser } from '@sallyport/example-demo/browser'

import { AGENT, Processes, RELAY } from '../support/processes.ts'

const DEMO = join(import.meta.dirname, '../../examples/demo/demo.ts')
const LOCAL_PORT = 8080
const LOCAL_ADMIN_PORT = 4041

describe('local mode and the demo', { timeout: 120_000 }, () => {
  let processes: Processes

  before(async () => {
    processes = await Processes.create()
  })
  after(() => processes.close())

  it('relay start without a configuration says what there is and what to type next, and that works', async (test) => {
    const taken = [await occupy(LOCAL_PORT), await occupy(LOCAL_ADMIN_PORT)]
    for (const server of taken) server?.close()
    if (taken.includes(undefined)) {
      test.skip(`port ${LOCAL_PORT} or ${LOCAL_ADMIN_PORT} is used by another program on this machine`)
      return
    }
    const relay = processes.start('local relay', [RELAY, 'start'])
    const command = await relay.waitForLine('the agent command', (line) => line.includes('agent tunnel --server'))
    assert.ok(relay.lines.some((line) => line.includes('local mode')))
    assert.ok(existsSync(join(processes.folder, 'sallyport/relay.db')), 'the store is in the data folder of the user')

    // As pasted, but for the port of the app.
    const app = createHttpServer((_, response) => response.end('hi'))
    app.listen(0, '127.0.0.1')
    await once(app, 'listening')
    const address = app.address()
    const words = command.trim().split(/\s+/).slice(1, -1)
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
    const again = processes.start('local relay', [RELAY, 'start'])
    await again.waitForLine('what to do', (line) => line.includes('relay authtoken create'))
    const token = words[words.indexOf('--authtoken') + 1]!
    assert.match(token, /^sp_/)
    assert.equal(again.lines.join('\n').includes(token), false)
    again.kill('SIGTERM')
    await again.exited
  })

  it('relay start without a configuration, on ports that are taken: names the key and the address, and exits with 2', async () => {
    const occupied = await occupy(LOCAL_PORT)
    const local = await processes.run([RELAY, 'start'])
    occupied?.close()
    assert.equal(local.code, 2)
    assert.match(local.stderr, /listen\.(?:http: 127\.0\.0\.1:8080|admin: 127\.0\.0\.1:4041) is in use/)
  })

  it('the demo signs in by itself and exits with 0', async () => {
    const { code, stdout, stderr } = await processes.run([DEMO, '--once'], { TMPDIR: processes.folder })
    assert.equal(code, 0, `${stdout}\n${stderr}`)
    assert.match(stdout, /Everything works, and everything has been stopped/)
    assert.ok(stdout.split('\n').filter((line) => line.startsWith('✔')).length >= 6, stdout)
    assert.deepEqual(leftFolders(), [])
  })

  it('the demo takes another port where its own is taken, and leaves nothing behind after Ctrl-C', async () => {
    const occupied = await occupy(LOCAL_PORT)
    const demo = processes.start('demo', [DEMO], { TMPDIR: processes.folder })
    await demo.waitForLine('that the port is taken', (line) => /^Port 8080 is in use, taking \d+ instead/.test(line))
    const url = /http:\/\/docs\.localhost:\d+/.exec(
      await demo.waitForLine('the URL', (line) => line.includes('Open')),
    )?.[0]
    assert.ok(url)
    await demo.waitForLine('how to stop', (line) => line.includes('Ctrl-C'))
    assert.equal((await new Browser().fetch(url)).status, 401)
    // A visit is shown, with who has answered it.
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

  it('the demo refuses words it does not know', async () => {
    const { code, stderr } = await processes.run([DEMO, '--onec'])
    assert.equal(code, 2)
    assert.match(stderr, /--once/)
  })

  /** The folders that demos have made and not removed. */
  function leftFolders(): string[] {
    return readdirSync(processes.folder).filter((name) => name.startsWith('sallyport-demo-'))
  }
})

/** The children of a process; none where the system has no /proc. */
function childrenOf(pid: number): number[] {
  if (!existsSync('/proc/self/task')) return []
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((candidate) => parentOf(candidate) === pid)
}

/** proc(5): the parent is the second field behind the name, which stands in brackets. */
function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    return undefined // it has just ended
  }
}

/** Listens on a port; undefined where something else does already. */
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
