// The demands of edges on the TLS of visitors, in a relay of two workers: connections come to either, with tickets of the other,
// and an agent's demands hold at both. Everything else is in test/in-process/terminate-tls.test.ts.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { TestContext } from 'node:test'

import { NO_OPENSSL, makeAuthority, makeCertificate, signCertificate } from '../support/certificate.ts'
import type { CertificateFiles, CertificatePair } from '../support/certificate.ts'
import { AGENT, Processes } from '../support/processes.ts'
import { RecordingApp } from '../support/recording-app.ts'
import { TlsVisitor } from '../support/tls-visitor.ts'
import type { TlsAnswer } from '../support/tls-visitor.ts'

const VISITORS = 16 // all of them come to one worker once in thirty thousand times

describe('terminate-tls in a relay of two workers', { timeout: 120_000 }, () => {
  let processes: Processes
  let certificate: CertificateFiles | undefined
  let ann: CertificatePair
  const app = new RecordingApp()
  before(async () => {
    processes = await Processes.create({ scheme: 'https' })
    const { folder, port } = processes
    certificate = await makeCertificate(folder, [
      'relay.localhost',
      'open.localhost',
      'mine.localhost',
      'brought.localhost',
    ])
    if (!certificate) return
    await makeAuthority(folder, 'ours')
    ann = await signCertificate(folder, 'ann', 'ours')
    app.server.listen(0, '127.0.0.1')
    await once(app.server, 'listening')
    const backend = { fixed_response: { status: 200, body: 'ok' } }
    const config = { mutual_tls_certificate_authorities: ['ours.crt'] }
    const policy = { on_tcp_connect: [{ actions: [{ type: 'terminate-tls', config }] }] }
    await processes.startRelay({
      edges: [
        { id: 'edg_open', hosts: ['open.localhost'], backend },
        { id: 'edg_mine', hosts: ['mine.localhost'], backend, policy },
      ],
      config: {
        workers: 2,
        listen: { https: `127.0.0.1:${port}`, admin: '127.0.0.1:0' },
        tls: { certificates: [{ cert_file: certificate.certFile, key_file: certificate.keyFile }] },
      },
    })
  })
  after(async () => {
    await processes.close()
    app.server.close()
  })

  /** One visitor after the other, each on a new connection. */
  async function visitors(host: string, options: object, answer: (given: TlsAnswer, one: TlsVisitor) => void) {
    for (let count = 0; count < VISITORS; count++) {
      const visitor = await TlsVisitor.connect(processes.port, { name: host, ...options })
      answer(await visitor.ask(host), visitor)
      visitor.close()
    }
  }

  function test(name: string, run: () => Promise<void>): void {
    it(name, async (context: TestContext) => {
      if (!certificate) return context.skip(NO_OPENSSL)
      await run()
    })
  }

  test('no ticket of either admits a visitor', async () => {
    for (const [host, with_] of [
      ['open.localhost', {}],
      ['mine.localhost', ann],
    ] as const) {
      const first = await TlsVisitor.connect(processes.port, { name: host, ...with_ })
      assert.equal((await first.ask(host)).status, 200)
      const session = first.tickets.at(-1)
      assert.ok(session)
      await visitors('mine.localhost', { session }, ({ code }, { socket }) => {
        assert.deepEqual([code, socket.isSessionReused()], ['ERR_CERTIFICATE_REQUIRED', false])
      })
      first.close()
    }
    for (const worker of [1, 2]) {
      await processes.relay.waitForEntry('exchange', (entry) => entry.worker === worker && entry.status === 403)
    }
  })

  test('an agent’s demands hold at both', async () => {
    const upstream = `http://127.0.0.1:${(app.server.address() as { port: number }).port}` // it listens on a port
    const authtoken = await processes.createAuthtoken()
    const { folder } = processes
    const flags = [
      '--url',
      'brought.localhost',
      '--mutual-tls-cas',
      join(folder, 'ours.crt'),
      '--ca',
      certificate!.certFile,
    ]
    const agent = processes.start('agent', [
      AGENT,
      'http',
      upstream,
      '--authtoken',
      authtoken,
      '--server',
      processes.publicUrl,
      ...flags,
    ])
    await agent.waitForLine('online', (line) => line.includes('brought.localhost'))
    await visitors('brought.localhost', {}, ({ code }) => assert.equal(code, 'ERR_CERTIFICATE_REQUIRED'))
    assert.deepEqual(app.heads, [])
    await visitors('brought.localhost', ann, ({ status }) => assert.equal(status, 200))
    assert.equal(app.heads.length, VISITORS)
  })
})
