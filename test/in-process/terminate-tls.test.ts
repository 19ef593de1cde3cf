// The demands of edges on the TLS of their visitors (`terminate-tls`): certificates and versions, in every way that a request
// can come. Relay, agents and sockets are real, in this process. "Refused" means that nothing has reached the app.

import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { connect as connectTcp, createServer } from 'node:net'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { after, afterEach, before, describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import { connect as connectTls } from 'node:tls'

import { startAgent } from '@sallyport/agent'
import type { Agent } from '@sallyport/agent'
import { createLog, loadLanguage } from '@sallyport/server'

import { NO_OPENSSL, makeAuthority, makeCertificate, signCertificate } from '../support/certificate.ts'
import type { CertificateFiles, CertificatePair } from '../support/certificate.ts'
import { RecordingApp } from '../support/recording-app.ts'
import { startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { TLS_WAYS, TlsVisitor } from '../support/tls-visitor.ts'
import type { TlsAnswer, TlsVisit } from '../support/tls-visitor.ts'

const HOSTS = ['open', 'mine', 'twin', 'other', 'any', 'ask', 'new', 'old', 'brought', 'page'].map(
  (name) => `${name}.localhost`,
)

describe('terminate-tls', { timeout: 60_000 }, () => {
  let folder: string
  let certificate: CertificateFiles | undefined
  let stack: Stack
  const app = new RecordingApp()
  const visitors: TlsVisitor[] = []
  const agents: Agent[] = []
  /** Authorities. */
  let ours: string
  let theirs: string
  /** Certificates of visitors: of the authority of `mine`, of that of `other`, of no authority, and one that has expired. */
  let ann: CertificatePair
  let bob: CertificatePair
  let eve: CertificatePair
  let old: CertificatePair

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sallyport-terminate-tls-'))
    certificate = await makeCertificate(folder, ['relay.localhost', ...HOSTS])
    if (!certificate) return
    ours = (await makeAuthority(folder, 'ours')).cert
    theirs = (await makeAuthority(folder, 'theirs')).cert
    eve = await makeAuthority(folder, 'ann')
    ann = await signCertificate(folder, 'ann', 'ours')
    bob = await signCertificate(folder, 'bob', 'theirs')
    old = await signCertificate(folder, 'old', 'ours', -1)
    const edge = (name: string, config?: object, rules: object = {}): string => {
      const on_tcp_connect = config ? [{ actions: [{ type: 'terminate-tls', config }] }] : []
      const backend = { labels: { edge: 'edg_app' } }
      const policy = { on_tcp_connect, ...rules }
      return `- ${JSON.stringify({ id: `edg_${name}`, hosts: [`${name}.localhost`], backend, policy })}`
    }
    const trusting = (...authorities: string[]): object => ({ mutual_tls_certificate_authorities: authorities })
    const name = '${has(conn.tls.client) ? conn.tls.client.subject.common_name : "nobody"}'
    const tells = { on_http_request: [{ actions: [{ type: 'set-headers', config: { headers: { 'X-Name': name } } }] }] }
    await loadLanguage() // for ${…}
    stack = await startStack({
      app: app.server,
      certificate,
      config: `certificate_authorities: { ca_theirs: ${join(folder, 'theirs.crt')} }\ntrusted_proxies: [127.0.0.2]`,
      edges: [
        edge('open', undefined, tells),
        edge('mine', trusting(ours), tells),
        edge('twin', trusting(join(folder, 'ours.crt'))),
        edge('other', trusting('ca_theirs')),
        edge('any', { mutual_tls_verification_strategy: 'require-any' }),
        edge('ask', { ...trusting(ours), mutual_tls_verification_strategy: 'request' }, tells),
        edge(
          'new',
          { min_version: 1.3 },
          {
            on_tcp_connect: [
              { actions: [{ type: 'terminate-tls', config: { min_version: 1.3 } }] },
              {
                expressions: [
                  "actions.ngrok.terminate_tls.negotiated_alpn == 'h2' && conn.tls.version == actions.ngrok.terminate_tls.version",
                ],
                actions: [{ type: 'deny' }],
              },
            ],
          },
        ),
        edge('old', { max_version: '1.2' }),
        ofThePage()
          .replace('edg_docs', 'edg_app')
          .replaceAll('docs.example.com', 'page.localhost')
          .replace('/etc/sallyport/partners.pem', join(folder, 'ours.crt')),
      ].join('\n'),
    })
  })
  after(async () => {
    for (const agent of agents) agent.destroy()
    app.server.close()
    await stack?.close()
    await rm(folder, { recursive: true, force: true })
  })
  afterEach(() => {
    for (const visitor of visitors.splice(0)) visitor.close()
    app.heads.length = 0
  })

  async function connect(visit: TlsVisit): Promise<TlsVisitor> {
    const visitor = await TlsVisitor.connect(stack.tlsPort, visit)
    visitors.push(visitor)
    return visitor
  }

  /** One request on a new connection. */
  async function visit(host: string, options: Partial<TlsVisit> = {}): Promise<TlsAnswer> {
    return (await connect({ name: host, ...options })).ask(host)
  }

  const passes = ({ status, code }: TlsAnswer): boolean => code === '' && (status === 200 || status === 101)

  function test(name: string, run: () => Promise<void>): void {
    it(name, async (context: TestContext) => {
      if (!certificate) return context.skip(NO_OPENSSL)
      await run()
    })
  }

  for (const way of TLS_WAYS) {
    test(`lets visitors pass only with a certificate of the right authority, over ${way}`, async () => {
      for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
        const from = { way, maxVersion }
        assert.ok(passes(await visit('mine.localhost', { ...from, ...ann })), maxVersion)
        assert.equal(app.values('x-name')[0], 'ann')
        assert.ok(passes(await visit('twin.localhost', { ...from, ...ann })))
        assert.ok(passes(await visit('other.localhost', { ...from, ...bob })))
        app.heads.length = 0
        for (const path of ['/', '/.sallyport/login', '/.sallyport/oidc/callback', '//', '/%2e%2e/']) {
          const { code } = await (await connect({ name: 'mine.localhost', ...from })).ask('mine.localhost', path)
          assert.equal(code, 'ERR_CERTIFICATE_REQUIRED', path)
        }
        for (const [wrong, reason] of [
          [bob, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
          [eve, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
          [old, 'CERT_HAS_EXPIRED'],
        ] as const) {
          const { status, code } = await visit('mine.localhost', { ...from, ...wrong })
          assert.deepEqual([status, code], [403, 'ERR_CERTIFICATE_REFUSED'])
          assert.ok(
            stack.log.some((line) => line.includes(reason) && line.includes('CERTIFICATE_REFUSED')),
            reason,
          )
        }
        assert.deepEqual(app.heads, [])
      }
    })

    test(`refuses requests for an edge with other demands on a connection, over ${way}`, async () => {
      for (const [name, host, with_] of [
        ['open.localhost', 'mine.localhost', {}],
        ['', 'mine.localhost', ann],
        ['nowhere.localhost', 'mine.localhost', ann],
        ['other.localhost', 'mine.localhost', bob],
        ['any.localhost', 'mine.localhost', ann],
        ['ask.localhost', 'mine.localhost', ann],
        ['mine.localhost', 'open.localhost', ann],
        ['open.localhost', 'new.localhost', {}],
        ['old.localhost', 'open.localhost', {}],
      ] as const) {
        const { status, code } = await (await connect({ name, way, ...with_ })).ask(host)
        assert.deepEqual([status, code], [421, 'ERR_MISDIRECTED'], `${name || 'no name'} ▶ ${host}`)
      }
      assert.deepEqual(app.heads, [])
      for (const host of ['MINE.localhost', 'mine.localhost.', 'mine.localhost:443']) {
        const { code } = await (await connect({ name: 'open.localhost', way })).ask(host)
        assert.equal(code, 'ERR_MISDIRECTED', host)
      }
      assert.deepEqual(app.heads, [])
      // The same demands are the same connection: RFC 9113 9.1.1.
      assert.ok(passes(await (await connect({ name: 'mine.localhost', way, ...ann })).ask('twin.localhost')))
    })
  }

  test('keeps a connection for its own host, and ends one that can serve no host', async () => {
    const shared = await connect({ name: 'mine.localhost', way: 'HTTP/2', ...ann })
    assert.equal((await shared.ask('other.localhost')).status, 421)
    assert.ok(passes(await shared.ask('mine.localhost')), 'it goes on')
    for (const name of ['mine.localhost', '']) {
      const useless = await connect({ name, way: 'HTTP/2' })
      assert.match((await useless.ask('mine.localhost')).code, /CERTIFICATE_REQUIRED|MISDIRECTED/)
      await useless.untilRetired()
    }
    for (const name of ['mine.localhost', 'open.localhost']) {
      const useless = await connect({ name })
      assert.match((await useless.ask('mine.localhost')).headers, /^connection: close$/m)
      await useless.untilRetired()
    }
  })

  test('works as docs/traffic-policy.md says', async () => {
    assert.ok(passes(await visit('page.localhost', ann)))
    const serial = new X509Certificate(ann.cert).serialNumber.toLowerCase()
    assert.deepEqual([...app.values('x-client-name'), ...app.values('x-client-serial')], ['ann', serial])
    assert.equal((await visit('page.localhost')).code, 'ERR_CERTIFICATE_REQUIRED')
  })

  test('makes certificates optional, or accepts any, as the strategy says', async () => {
    for (const [host, with_, name] of [
      ['ask.localhost', {}, 'nobody'],
      ['ask.localhost', ann, 'ann'],
      ['ask.localhost', eve, 'ann'],
    ] as const) {
      assert.ok(passes(await visit(host, with_)))
      assert.equal(app.values('x-name')[0], name)
    }
    assert.ok(passes(await visit('any.localhost', eve)))
    assert.equal((await visit('any.localhost')).code, 'ERR_CERTIFICATE_REQUIRED')
  })

  test('shows a certificate to no expression of an edge that did not ask for it', async () => {
    assert.ok(passes(await visit('open.localhost', ann)))
    assert.equal(app.values('x-name')[0], 'nobody')
  })

  test('accepts only the versions of the edge, and tells later rules the result', async () => {
    assert.ok(passes(await visit('new.localhost')))
    app.heads.length = 0
    await assert.rejects(
      visit('new.localhost', { way: 'HTTP/2' }),
      /the connection ended|ECONNRESET|no application protocol/,
    )
    assert.deepEqual(app.heads, [])
    await assert.rejects(visit('new.localhost', { maxVersion: 'TLSv1.2' }), /alert protocol version|ECONNRESET/)
    const visitor = await connect({ name: 'old.localhost' })
    assert.equal(visitor.socket.getProtocol(), 'TLSv1.2')
    assert.ok(passes(await visitor.ask('old.localhost')))
    await assert.rejects(visit('old.localhost', { minVersion: 'TLSv1.3' }), /alert protocol version|ECONNRESET/)
    assert.ok(stack.log.some((line) => line.includes('TLS handshake refused')))
  })

  test('resumes no session: no ticket carries a certificate, or its absence, to another connection', async () => {
    const places = ['open.localhost', 'mine.localhost', 'other.localhost', 'new.localhost']
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      for (const from of places) {
        if (from === 'new.localhost' && maxVersion === 'TLSv1.2') continue
        const first = await connect({ name: from, maxVersion, ...ann })
        await first.ask(from)
        const ticket = first.tickets.at(-1) ?? first.socket.getSession()
        for (const to of places.slice(1, 3)) {
          const second = await connect({ name: to, maxVersion, session: ticket })
          assert.equal(second.socket.isSessionReused(), false, `${from} ▶ ${to} ${maxVersion}`)
          app.heads.length = 0
          assert.equal((await second.ask(to)).code, 'ERR_CERTIFICATE_REQUIRED')
          assert.deepEqual(app.heads, [])
        }
      }
    }
    const bound = await connect({ name: 'mine.localhost', ...ann })
    await bound.ask('mine.localhost')
    assert.ok(passes(await visit('open.localhost', { session: bound.tickets.at(-1) })))
    assert.equal(app.values('x-name')[0], 'nobody', 'nor to an edge that has not asked')
    // A visitor who had no certificate, and has one now, is asked again.
    const without = await connect({ name: 'mine.localhost' })
    await without.ask('mine.localhost')
    assert.ok(passes(await visit('mine.localhost', { session: without.tickets.at(-1), ...ann })))
  })

  test('lets no visitor change the certificate on an open connection', async () => {
    const visitor = await connect({ name: 'mine.localhost', maxVersion: 'TLSv1.2', ...ann })
    const error = await new Promise<NodeJS.ErrnoException | null>((resolve) => {
      visitor.socket.once('error', resolve).renegotiate({}, resolve)
    })
    assert.equal(error?.code, 'ERR_SSL_NO_RENEGOTIATION')
  })

  test('is not reached without TLS, or by other bytes', async () => {
    const http = connectTcp(stack.port, '127.0.0.1')
    http.end('GET / HTTP/1.1\r\nHost: mine.localhost\r\nConnection: close\r\n\r\n')
    assert.match(
      String((await once(http, 'data'))[0]),
      /^HTTP\/1\.1 308 .*\r\n[^]*location: https:\/\/mine\.localhost/i,
    )
    for (const bytes of ['GET / HTTP/1.1\r\nHost: mine.localhost\r\n\r\n', 'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n']) {
      const raw = connectTcp(stack.tlsPort, '127.0.0.1')
      raw
        .on('error', () => {})
        .resume()
        .write(bytes)
      await once(raw, 'close')
    }
    assert.deepEqual(app.heads, [])
  })

  test('serves a visitor whose ClientHello comes in many pieces', async () => {
    const slow = connectTcp(stack.tlsPort, '127.0.0.1').setNoDelay(true)
    const dripping = new Duplex({
      read: () => void slow.resume(),
      write(chunk: Buffer, _, done) {
        for (let at = 0; at < chunk.length; at += 100) slow.write(chunk.subarray(at, at + 100))
        done()
      },
    })
    slow.on('data', (chunk) => dripping.push(chunk)).on('close', () => dripping.push(null))
    const visitor = await connect({ name: 'mine.localhost', way: 'HTTP/2', ...ann, socket: dripping })
    assert.ok(passes(await visitor.ask('mine.localhost')))
    slow.destroy()
  })

  test('survives damaged ClientHellos', async () => {
    const hello = await helloOf('mine.localhost')
    for (let at = 0; at < hello.length; at += 61) {
      const damaged = Buffer.from(hello)
      damaged[at]! ^= 1 << (at % 8)
      const raw = connectTcp(stack.tlsPort, '127.0.0.1')
      raw
        .on('error', () => {})
        .resume()
        .end(damaged)
      await once(raw, 'close')
    }
    assert.ok(passes(await visit('mine.localhost', ann)))
    assert.ok(!stack.log.some((line) => line.includes('internal error')))
  })

  test('refuses trusted proxies, because they end the TLS of visitors', async () => {
    for (const way of TLS_WAYS) {
      const proxy = { way, localAddress: '127.0.0.2', ...ann }
      for (const name of ['mine.localhost', 'open.localhost']) {
        const answer = await (await connect({ ...proxy, name })).ask('mine.localhost')
        assert.deepEqual([answer.status, answer.code], [403, 'ERR_TLS_ENDED_ELSEWHERE'])
      }
      assert.deepEqual(app.heads, [])
      assert.ok(passes(await visit('open.localhost', proxy)))
      app.heads.length = 0
    }
  })

  test('applies to new and open connections, as agents bring, change and remove it', async () => {
    const host = 'brought.localhost'
    const { token } = await stack.relay.authtokens.create({ acl: [] })
    const bring = async (endpoint: object = {}): Promise<Agent> => {
      const agent = startAgent({
        server: `https://relay.localhost:${stack.tlsPort}`,
        ca: await readFile(certificate!.certFile, 'utf8'), // checked by test()
        authtoken: token,
        log: createLog({ level: 'silent' }),
        tunnels: [{ upstream: `http://127.0.0.1:${stack.appPort}`, endpoint: { url: host, ...endpoint } }],
      })
      agents.push(agent)
      await once(agent, 'online')
      return agent
    }
    const open = await bring()
    const earlier = await connect({ name: host, way: 'HTTP/2' })
    assert.ok(passes(await earlier.ask(host)))
    await open.close({ deadlineMs: 1000 })

    const closed = await bring({ mutualTlsCas: `For people.\n${ours}` })
    app.heads.length = 0
    assert.equal(closed.status.tunnels[0]?.visitors, 'a client certificate')
    assert.equal((await earlier.ask(host)).code, 'ERR_MISDIRECTED')
    await earlier.untilRetired()
    assert.equal((await visit(host)).code, 'ERR_CERTIFICATE_REQUIRED')
    const later = await connect({ name: host, ...ann })
    assert.deepEqual(app.heads, [])
    assert.ok(passes(await later.ask(host)))
    await closed.close({ deadlineMs: 1000 })

    const config = { mutual_tls_certificate_authorities: [theirs] }
    const policy = { on_tcp_connect: [{ actions: [{ type: 'terminate-tls', config }] }] }
    const other = await bring({ trafficPolicy: { text: JSON.stringify(policy), source: 'policy.json' } })
    app.heads.length = 0
    assert.equal((await later.ask(host)).code, 'ERR_MISDIRECTED')
    assert.equal((await visit(host, ann)).code, 'ERR_CERTIFICATE_REFUSED')
    assert.deepEqual(app.heads, [])
    assert.ok(passes(await visit(host, bob)))
    await other.close({ deadlineMs: 1000 })
  })
})

/** The first bytes of a visitor. */
async function helloOf(servername: string): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const visitor = connectTls({ port: (server.address() as { port: number }).port, servername }) // it listens on a port
  visitor.on('error', () => {}) // the server says nothing
  const [socket] = (await once(server, 'connection')) as [Socket]
  const [bytes] = (await once(socket, 'data')) as [Buffer]
  visitor.destroy()
  server.close()
  return bytes
}

/** The edge in the example of docs/traffic-policy.md. */
function ofThePage(): string {
  const page = readFileSync(join(import.meta.dirname, '../../docs/traffic-policy.md'), 'utf8')
  const [, edges = ''] = /^## `terminate-tls`\n[^]*?\nedges:\n([^]*?)```/m.exec(page) ?? []
  return edges.replaceAll(/^ {2}/gm, '')
}
