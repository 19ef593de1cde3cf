// A real nginx in front of the relay, with the block of docs/behind-a-proxy.md unchanged: visitors and agents come by
// TLS, and the relay sees HTTP/1.1. SALLYPORT_EARLY_ANSWERS sets how many uploads each line is; `npm run test:long`
// makes it 200. Skipped with the reason if it is not installed.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { Agent as Connections, request as httpsRequest } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, before, describe, it } from 'node:test'
import type { TestContext } from 'node:test'

import { startAgent } from '@sallyport/agent'
import { lookupLocalhost } from '../support/browser/browser.ts'
import { createLog } from '@sallyport/server'
import { WebSocket, WebSocketServer } from 'ws'

import { NO_OPENSSL, makeCertificate } from '../support/certificate.ts'
import { ForeignProgram, isInstalled } from '../support/programs/foreign-program.ts'
import { freePort } from '../support/processes.ts'
import { APP_HOST, startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'

const NO_NGINX = 'no nginx: apt-get install nginx-light (Debian) to run this'
const NO_CURL = 'no curl on this machine (on Debian: apt-get install curl)'
const UPLOADS = Number(process.env.SALLYPORT_EARLY_ANSWERS ?? 4)
const UPLOAD_BYTES = 20 * 1024 * 1024
const SIZES = [0, 1, 16_384, 1_000_000, 5_000_000]
const VISITOR = '127.0.0.2' // nginx itself, which the relay trusts, is 127.0.0.1
const HOSTS = ['relay.localhost', APP_HOST, 'auth.localhost', 'inside.localhost', 'far.localhost', 'nobody.localhost']
const EDGES = `
- { id: edg_app, hosts: [${APP_HOST}] }
- { id: edg_far, hosts: [far.localhost] }
- id: edg_inside
  hosts: [inside.localhost]
  backend: { labels: { edge: edg_app } }
  policy: { on_http_request: [{ actions: [{ type: restrict-ips, config: { allow: [${VISITOR}] } }] }] }
- id: edg_auth
  hosts: [auth.localhost]
  policy: { on_http_request: [{ actions: [{ type: basic-auth, config: { credentials: ["ada:correct horse"] } }] }] }
`
/** The early answer: by relay or app, its path, and its status. */
const ANSWERS = [
  { by: 'the relay, for want of a password', host: 'auth.localhost', path: '/', status: 401 },
  { by: 'the relay, for want of an edge', host: 'nobody.localhost', path: '/', status: 404 },
  { by: 'an app that closes behind it', host: APP_HOST, path: '/early', status: 405 },
  { by: 'an app that reads on', host: APP_HOST, path: '/reads-on', status: 405 },
] as const

interface Asked {
  host?: string
  path?: string
  method?: string
  headers?: Record<string, string>
  body?: Buffer
  /** Without a length, so in chunks. */
  isChunked?: boolean
  from?: string
  connections?: Connections
}

/** A request as the app has seen it. */
interface Seen {
  headers: IncomingHttpHeaders
  hash: string
}

describe('interop with nginx', { timeout: 60_000 * Math.max(1, UPLOADS / 4) }, () => {
  const sockets = new WebSocketServer({ noServer: true })
  const app = createServer((request, response) => void serve(request, response))
  app.on('upgrade', (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, (each) => {
      each.on('error', () => {}).on('message', (data, isBinary) => each.send(data, { binary: isBinary }))
    })
  })
  let asked = 0
  let event: (() => void) | undefined
  let folder: string
  let reason = ''
  let port = 0
  let ca = ''
  let nginx: ForeignProgram | undefined
  let stack: Stack | undefined

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sallyport-nginx-'))
    await chmod(folder, 0o755) // started by root, its workers run as another user
    const certificate = await makeCertificate(folder, HOSTS)
    if (!certificate) return void (reason = NO_OPENSSL)
    if (!(await isInstalled('nginx', ['-v']))) return void (reason = NO_NGINX)
    port = await freePort()
    ca = await readFile(certificate.certFile, 'utf8')
    const config = 'trusted_proxies: [127.0.0.1]'
    stack = await startStack({ app, edges: EDGES, config, publicUrl: `https://relay.localhost:${port}` })
    const file = join(folder, 'nginx.conf')
    await writeFile(file, await nginxConfig(certificate.certFile, certificate.keyFile, stack.port))
    nginx = await ForeignProgram.start('nginx', ['-p', folder, '-c', file, '-e', 'stderr'], port)
    await writeFile(join(folder, 'upload'), Buffer.alloc(UPLOAD_BYTES))
  })
  after(async () => {
    await nginx?.stop()
    await stack?.close()
    await rm(folder, { recursive: true, force: true })
  })

  /** The block of the documentation, with names, ports and files of this test. */
  async function nginxConfig(certFile: string, keyFile: string, relayPort: number): Promise<string> {
    const page = await readFile(join(import.meta.dirname, '../../docs/behind-a-proxy.md'), 'utf8')
    let block = /```nginx\n(.*?)```/s.exec(page)![1]! // otherwise there is nothing to try
    for (const [there, here] of [
      ['127.0.0.1:8080', `127.0.0.1:${relayPort}`],
      ['listen 443 ssl', `listen 127.0.0.1:${port} ssl`],
      ['relay.example.com docs.example.com', HOSTS.join(' ')],
      ['/etc/ssl/example.com.crt', certFile],
      ['/etc/ssl/example.com.key', keyFile],
    ] as const) {
      assert.ok(block.includes(there), there)
      block = block.replace(there, here)
    }
    const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (each) => `${each}_temp_path ${folder}/${each};`,
    )
    return `
      daemon off;
      worker_processes 1;
      pid ${folder}/nginx.pid;
      events {}
      http {
        access_log off;
        ${places.join('\n')}
        ${block}
      }`
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    asked++
    if (request.url === '/early' || request.url === '/reads-on') {
      response.writeHead(405, { connection: 'close' })
      if (request.url === '/reads-on') request.resume().once('close', () => request.socket.destroy())
      return void response.end('not here')
    }
    if (request.url === '/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: first\n\n')
      event = () => response.end('data: second\n\n')
      return
    }
    const size = /^\/bytes\/(\d+)$/.exec(request.url ?? '')?.[1]
    if (size !== undefined) return void response.end(Buffer.alloc(Number(size), 'x'))
    const hash = createHash('sha256')
    for await (const chunk of request) hash.update(chunk as Buffer) // there is no encoding
    const seen: Seen = { headers: request.headers, hash: hash.digest('hex') }
    response.end(JSON.stringify(seen))
  }

  function ask(wanted: Asked): Promise<IncomingMessage> {
    const { host = APP_HOST, path = '/', method, headers = {}, body, from = VISITOR, connections = false } = wanted
    const where = { host: '127.0.0.1', port, localAddress: from, servername: host, ca, agent: connections }
    const request = httpsRequest({ ...where, path, method: method ?? (body ? 'POST' : 'GET'), headers })
    request.setHeader('host', `${host}:${port}`)
    if (body && !wanted.isChunked) request.setHeader('content-length', body.length)
    const answered = new Promise<IncomingMessage>((resolve, reject) =>
      request.on('response', resolve).on('error', reject),
    )
    if (body && wanted.isChunked) Readable.from([body.subarray(0, 1), body.subarray(1)]).pipe(request)
    else request.end(body)
    return answered
  }

  function test(name: string, run: (test: TestContext) => Promise<void>): void {
    it(name, async (context) => {
      if (reason !== '') return context.skip(reason)
      await run(context)
    })
  }

  test('passes requests and answers of every size, on one connection and on many', async () => {
    const kept = new Connections({ keepAlive: true, maxSockets: 1 })
    for (const size of SIZES) {
      for (const connections of [undefined, kept]) {
        const got = await bytes(await ask({ path: `/bytes/${size}`, ...(connections && { connections }) }))
        assert.ok(got.equals(Buffer.alloc(size, 'x')), `${size} bytes`)
        for (const isChunked of [false, true]) {
          const body = randomBytes(size)
          const { hash } = await seenOf(await ask({ body, isChunked, ...(connections && { connections }) }))
          assert.equal(hash, createHash('sha256').update(body).digest('hex'), `${size} bytes`)
        }
      }
    }
    kept.destroy()
    const many = await Promise.all(Array.from({ length: 50 }, () => ask({ path: '/bytes/100000' }).then(bytes)))
    assert.ok(many.every((each) => each.length === 100_000))
  })

  test('the app learns the visitor’s address, scheme and host; the visitor’s own claims count for nothing', async () => {
    const forged = { 'x-forwarded-for': '10.1.1.1', 'x-forwarded-proto': 'http', 'x-forwarded-host': 'evil.example' }
    for (const headers of [{}, forged]) {
      const seen = await seenOf(await ask({ headers }))
      assert.equal(seen.headers['x-forwarded-for'], `${VISITOR}, 127.0.0.1`)
      assert.equal(seen.headers['x-forwarded-proto'], 'https')
      assert.equal(seen.headers['x-forwarded-host'], `${APP_HOST}:${port}`)
      assert.equal(seen.headers.host, `${APP_HOST}:${port}`)
    }
    assert.match(
      stack!.log.findLast((line) => line.includes('"msg":"exchange"'))!,
      /"clientIp":"127\.0\.0\.2"/,
    )
  })

  test('restrict-ips decides by the visitor’s address', async () => {
    const inside = { host: 'inside.localhost' }
    assert.equal((await ask(inside)).statusCode, 200)
    const before = asked
    const headers = { 'x-forwarded-for': VISITOR }
    assert.equal((await ask({ ...inside, headers, from: '127.0.0.3' })).statusCode, 403)
    assert.equal(asked, before, 'nothing has reached the app')
  })

  test('an event arrives before the next one is written', async () => {
    const answer = await ask({ path: '/events' })
    const [first] = (await once(answer, 'data')) as [Buffer]
    assert.equal(String(first), 'data: first\n\n')
    event!() // made with the first
    assert.equal(String(await bytes(answer)), 'data: second\n\n')
  })

  test('a WebSocket carries messages both ways, and ends with the given code', async () => {
    const url = `wss://${APP_HOST}:${port}/`
    const socket = new WebSocket(url, { lookup: lookupLocalhost, ca })
    await once(socket, 'open')
    for (const size of SIZES) {
      const message = randomBytes(size)
      socket.send(message)
      const [echo] = (await once(socket, 'message')) as [Buffer]
      assert.ok(echo.equals(message), `${size} bytes`)
    }
    const [server] = sockets.clients
    server!.close(4001, 'as asked') // its other end
    const [code, why] = (await once(socket, 'close')) as [number, Buffer]
    assert.deepEqual([code, String(why)], [4001, 'as asked'])
  })

  test('an agent connects through it as well', async () => {
    const { token } = await stack!.relay.authtokens.create({ acl: [] })
    const agent = startAgent({
      server: `https://relay.localhost:${port}`,
      ca,
      authtoken: token,
      log: createLog({ level: 'silent' }),
      tunnels: [{ upstream: `http://127.0.0.1:${stack!.appPort}`, labels: ['edge=edg_far'] }],
    })
    try {
      if (agent.status.state !== 'online') await once(agent, 'online')
      const body = randomBytes(1_000_000)
      const { hash } = await seenOf(await ask({ host: 'far.localhost', body }))
      assert.equal(hash, createHash('sha256').update(body).digest('hex'))
    } finally {
      await agent.close()
    }
  })

  for (const { by, host, path, status } of ANSWERS) {
    test(`real-apps 2: an early answer during an upload reaches curl and node: of ${by}`, async (context) => {
      const got = new Map<string, number>()
      const count = (one: string): unknown => got.set(one, (got.get(one) ?? 0) + 1)
      const hasCurl = await isInstalled('curl', ['--version'])
      if (!hasCurl) context.diagnostic(NO_CURL)
      for (let i = 0; i < UPLOADS; i++) {
        if (hasCurl) count(await curl(`https://${host}:${port}${path}`, host))
        count(await upload(host, path))
      }
      assert.deepEqual([...got], [[String(status), hasCurl ? 2 * UPLOADS : UPLOADS]])
    })
  }

  /** The status that it got, or its error. */
  function curl(url: string, host: string): Promise<string> {
    const args = ['-sS', '-k', '--http1.1', '-H', 'Expect:', '-T', join(folder, 'upload'), '-o', '/dev/null']
    const to = ['-w', '%{http_code}', '--resolve', `${host}:${port}:127.0.0.1`, url]
    return new Promise((resolve) => {
      execFile('curl', [...args, ...to], (error, stdout, stderr) => resolve(error ? `${stdout} ${stderr}` : stdout))
    })
  }

  /** Keeps sending without waiting for the answer. */
  async function upload(host: string, path: string): Promise<string> {
    try {
      const answer = await ask({ host, path, method: 'PUT', body: Buffer.alloc(UPLOAD_BYTES) })
      await bytes(answer)
      answer.destroy()
      return String(answer.statusCode)
    } catch (error) {
      return (error as Error).message // of node:https
    }
  }

  test('leaves nothing open: no exchange, no stream', async () => {
    const leaving = performance.now()
    await Promise.all(stack!.agents.map((agent) => agent.close())) // waits for its streams, for up to 30 s
    await stack!.relay.close() // waits for its exchanges
    assert.ok(performance.now() - leaving < 10_000, 'there were some')
  })
})

async function bytes(answer: IncomingMessage): Promise<Buffer> {
  return Buffer.concat(await answer.toArray())
}

async function seenOf(answer: IncomingMessage): Promise<Seen> {
  assert.equal(answer.statusCode, 200)
  return JSON.parse(String(await bytes(answer))) as Seen // as the app has written it
}
