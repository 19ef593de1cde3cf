import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, readdir, readlink, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'

import { ConfigError, createLog, parseConfig, startRelay } from './relay.ts'
import type { Relay } from './relay.ts'

let folder: string
before(async () => (folder = await mkdtemp(join(tmpdir(), 'sallyport-relay-'))))
after(() => rm(folder, { recursive: true, force: true }))

async function start(ports: { http: number; admin: number }): Promise<Relay> {
  const config = parseConfig(
    `
domain: localhost
public_url: http://relay.localhost
listen: { http: "127.0.0.1:${ports.http}", admin: "127.0.0.1:${ports.admin}" }
store: "sqlite:${join(folder, 'relay.db')}"
edges:
  - { id: edg_app, hosts: [app.localhost] }
`,
    { source: 'test', env: {} },
  )
  return startRelay(config, { log: createLog({ level: 'silent' }), env: {} })
}

/** Files of the store that this process has open. */
async function openFiles(): Promise<string[]> {
  const fds = await readdir('/proc/self/fd')
  const targets = await Promise.all(fds.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')))
  return targets.filter((target) => target.startsWith(folder))
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  const [event] = await Promise.race([
    once(socket, 'connect').then(() => ['connect']),
    new Promise<string[]>((resolve) => socket.once('error', () => resolve(['error']))),
  ])
  socket.destroy()
  return event === 'connect'
}

async function takePort(): Promise<{ server: Server; port: number }> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, port: (server.address() as AddressInfo).port } // it listens on a port
}

async function leave(server: Server): Promise<void> {
  server.close()
  await once(server, 'close')
}

describe('the life of a relay (the house, 5)', { skip: process.platform !== 'linux' && 'looks into /proc' }, () => {
  it('closes all that it has opened if a late step of the start fails, and can be started again', async () => {
    const [taken, free] = [await takePort(), await takePort()]
    await leave(free.server)
    const ports = { http: taken.port, admin: free.port }
    const timers = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
    await assert.rejects(start(ports), (error) => error instanceof ConfigError && /listen\.http/.test(error.message))
    assert.deepEqual(await openFiles(), [])
    assert.equal(await isListening(ports.admin), false)
    assert.deepEqual(
      (await readdir(folder)).filter((name) => name.endsWith('.sock')),
      [],
    )
    assert.equal(process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length, timers)

    await leave(taken.server)
    const relay = await start(ports)
    assert.equal(relay.addresses.http?.port, ports.http)
    assert.equal(await isListening(ports.admin), true)
    await relay.destroy()
    assert.equal(await isListening(ports.admin), false)
  })

  it('has close and destroy wait for the same end', async () => {
    const relay = await start({ http: 0, admin: 0 })
    assert.notDeepEqual(await openFiles(), [])
    const closed = relay.close()
    await Promise.all([relay.destroy(), relay.destroy()])
    assert.deepEqual(await openFiles(), [])
    await Promise.all([closed, relay.close()])
    await relay.destroy()
  })
})
