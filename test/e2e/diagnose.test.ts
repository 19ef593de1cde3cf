// `agent diagnose` with a real relay: everything right, and each thing wrong in turn.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { after, before, describe, it } from 'node:test'
import type { TestContext } from 'node:test'

import type { DiagnoseReport } from '../../packages/agent/src/cli/diagnose-command.ts'
import { NO_OPENSSL, makeCertificate } from '../support/certificate.ts'
import type { CertificateFiles } from '../support/certificate.ts'
import { AGENT, Processes, freePort } from '../support/processes.ts'

const PASSWORD = 'hunter2'

describe('agent diagnose', { timeout: 120_000 }, () => {
  let processes: Processes
  let certificate: CertificateFiles | undefined
  let authtoken: string
  let app: Server
  let proxy: Server
  const tunnelled = new Set<Socket>()

  before(async () => {
    processes = await Processes.create({ scheme: 'https' })
    certificate = await makeCertificate(processes.folder, ['relay.localhost'])
    if (!certificate) return
    const { certFile, keyFile } = certificate
    await processes.startRelay({
      edges: [{ id: 'edg_app', hosts: ['app.localhost'] }],
      config: {
        listen: { https: `127.0.0.1:${processes.port}`, admin: '127.0.0.1:0' },
        tls: { certificates: [{ cert_file: certFile, key_file: keyFile }] },
      },
    })
    authtoken = await processes.createAuthtoken()
    app = await listen(createServer((_, response) => response.writeHead(404).end()))
    proxy = await listen(createServer())
    proxy.on('connect', (request, visitor: Socket) => {
      visitor.on('error', () => {})
      const expected = `Basic ${Buffer.from(`u:${PASSWORD}`).toString('base64')}`
      if (request.headers['proxy-authorization'] !== expected) {
        return void visitor.end('HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n')
      }
      const target = connect(Number(request.url?.split(':').at(-1)), '127.0.0.1', () => {
        visitor.write('HTTP/1.1 200 Connection established\r\n\r\n')
        visitor.pipe(target).pipe(visitor)
      })
      for (const socket of [visitor, target]) tunnelled.add(socket)
      target.on('error', () => visitor.destroy())
    })
  })
  after(async () => {
    await processes.close()
    for (const socket of tunnelled) socket.destroy()
    for (const server of [app, proxy]) server?.close().closeAllConnections()
  })

  /** Runs it, and compares `check: verdict` of every line, in order. */
  async function diagnose(
    test: TestContext,
    given: { server?: string; token?: string; upstream?: string; flags?: string[] },
    expected: string,
  ): Promise<string> {
    const { server = processes.publicUrl, token = authtoken, upstream = String(portOf(app)) } = given
    const { flags = ['--ca', certificate!.certFile] } = given // tests are skipped without it
    const words = [AGENT, 'diagnose', '--server', server, ...flags, upstream]
    const { code, stdout, stderr } = await processes.run(words, { SALLYPORT_AUTHTOKEN: token })
    test.diagnostic(stdout)
    assert.equal(stderr, '')
    const lines = [...stdout.matchAll(/^\[ (.+) \] ([^:]+): /gm)].map(([, verdict, check]) => `${check} ${verdict}`)
    assert.equal(lines.join(', '), expected)
    assert.equal(code, expected.includes('FAIL') ? 1 : 0)
    for (const secret of [token, PASSWORD, 'Bearer', 'Basic']) assert.ok(!stdout.includes(secret), secret)
    return stdout
  }
  const without = (test: TestContext): boolean => {
    if (!certificate) test.skip(NO_OPENSSL)
    return !certificate
  }

  it('first-hour 21: finds nothing if everything is right', async (test) => {
    if (without(test)) return
    const all = 'TLS OK, WebSocket OK, authtoken OK, protocol OK, clock OK, app OK'
    const report = await diagnose(test, {}, `proxy OK, name resolution OK, TCP OK, ${all}`)
    assert.match(report, /protocol: version 1 with relay \d+\.\d+\.\d+/)
    assert.match(report, /clock: within \d s of the relay's/)
    assert.match(report, /app: GET \/ answered 404 at http:\/\/localhost/)
  })

  it('first-hour 21: an unknown name', async (test) => {
    if (without(test)) return
    const rest = 'TCP --, TLS --, WebSocket --, authtoken --, protocol --, clock --, app OK'
    const server = 'https://relay.invalid'
    const report = await diagnose(test, { server }, `proxy OK, name resolution FAIL, ${rest}`)
    assert.match(report, /the name of https:\/\/relay\.invalid does not resolve\. Look for a slip/)
  })

  it('first-hour 21: nothing listens, neither the relay nor the app', async (test) => {
    if (without(test)) return
    const rest = 'TLS --, WebSocket --, authtoken --, protocol --, clock --, app FAIL'
    const given = { server: `https://relay.localhost:${await freePort()}`, upstream: String(await freePort()) }
    const report = await diagnose(test, given, `proxy OK, name resolution OK, TCP FAIL, ${rest}`)
    assert.match(report, /connection refused\)\. Look whether the relay runs/)
    assert.match(report, /app: GET \/: connection refused at localhost:\d+\. Start the app/)
  })

  it('first-hour 21: a certificate of an authority that this machine does not know', async (test) => {
    if (without(test)) return
    const rest = 'TLS FAIL, WebSocket --, authtoken --, protocol --, clock --, app OK'
    const report = await diagnose(test, { flags: [] }, `proxy OK, name resolution OK, TCP OK, ${rest}`)
    assert.match(report, /is not trusted \(.*\); give its authority with --ca FILE/)
  })

  it('first-hour 21: an authtoken that the relay does not know', async (test) => {
    if (without(test)) return
    const rest = 'TLS OK, WebSocket OK, authtoken FAIL, clock OK, protocol --, app OK'
    const token = `sp_${'x'.repeat(30)}`
    const report = await diagnose(test, { token }, `proxy OK, name resolution OK, TCP OK, ${rest}`)
    assert.match(report, /refused the authtoken.*agent config add-authtoken -/)
  })

  it('first-hour 21: says the same as JSON, with the same exit code', async (test) => {
    if (without(test)) return
    const token = `sp_${'x'.repeat(30)}`
    const proxyUrl = `http://u:${PASSWORD}@127.0.0.1:${portOf(proxy)}`
    const flags = ['--json', '--ca', certificate!.certFile, '--proxy-url', proxyUrl] // skipped without
    const words = [AGENT, 'diagnose', '--server', processes.publicUrl, ...flags, String(portOf(app))]
    const { code, stdout, stderr } = await processes.run(words, { SALLYPORT_AUTHTOKEN: token })
    assert.equal(code, 1)
    assert.equal(stderr, '')
    for (const secret of [token, PASSWORD, 'Bearer', 'Basic']) assert.ok(!stdout.includes(secret), secret)
    const { agent, checks, ...rest } = JSON.parse(stdout) as DiagnoseReport // as documented
    assert.match(agent, /^\d+\.\d+\.\d+/)
    assert.deepEqual(rest, { relay: processes.publicUrl, proxy: `127.0.0.1:${portOf(proxy)}`, failed: 1 })
    const found = checks.map(({ check, verdict }) => `${check} ${verdict}`)
    const all = 'tls ok, websocket ok, authtoken fail, clock ok, protocol untried, app ok'
    assert.equal(found.join(', '), `name ok, proxy ok, ${all}`)
    for (const { verdict, text, ms } of checks) {
      assert.ok(text.length > 0)
      assert.equal(typeof ms, verdict === 'untried' ? 'object' : 'number')
    }
  })

  it('first-hour 21: through a proxy, with the right password, a wrong one, none, or no proxy there', async (test) => {
    if (without(test)) return
    const by = (user: string, port = portOf(proxy)): { flags: string[] } => ({
      flags: ['--ca', certificate!.certFile, '--proxy-url', `http://${user}127.0.0.1:${port}`], // skipped without
    })
    const all = 'TLS OK, WebSocket OK, authtoken OK, protocol OK, clock OK, app OK'
    await diagnose(test, by(`u:${PASSWORD}@`), `name resolution OK, proxy OK, ${all}`)
    const none = 'name resolution OK, proxy FAIL, TLS --, WebSocket --, authtoken --, protocol --, clock --, app OK'
    assert.match(await diagnose(test, by(''), none), /\(407\)\. It wants a user name and password/)
    assert.match(await diagnose(test, by(`other:${PASSWORD}@`), none), /\(407\)\. It does not take this user name/)
    assert.match(await diagnose(test, by(`u:${PASSWORD}@`, await freePort()), none), /nothing listens at the proxy/)
  })
})

async function listen(server: Server): Promise<Server> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port // it listens on a port
}
