import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, statSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, beforeEach, describe, it } from 'node:test'
import type { TestContext } from 'node:test'

import { until } from '../../../../test/support/until.ts'
import { createLog } from '../log.ts'
import type { AskProcesses } from '../operator/questions.ts'
import { OperatorSocket } from './operator-socket.ts'

const status = {
  edges: { total: 1, without_tunnel: 0 },
  tunnels: { online: 2, unhealthy: 0, in_flight: 0 },
  agents: ['one', 'two'],
  connections: 4,
  visitor_sessions: 3,
}

describe("the operator's socket (the first hour, 9)", { skip: process.platform === 'win32' }, () => {
  let folder: string
  let path: string
  let files = 0
  const lines: string[] = []
  let ask: AskProcesses

  before(async () => (folder = await mkdtemp(join(tmpdir(), 'sallyport-socket-'))))
  after(() => rm(folder, { recursive: true }))
  beforeEach(() => {
    path = join(folder, `${files++}.sock`)
    lines.length = 0
    ask = async () => ({ answers: [status as never], silent: 0 })
  })

  async function open(t: TestContext, at = path): Promise<OperatorSocket> {
    const socket = await OperatorSocket.open({
      path: at,
      ask: (question) => ask(question),
      facts: () => ({
        startedAt: 0,
        isDraining: false,
        problem: undefined,
        publicUrl: new URL('https://relay.example.com'),
        listeners: {},
        storePath: '/s/relay.db',
      }),
      retryMs: 5,
      log: createLog({ level: 'info', format: 'json' }, { write: (line) => void lines.push(line) }),
    })
    t.after(() => socket.close())
    return socket
  }

  async function get(target: string, method = 'GET'): Promise<[number | undefined, { [key: string]: unknown }]> {
    const asked = request({ socketPath: path, path: target, method, agent: false }).end()
    const [response] = (await once(asked, 'response')) as [IncomingMessage]
    return [response.statusCode, JSON.parse(await text(response)) as { [key: string]: unknown }]
  }

  it('is for its user only, whatever the umask, and is gone when it is closed', async (t) => {
    const mask = process.umask(0)
    const socket = await open(t)
    process.umask(mask)
    assert.equal(statSync(path).mode & 0o777, 0o600)
    const [code, { agents, public_url }] = await get('/api/v1/status')
    assert.deepEqual([code, agents, public_url], [200, { total: 2, connections: 4 }, 'https://relay.example.com'])
    await socket.close()
    assert.equal(existsSync(path), false)
  })

  it('replaces a socket that a crash has left behind', async (t) => {
    const crash = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
    spawnSync(process.execPath, ['--eval', crash])
    assert.ok(existsSync(path))
    await open(t)
    assert.equal((await get('/api/v1/status'))[0], 200)
    assert.deepEqual(lines, [])
  })

  it('leaves the place to a running relay, says so once, and takes it when that relay has gone', async (t) => {
    const first = await open(t)
    const theirs = statSync(path).ino
    await open(t)
    const gone = await open(t)
    await gone.close()
    assert.equal(statSync(path).ino, theirs)
    assert.equal((await get('/api/v1/status'))[0], 200)
    assert.equal(lines.filter((line) => /another relay.*relay status will not show this relay/.test(line)).length, 2)
    await first.close()
    await until('the other one is there', () =>
      lines.some((line) => line.includes('relay status shows this relay now')),
    )
    assert.equal((await get('/api/v1/status'))[0], 200)
    assert.equal(lines.length, 3)
  })

  it('removes only sockets, and makes none if the path is too long', async (t) => {
    await writeFile(path, 'precious')
    await open(t)
    assert.match(lines.join(''), /something else is at this path/)
    assert.equal(statSync(path).size, 8)
    lines.length = 0
    await open(t, join(folder, `${'x'.repeat(110)}.sock`))
    assert.match(lines.join(''), /the path has 1\d\d bytes.*shorter path/)
  })

  it('answers questions, and survives those that it cannot answer', async (t) => {
    await open(t)
    assert.equal((await get('/metrics'))[0], 404)
    assert.equal((await get('//'))[0], 400)
    assert.equal((await get('/api/v1/tunnels?limit=1000'))[0], 400)
    assert.equal((await get('/api/v1/status', 'DELETE'))[0], 405)
    ask = async () => {
      throw new Error('no answer')
    }
    assert.deepEqual((await get('/api/v1/agents'))[0], 500)
    assert.match(lines.join(''), /no answer.*a question of the operator failed/)
  })

  it('is closed even if a client asks without end, or waits for an answer', async (t) => {
    const asked = Promise.withResolvers<void>()
    ask = () => {
      asked.resolve()
      return new Promise(() => {})
    }
    const socket = await open(t)
    const [half, whole] = [connect(path), connect(path)]
    half.write('GET /api/v1/sta')
    whole.write('GET /api/v1/status HTTP/1.1\r\nHost: relay\r\n\r\n')
    const ends = [half, whole].map((each) => once(each.on('error', () => {}).resume(), 'close'))
    await asked.promise
    await socket.close()
    await Promise.all(ends)
  })
})
