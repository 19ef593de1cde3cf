// HTTP/2 over TLS with real processes, behind sign-in: ALPN, cookies, redirects, WebSockets, curl.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { IncomingMessage, Server } from 'node:http'
import { connect, constants } from 'node:http2'
import type { ClientHttp2Session, IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import { after, afterEach, before, describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { promisify } from 'node:util'

import { Browser, lookupLocalhost } from '../support/browser/browser.ts'
import { WebSocketServer } from 'ws'

import { Processes } from '../support/processes.ts'
import { RawHttp2, SETTINGS } from '../support/raw-http2.ts'
import { signIn } from '../support/sign-in.ts'

const HOST = 'app.localhost'
const OPEN_HOST = 'open.localhost'
const NO_OPENSSL = 'no openssl on this machine: it makes the certificates (on Debian: apt-get install openssl)'
const NO_CURL = 'no curl with HTTP/2 on this machine (on Debian: apt-get install curl)'

interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: string
}

describe('HTTP/2 over TLS', { timeout: 60_000 }, () => {
  let processes: Processes
  let app: Server
  let hasOpenssl = true
  let ca: string
  /** Requests and upgrades that the app has seen. */
  let seen: IncomingMessage[] = []
  const sessions: ClientHttp2Session[] = []
  const webSockets = new WebSocketServer({ noServer: true })

  before(async () => {
    processes = await Processes.create({ scheme: 'https' })
    hasOpenssl = await makeCertificate()
    if (!hasOpenssl) return
    ca = await readFile(join(processes.folder, 'relay.crt'), 'utf8')
    app = createServer((request, response) => {
      seen.push(request)
      response.setHeader('set-cookie', ['theme=dark', 'size=big']).end(`the app ${request.httpVersion}`)
    })
    app.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      seen.push(request)
      webSockets.handleUpgrade(request, socket, head, (webSocket) => webSocket.send('welcome'))
    })
    app.listen(0, '127.0.0.1')
    await once(app, 'listening')
    await processes.startProvider()
    await processes.startRelay({
      edges: [
        { id: 'edg_app', hosts: [HOST], policy: processes.signIn() },
        { id: 'edg_open', hosts: [OPEN_HOST] },
      ],
      config: {
        listen: { https: `127.0.0.1:${processes.port}`, admin: '127.0.0.1:0' },
        tls: { certificates: [{ cert_file: 'relay.crt', key_file: 'relay.key' }] },
      },
    })
    const authtoken = await processes.createAuthtoken()
    const upstream = `http://127.0.0.1:${(app.address() as AddressInfo).port}` // it listens on a port
    const flags = ['--ca', join(processes.folder, 'relay.crt')]
    for (const edge of ['edg_app', 'edg_open']) {
      await processes.startAgent({ authtoken, labels: [`edge=${edge}`], upstream, name: edge, flags })
    }
  })
  afterEach(() => {
    for (const session of sessions.splice(0)) session.destroy()
    seen = []
  })
  after(async () => {
    await processes.close()
    app?.close().closeAllConnections()
  })

  /** False without openssl. */
  async function makeCertificate(): Promise<boolean> {
    const names = ['relay.localhost', HOST, OPEN_HOST].map((host) => `DNS:${host}`).join(',')
    const args =
      `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=relay ` +
      `-addext subjectAltName=${names} -addext basicConstraints=critical,CA:TRUE -keyout relay.key -out relay.crt`
    try {
      await promisify(execFile)('openssl', args.split(' '), { cwd: processes.folder })
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false // as execFile rejects
      throw error
    }
  }

  function isReady(test: TestContext): boolean {
    if (!hasOpenssl) test.skip(NO_OPENSSL)
    return hasOpenssl
  }

  function visit(host: string): ClientHttp2Session {
    const session = connect(processes.origin(host), { ca, lookup: lookupLocalhost })
    session.on('error', () => {}) // the streams report it
    sessions.push(session)
    return session
  }

  async function ask(session: ClientHttp2Session, headers: OutgoingHttpHeaders = {}): Promise<Answer> {
    const stream = session.request({ ':path': '/', ...headers })
    const [answered] = (await once(stream, 'response')) as [IncomingHttpHeaders] // as node:http2 documents
    return { status: Number(answered[':status']), headers: answered, body: await text(stream) }
  }

  /** Opens a WebSocket; returns the status and the first bytes of the answer. */
  async function openWebSocket(headers: OutgoingHttpHeaders): Promise<[status: number, first: string]> {
    const session = visit(HOST)
    await once(session, 'remoteSettings')
    const stream = session.request({
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':path': '/',
      'sec-websocket-version': '13',
      ...headers,
    })
    const [answered] = (await once(stream, 'response')) as [IncomingHttpHeaders] // as node:http2 documents
    const [chunk] = (await once(stream, 'data')) as [Buffer] // as node:http2 documents
    stream.close(constants.NGHTTP2_CANCEL)
    return [Number(answered[':status']), chunk.toString('latin1')]
  }

  it('is chosen by ALPN, with HTTP/1.1 beside it on the same port', async (test) => {
    if (!isReady(test)) return
    for (const [offered, chosen] of [
      [['h2', 'http/1.1'], 'h2'],
      [['http/1.1'], 'http/1.1'],
      [undefined, false],
    ] as const) {
      const socket = connectTls({
        port: processes.port,
        host: '127.0.0.1',
        servername: OPEN_HOST,
        ca,
        ...(offered && { ALPNProtocols: [...offered] }),
      })
      await once(socket, 'secureConnect')
      assert.equal(socket.alpnProtocol, chosen)
      if (chosen === 'h2') {
        const visitor = new RawHttp2(0, socket)
        await visitor.until(({ type }) => type === SETTINGS)
        visitor.close()
        continue
      }
      socket.write(`GET / HTTP/1.1\r\nHost: ${OPEN_HOST}\r\nConnection: close\r\n\r\n`)
      assert.match(await text(socket), /^HTTP\/1.1 200 OK[^]*the app 1.1$/)
    }
    const { status, body, headers } = await ask(visit(OPEN_HOST))
    assert.deepEqual([status, body, headers['set-cookie']], [200, 'the app 1.1', ['theme=dark', 'size=big']])
    assert.equal(seen.at(-1)?.headers['x-forwarded-proto'], 'https')
  })

  it('sends a visitor to sign-in, and finds the session in split cookie fields', async (test) => {
    if (!isReady(test)) return
    const session = visit(HOST)
    const page = { accept: 'text/html', 'sec-fetch-dest': 'document', 'sec-fetch-mode': 'navigate' }
    const away = await ask(session, page)
    assert.ok(away.status === 302 || away.status === 303, String(away.status))
    assert.match(String(away.headers.location), /^http:\/\/.*client_id=e2e/)
    assert.match(String(away.headers['set-cookie']), /__Host-sallyport.*; Secure/i)
    assert.equal((await ask(session)).status, 401)
    assert.equal(seen.length, 0, 'attack 29: no byte has reached the app')

    const url = `${processes.origin(HOST)}/`
    const visitor = await signIn(url, undefined, new Browser({ ca }))
    seen = []
    const crumbs = [...visitor.cookieHeader(url).split('; '), 'theme=dark']
    const { status, body } = await ask(session, { ...page, cookie: crumbs })
    assert.deepEqual([status, body], [200, 'the app 1.1'])
    const [{ headers }] = seen as [IncomingMessage] // one request
    assert.equal(headers['sallyport-auth-user-email'], 'ada@example.com')
    assert.match(String(headers.cookie), /theme=dark$/)
    assert.doesNotMatch(String(headers.cookie), /sallyport/i, 'attack 15')
  })

  it('opens WebSockets behind the same sign-in (attacks 30, 32)', async (test) => {
    if (!isReady(test)) return
    const url = `${processes.origin(HOST)}/`
    const visitor = await signIn(url, undefined, new Browser({ ca }))
    const cookie = visitor.cookieHeader(url)
    seen = []
    assert.equal((await openWebSocket({}))[0], 401)
    assert.equal((await openWebSocket({ cookie, origin: 'https://evil.example' }))[0], 403)
    assert.equal(seen.length, 0, 'no stream to an agent')
    const origin = processes.origin(HOST)
    assert.deepEqual(await openWebSocket({ cookie, origin }), [200, '\x81\x07welcome'])
    assert.equal(seen[0]?.headers['sallyport-auth-user-email'], 'ada@example.com')
  })

  it('serves other edges on the same connection, each by its own rules', async (test) => {
    if (!isReady(test)) return
    // Browsers share a connection between hosts of one certificate (RFC 9113 9.1.1).
    const session = visit(OPEN_HOST)
    assert.equal((await ask(session)).status, 200)
    assert.equal((await ask(session, { ':authority': `${HOST}:${processes.port}` })).status, 401)
  })

  it('is spoken with curl', async (test) => {
    if (!isReady(test)) return
    const features = await promisify(execFile)('curl', ['--version']).catch(() => ({ stdout: '' }))
    if (!/\bHTTP2\b/.test(features.stdout)) return test.skip(NO_CURL)
    const { port } = processes
    const { stdout } = await promisify(execFile)('curl', [
      '--silent',
      '--http2',
      '--cacert',
      join(processes.folder, 'relay.crt'),
      '--resolve',
      `${OPEN_HOST}:${port}:127.0.0.1`,
      '--data',
      'a form',
      '--write-out',
      ' %{http_version} %{http_code}',
      `https://${OPEN_HOST}:${port}/`,
    ])
    assert.equal(stdout, 'the app 1.1 2 200')
  })
})
