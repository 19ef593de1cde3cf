// Limits that need real processes: with TLS, which allows an answer only after the handshake, and with few open files,
// of which neither visitors nor agents may take the last.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { request as httpsRequest } from 'node:https'
import { connect as connectTcp } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { after, before, describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'

import { ask } from '../support/ask.ts'
import { Processes } from '../support/processes.ts'

const HOST = 'app.localhost'
const run = promisify(execFile)

function startApp(): Promise<{ app: Server; upstream: string }> {
  const app = createServer((_, response) => response.end('the app'))
  app.listen(0, '127.0.0.1')
  return once(app, 'listening').then(() => {
    const { port } = app.address() as AddressInfo // it listens on a port
    return { app, upstream: `http://127.0.0.1:${port}` }
  })
}

async function metric(processes: Processes, name: string): Promise<number> {
  const text = await (await fetch(`${processes.adminUrl}/metrics`)).text()
  const line = text.split('\n').find((each) => each.startsWith(`${name} `))
  return Number(line?.slice(name.length) ?? 0)
}

describe('limits on connections with TLS', { timeout: 120_000 }, () => {
  let processes: Processes
  let app: Server
  let upstream: string
  let ca: string
  let hasOpenssl = true
  const kept: Socket[] = []

  before(async () => {
    processes = await Processes.create({ scheme: 'https' })
    const args =
      'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=main ' +
      `-addext subjectAltName=DNS:relay.localhost,DNS:${HOST} -addext basicConstraints=critical,CA:TRUE -keyout main.key -out main.crt`
    try {
      await run('openssl', args.split(' '), { cwd: processes.folder })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error // as execFile rejects
      hasOpenssl = false
      return
    }
    ca = await readFile(join(processes.folder, 'main.crt'), 'utf8')
    ;({ app, upstream } = await startApp())
    await processes.startRelay({
      edges: [{ id: 'edg_app', hosts: [HOST] }],
      config: {
        listen: { https: `127.0.0.1:${processes.port}`, admin: '127.0.0.1:0' },
        tls: { certificates: [{ cert_file: 'main.crt', key_file: 'main.key' }] },
        limits: { visitor_connections_per_address: 2 },
      },
    })
  })
  after(async () => {
    for (const socket of kept) socket.destroy()
    await processes.close()
    app?.close().closeAllConnections()
  })

  const target = () => ({ port: processes.port, host: '127.0.0.1', servername: HOST, ca })

  it('wrong 3: send an answer after the handshake, an alert before it, and let agents in', async (test: TestContext) => {
    if (!hasOpenssl) return test.skip('no openssl on this machine: it makes the certificates')
    for (let i = 0; i < 2; i++) {
      const socket = connectTls(target()).on('error', () => {})
      await once(socket, 'secureConnect')
      kept.push(socket)
    }
    const asked = httpsRequest({ ...target(), headers: { host: HOST }, agent: false }).end()
    const [answer] = (await once(asked, 'response')) as [
      { statusCode: number; headers: Record<string, string>; resume(): void },
    ]
    answer.resume()
    assert.equal(answer.statusCode, 429)
    assert.equal(answer.headers['sallyport-error-code'], 'ERR_TOO_MANY_CONNECTIONS')

    const session = connectHttp2(`https://${HOST}:${processes.port}`, { ...target(), lookup: undefined })
    const goaway = once(session, 'goaway')
    const stream = session.request({ ':authority': HOST })
    stream.resume()
    const [headers] = (await once(stream, 'response')) as [Record<string, unknown>]
    assert.equal(headers[':status'], 429)
    await goaway
    session.destroy()

    const authtoken = await processes.createAuthtoken()
    const flags = ['--ca', join(processes.folder, 'main.crt')]
    await processes.startAgent({ authtoken, labels: ['edge=edg_app'], upstream, name: 'late', flags })

    // Few connections are on trial; later ones get their answer unencrypted.
    await delay(1100)
    const errors = await Promise.all(
      Array.from({ length: 40 }, async () => {
        const socket = connectTls(target())
        kept.push(socket)
        return Promise.race([
          once(socket, 'secureConnect').then(() => 'on trial'),
          once(socket, 'error').then(([error]) => String((error as NodeJS.ErrnoException).code)),
        ]).catch((error: NodeJS.ErrnoException) => String(error.code))
      }),
    )
    assert.equal(errors.filter((each) => each === 'on trial').length, 16)
    assert.ok(
      errors.every((each) => each === 'on trial' || /INTERNAL_ERROR/.test(each)),
      errors.join(),
    )
    for (const socket of kept) socket.destroy()
    await delay(1100)
    const again = httpsRequest({ ...target(), headers: { host: HOST }, agent: false }).end()
    const [later] = (await once(again, 'response')) as [{ statusCode: number; resume(): void }]
    later.resume()
    assert.equal(later.statusCode, 200, 'places are given back, also with TLS')
  })
})

describe('few open files', { timeout: 120_000 }, () => {
  let processes: Processes
  let app: Server
  let upstream: string
  let hasPrlimit = true
  const kept: Socket[] = []

  before(async () => {
    processes = await Processes.create()
    ;({ app, upstream } = await startApp())
    await processes.startRelay({ edges: [{ id: 'edg_app', hosts: [HOST] }], openFiles: 300 })
    hasPrlimit = await run('prlimit', ['--version']).then(
      () => true,
      () => false,
    )
  })
  after(async () => {
    for (const socket of kept) socket.destroy()
    await processes.close()
    app.close().closeAllConnections()
  })

  it('wrong 3: are reported at the start, with numbers and advice', async () => {
    const entry = await processes.relay.waitForEntry('the system allows fewer open files than the limits need')
    assert.equal(entry.openFiles, 300)
    assert.equal(entry.needed, 40_768)
    assert.ok(Number(entry.visitorConnections) > 100 && Number(entry.agentSessions) > 100, JSON.stringify(entry))
    assert.match(String(entry.advice), /LimitNOFILE/)
  })

  it('wrong 3: leave an answer for visitors, and room for agents, the admin listener and the log', async () => {
    const authtoken = await processes.createAuthtoken()
    await processes.startAgent({ authtoken, labels: ['edge=edg_app'], upstream, name: 'early' })
    for (let i = 0; i < 600; i++) {
      const socket = connectTcp({ port: processes.port, host: '127.0.0.1', localAddress: `127.0.1.${i % 200}` })
      socket.on('error', () => {}) // turned away
      socket.write(`GET / HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`)
      kept.push(socket)
    }
    // Served, refused with an answer, or cut if too many were refused at once to answer them all.
    await Promise.all(kept.map((socket) => Promise.race([once(socket, 'data'), once(socket, 'close')]).catch(() => {})))
    await delay(1500) // trials give their places back
    const refused = await ask(processes.port, { host: HOST })
    assert.equal(refused.status, 503)
    assert.equal(refused.headers['sallyport-error-code'], 'ERR_RELAY_FULL')
    assert.equal((await fetch(`${processes.adminUrl}/healthz`)).status, 200)
    assert.ok((await metric(processes, 'sallyport_limit_refusals_total{limit="open_files"}')) > 300)
    await processes.relay.waitForEntry('refused by a limit', ({ limit }) => limit === 'open_files')
    await processes.startAgent({ authtoken, labels: ['edge=edg_app'], upstream, name: 'late' })
    for (const socket of kept.splice(0)) socket.destroy()
    await delay(1100)
    assert.equal((await ask(processes.port, { host: HOST })).status, 200, 'places are given back')
    assert.equal(processes.relay.entries.filter(({ msg }) => msg === 'open files are running out').length, 0)
  })

  it('wrong 3: are reported if they still run out, and when they are enough again', async (test: TestContext) => {
    if (!hasPrlimit) return test.skip('no prlimit on this machine: it takes files away from a process')
    const set = (files: number) => run('prlimit', ['--pid', String(processes.relay.pid), `--nofile=${files}:300`])
    await set(10)
    await processes.relay.waitForEntry('open files are running out', ({ used }) => used === 'all')
    await set(300)
    await processes.relay.waitForEntry('there are enough open files again')
    assert.equal((await ask(processes.port, { host: HOST })).status, 200)
  })
})
