// TLS at the relay's own door: certificates by name and replaced on the fly, HTTP that only redirects, cookies that are
// bound to https, and agents over wss with a private authority.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import { connect } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import { promisify } from 'node:util'

import { Browser, lookupLocalhost } from '../support/browser/browser.ts'
import { WebSocket } from 'ws'

import { Processes, RELAY, freePort } from '../support/processes.ts'
import { sendRaw } from '../support/raw-client.ts'
import { signIn } from '../support/sign-in.ts'

const NO_OPENSSL = 'no openssl on this machine: it makes the certificates (on Debian: apt-get install openssl)'

describe('TLS', { timeout: 120_000 }, () => {
  let processes: Processes
  let app: Server
  let httpPort: number
  let authtoken: string
  let upstream: string
  let hasOpenssl = true
  /** Both certificates are their own authorities. */
  let ca: string

  before(async () => {
    processes = await Processes.create({ scheme: 'https' })
    hasOpenssl = await makeCertificate('main', ['relay.localhost', 'app.localhost', 'localhost'])
    if (!hasOpenssl) return
    await makeCertificate('wild', ['*.wild.localhost'])
    ca = `${await readFile(file('main.crt'), 'utf8')}\n${await readFile(file('wild.crt'), 'utf8')}`
    app = createServer((_, response) => response.setHeader('set-cookie', 'theme=dark').end('the app'))
    app.on('upgrade', (_, socket) => {
      socket.on('error', () => {}) // the visitor does not wait for its end
      socket.end('HTTP/1.1 418 No\r\nContent-Length: 0\r\n\r\n')
    })
    app.listen(0, '127.0.0.1')
    await once(app, 'listening')
    httpPort = await freePort()
    await processes.startProvider()
    await processes.startRelay({
      edges: [
        { id: 'edg_app', hosts: ['app.localhost'], policy: processes.signIn() },
        { id: 'edg_wild', hosts: ['*.wild.localhost'] },
      ],
      config: {
        listen: {
          https: `127.0.0.1:${processes.port}`,
          http: `127.0.0.1:${httpPort}`,
          admin: '127.0.0.1:0',
        },
        tls: {
          certificates: ['main', 'wild'].map((name) => ({ cert_file: `${name}.crt`, key_file: `${name}.key` })),
        },
      },
    })
    authtoken = await processes.createAuthtoken()
    upstream = `http://127.0.0.1:${(app.address() as AddressInfo).port}` // it listens on a port
    const flags = ['--ca', file('main.crt')]
    for (const edge of ['edg_app', 'edg_wild']) {
      await processes.startAgent({ authtoken, labels: [`edge=${edge}`], upstream, name: edge, flags })
    }
  })
  after(async () => {
    await processes.close()
    app?.close().closeAllConnections()
  })

  function file(name: string): string {
    return join(processes.folder, name)
  }

  /** False without openssl. */
  async function makeCertificate(name: string, hosts: readonly string[]): Promise<boolean> {
    const names = hosts.map((host) => `DNS:${host}`).join(',')
    const args =
      `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=${name} ` +
      `-addext subjectAltName=${names} -addext basicConstraints=critical,CA:TRUE -keyout ${name}.key -out ${name}.crt`
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

  /** The serial number of the certificate for a visitor who asks for this host, or for none. */
  async function serialFor(servername = ''): Promise<string> {
    const socket: TLSSocket = connect({
      port: processes.port,
      host: '127.0.0.1',
      ca,
      rejectUnauthorized: false,
      servername, // empty: none is sent
    })
    await once(socket, 'secureConnect')
    const { serialNumber } = socket.getPeerCertificate()
    socket.destroy()
    return serialNumber
  }

  async function serialOf(name: string): Promise<string> {
    return new X509Certificate(await readFile(file(name))).serialNumber
  }

  it('takes agents over wss with --ca, and visitors over https', async (test) => {
    if (!isReady(test)) return
    const page = await new Browser({ ca }).fetch(`${processes.origin('a.wild.localhost')}/`)
    assert.equal(page.body, 'the app')
    // Without the authority the agent names the problem, and keeps trying.
    const stranger = processes.launchAgent({ authtoken, labels: ['edge=edg_app'], upstream, name: 'stranger' })
    await stranger.waitForLine('why', (line) => line.includes('is not trusted') && line.includes('--ca'))
    stranger.kill('SIGTERM')
    assert.deepEqual(await stranger.exited, { code: 0, signal: null })
  })

  it('sets __Host- cookies that are Secure, and a session behind them', async (test) => {
    if (!isReady(test)) return
    const url = `${processes.origin('app.localhost')}/`
    const visitor = await signIn(url, undefined, new Browser({ ca }))
    const jar = [...(visitor.cookies.get('app.localhost')?.values() ?? [])].filter(
      ({ expires }) => expires > Date.now(),
    )
    assert.deepEqual(jar.map(({ name }) => name.replace(/sallyport\.[\w-]+\./, 'sallyport.*.')).toSorted(), [
      '__Host-sallyport.*.session',
      'theme',
    ])
    const session = jar.find(({ name }) => name.startsWith('__Host-'))!
    assert.deepEqual(
      { secure: session.secure, httpOnly: session.httpOnly, sameSite: session.sameSite, path: session.path },
      { secure: true, httpOnly: true, sameSite: 'lax', path: '/' },
    )
    // Under the name without the prefix, which a page of a sibling host could plant, it is no session.
    const planted = { cookie: `${session.name.replace('__Host-', '')}=${session.value}` }
    assert.equal((await new Browser({ ca }).fetch(url, { headers: planted })).status, 401)
    // An upgrade passes too: the app's own answer comes back.
    const webSocket = new WebSocket(url.replace('https', 'wss'), {
      ca,
      lookup: lookupLocalhost,
      headers: { cookie: visitor.cookieHeader(url) },
    })
    webSocket.on('error', () => {}) // reported by the answer
    const [, answer] = (await once(webSocket, 'unexpected-response')) as [unknown, { statusCode: number }]
    assert.equal(answer.statusCode, 418)
    webSocket.terminate()
  })

  it('redirects from http to https, and serves nothing else there', async (test) => {
    if (!isReady(test)) return
    const target = await new Browser().fetch(`http://app.localhost:${httpPort}/a/b?c=%2F`, {
      method: 'POST',
      body: 'x',
    })
    assert.equal(target.status, 308)
    assert.equal(target.headers.location, `${processes.origin('app.localhost')}/a/b?c=%2F`)
    assert.equal(target.headers['set-cookie'], undefined)
    assert.equal((await new Browser().fetch(`http://evil.example.localhost:${httpPort}/`)).status, 404)
    // An agent that would send its authtoken in clear is refused.
    const plain = await sendRaw(
      httpPort,
      `GET /.sallyport/agent HTTP/1.1\r\nHost: relay.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n` +
        `Sec-WebSocket-Protocol: sallyport.v1\r\nAuthorization: Bearer ${authtoken}\r\n\r\n`,
    )
    assert.doesNotMatch(plain, / 101 /)
  })

  it('chooses the certificate by the requested host', async (test) => {
    if (!isReady(test)) return
    const [main, wild] = await Promise.all([serialOf('main.crt'), serialOf('wild.crt')])
    assert.equal(await serialFor('app.localhost'), main)
    assert.equal(await serialFor('a.wild.localhost'), wild)
    assert.equal(await serialFor('A.WILD.localhost'), wild)
    assert.equal(await serialFor('a.b.wild.localhost'), main, 'a wildcard stands for one label')
    assert.equal(await serialFor('unknown.localhost'), main, 'the first is the one for all others')
    assert.equal(await serialFor(), main)
  })

  it('rereads certificates when their files change, and keeps the old one while the new one is bad', async (test) => {
    if (!isReady(test)) return
    const { relay } = processes
    const old = await serialOf('main.crt')
    const since = relay.lines.length
    await makeCertificate('next', ['app.localhost'])
    const next = await serialOf('next.crt')
    assert.notEqual(next, old)
    // One half first, as deploy scripts do: certificate and key do not belong together then.
    await rename(file('next.crt'), file('main.crt'))
    await relay.waitForEntry('certificate not reloaded; the old one stays in use', () => true, since)
    assert.equal(await serialFor('app.localhost'), old)
    assert.equal(await serialFor(), old)
    await rename(file('next.key'), file('main.key'))
    await relay.waitForEntry('certificate reloaded', () => true, since)
    assert.equal(await serialFor('app.localhost'), next)
    assert.equal(await serialFor(), next, 'also for visitors that send no name')
  })

  it('is refused at the start, with a sentence, if a certificate is malformed', async (test) => {
    if (!isReady(test)) return
    const broken = (await readFile(processes.configFile, 'utf8'))
      .replace('wild.key', 'main.key')
      .replace('main.crt', 'main.key')
    const configFile = file('broken.yml')
    await writeFile(configFile, broken)
    const { code, stderr } = await processes.run([RELAY, 'check', '--config', configFile])
    assert.equal(code, 2)
    assert.match(stderr, /2 problems/)
    assert.match(stderr, /tls\.certificates\[0\]\.cert_file: .*main\.key is not a PEM certificate \(line \d+\)/)
    assert.match(
      stderr,
      /tls\.certificates\[1\]\.key_file: .*main\.key is not the private key of .*wild\.crt \(line \d+\)/,
    )
  })
})
