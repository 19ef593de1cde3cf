// An answer that is given before the whole request has come: it reaches a visitor who is still uploading, over HTTP/1.1
// and TLS, from the relay or the app, and whether the app reads on or closes at once (RFC 9112 9.6).
// SALLYPORT_EARLY_ANSWERS sets how many uploads each line is; `npm run test:long` makes it 200.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, request as httpRequest } from 'node:http'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import { connect as connectTls } from 'node:tls'

import { NO_OPENSSL, makeCertificate } from '../support/certificate.ts'
import { NO_HAPROXY, startHaproxy } from '../support/programs/haproxy.ts'
import { webSocketRequest } from '../support/raw-web-socket.ts'
import { APP_HOST, startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { until } from '../support/until.ts'

const UPLOADS = Number(process.env.SALLYPORT_EARLY_ANSWERS ?? 4)
const UPLOAD_BYTES = 20 * 1024 * 1024
const NO_CURL = 'no curl on this machine (on Debian: apt-get install curl)'
const NO_GO = 'no go on this machine (on Debian: apt-get install golang-go)'
const HOSTS = [APP_HOST, 'auth.localhost', 'nobody.localhost', 'relay.localhost']
const EDGES = `
- { id: edg_app, hosts: [${APP_HOST}] }
- id: edg_auth
  hosts: [auth.localhost]
  policy: { on_http_request: [{ actions: [{ type: basic-auth, config: { credentials: ["ada:correct horse"] } }] }] }`

/** The early answer: by relay or app, its path, and its status. */
const ANSWERS = [
  { by: 'the relay, for want of a password', host: 'auth.localhost', path: '/', status: 401 },
  { by: 'the relay, for want of an edge', host: 'nobody.localhost', path: '/', status: 404 },
  { by: 'an app that closes behind it', host: APP_HOST, path: '/', status: 405 },
  { by: 'an app that reads on', host: APP_HOST, path: '/reads-on', status: 405 },
] as const

/** Requests that are still incomplete when the answer is there. */
const HALVES = [
  {
    what: 'an upload without a password',
    head: 'PUT / HTTP/1.1\r\nHost: auth.localhost\r\nContent-Length: 99999999\r\n\r\nx',
    status: 401,
  },
  {
    what: 'an upload to no edge',
    head: 'PUT / HTTP/1.1\r\nHost: nobody.localhost\r\nTransfer-Encoding: chunked\r\n\r\n5000000\r\nx',
    status: 404,
  },
  {
    what: 'an upload that the app refuses',
    head: `PUT / HTTP/1.1\r\nHost: ${APP_HOST}\r\nContent-Length: 99999999\r\n\r\nx`,
    status: 405,
  },
  { what: 'an upgrade that is refused', head: webSocketRequest('auth.localhost', []), status: 401 },
  {
    what: 'a head that is too long',
    head: `GET / HTTP/1.1\r\nHost: ${APP_HOST}\r\nX: ${'x'.repeat(70_000)}`,
    status: 431,
  },
  { what: 'a CONNECT', head: `CONNECT ${APP_HOST}:443 HTTP/1.1\r\nHost: ${APP_HOST}\r\n\r\n`, status: 405 },
] as const

describe('real-apps 2: an early answer during an upload', { timeout: 60_000 * Math.max(1, UPLOADS / 4) }, () => {
  const app = createServer((request, response) => {
    response.writeHead(405, { connection: 'close' })
    if (request.url === '/reads-on') request.resume().once('close', () => request.socket.destroy())
    response.end('not here')
  })
  let folder: string
  let plain: Stack
  let secure: Stack | undefined
  const closing: (() => unknown)[] = []

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sallyport-early-'))
    await writeFile(join(folder, 'upload'), Buffer.alloc(UPLOAD_BYTES))
    plain = await startStack({ app, edges: EDGES })
    const certificate = await makeCertificate(folder, HOSTS)
    secure = certificate && (await startStack({ app, edges: EDGES, certificate }))
  })
  after(async () => {
    for (const close of closing.toReversed()) await close()
    await secure?.close()
    await plain.close()
    await rm(folder, { recursive: true, force: true })
  })

  /** The port for http or https; undefined if the test has been skipped. */
  function portOf(scheme: 'http' | 'https', test: TestContext): number | undefined {
    if (scheme === 'http') return plain.port
    if (!secure) test.skip(NO_OPENSSL)
    return secure?.tlsPort
  }

  for (const scheme of ['http', 'https'] as const) {
    for (const { by, host, path, status } of ANSWERS) {
      it(`reaches curl over ${scheme}: of ${by}`, async (test) => {
        const port = portOf(scheme, test)
        if (port === undefined) return
        if (!(await has('curl', '--version'))) return test.skip(NO_CURL)
        const url = `${scheme}://${host}:${port}${path}`
        const args = ['-sS', '-k', '--http1.1', '-H', 'Expect:', '-T', join(folder, 'upload'), '-o', '/dev/null']
        const to = ['-w', '%{http_code}', '--resolve', `${host}:${port}:127.0.0.1`, url]
        await allOf(status, async () => (await run('curl', [...args, ...to])).trim())
      })

      it(`reaches node:${scheme}: of ${by}`, async (test) => {
        const port = portOf(scheme, test)
        if (port !== undefined) await allOf(status, () => upload(scheme, port, host, path))
      })
    }
  }

  it('reaches Go over http and https', async (test) => {
    if (!(await has('go', 'version'))) return test.skip(NO_GO)
    await writeFile(join(folder, 'upload.go'), GO_UPLOAD)
    await run('go', ['build', '-o', join(folder, 'upload-go'), join(folder, 'upload.go')], { GOFLAGS: '-mod=mod' })
    for (const scheme of ['http', 'https'] as const) {
      const port = portOf(scheme, test)
      if (port === undefined) return
      for (const { host, path, status } of ANSWERS) {
        const address = `127.0.0.1:${port}`
        const url = `${scheme}://${host}:${port}${path}`
        await allOf(status, async () => (await run(join(folder, 'upload-go'), [address, url])).trim())
      }
    }
  })

  it('reaches curl through HAProxy in front of the relay', async (test) => {
    if (NO_HAPROXY !== false) return test.skip(NO_HAPROXY)
    if (!(await has('curl', '--version'))) return test.skip(NO_CURL)
    const haproxy = await startHaproxy(plain.port, { in: {} })
    closing.push(() => haproxy.close())
    for (const { host, path, status } of ANSWERS) {
      const args = ['-sS', '--http1.1', '-H', 'Expect:', '-T', join(folder, 'upload'), '-o', '/dev/null']
      const to = ['-w', '%{http_code}', '-H', `Host: ${host}`, `http://127.0.0.1:${haproxy.ports.in}${path}`]
      await allOf(status, async () => (await run('curl', [...args, ...to])).trim())
    }
  })

  for (const scheme of ['http', 'https'] as const) {
    for (const { what, head, status } of HALVES) {
      it(`is followed by an end without a reset, over ${scheme}: ${what}`, async (test) => {
        const port = portOf(scheme, test)
        if (port === undefined) return
        const before = openSockets()
        const socket = await open(scheme, port)
        const errors: Error[] = []
        let text = ''
        socket
          .on('error', (error) => errors.push(error))
          .on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
        socket.write(head)
        await once(socket, 'end')
        assert.match(text, new RegExp(`^HTTP/1.1 ${status} `))
        // The relay has sent its answer; a visitor who reads slowly has not read it, and keeps sending.
        for (let sent = 0; sent < 20; sent++) {
          socket.write(Buffer.alloc(16 * 1024))
          await new Promise((resolve) => setImmediate(resolve))
        }
        socket.end()
        await once(socket, 'close')
        assert.deepEqual(errors, [])
        await untilOpen(before)
      })
    }
  }

  it('leaves nothing open: no exchange, no connection', async () => {
    for (const stack of [plain, secure]) {
      if (!stack) continue
      await Promise.all(stack.agents.map((agent) => agent.close())) // waits for its streams, for up to 30 s
      await stack.relay.close() // waits for its exchanges
    }
    app.closeAllConnections()
    await untilOpen(0)
  })
})

/** Of this process, which contains relay, agent and app. */
function openSockets(): number {
  return process.getActiveResourcesInfo().filter((each) => each === 'TCPSocketWrap').length
}

async function untilOpen(count: number): Promise<void> {
  await until(`no more than ${count} sockets are open`, () => openSockets() <= count)
}

/** @param once resolves with the status that the visitor has got */
async function allOf(status: number, once: () => Promise<string>): Promise<void> {
  const got = new Map<string, number>()
  for (let i = 0; i < UPLOADS; i++) {
    const each = await once()
    got.set(each, (got.get(each) ?? 0) + 1)
  }
  assert.deepEqual([...got], [[String(status), UPLOADS]])
}

/** Sends a large body without waiting for the answer. */
async function upload(scheme: 'http' | 'https', port: number, host: string, path: string): Promise<string> {
  const options = { port, host: '127.0.0.1', path, method: 'PUT', agent: false, headers: { host } }
  const request: ClientRequest =
    scheme === 'http' ? httpRequest(options) : httpsRequest({ ...options, servername: host, rejectUnauthorized: false })
  request.setHeader('content-length', UPLOAD_BYTES)
  const answered = new Promise<string>((resolve) => {
    request.on('response', (response: IncomingMessage) => {
      response.resume().on('end', () => resolve(String(response.statusCode)))
      response.on('error', (error) => resolve(error.message))
    })
    request.on('error', (error) => resolve(error.message))
  })
  request.end(Buffer.alloc(UPLOAD_BYTES))
  const status = await answered
  request.destroy()
  return status
}

async function open(scheme: 'http' | 'https', port: number): Promise<Socket> {
  const to = { port, host: '127.0.0.1', allowHalfOpen: true }
  const tls = { ...to, servername: APP_HOST, rejectUnauthorized: false }
  const socket = scheme === 'http' ? connect(to) : connectTls(tls)
  await once(socket, scheme === 'http' ? 'connect' : 'secureConnect')
  return socket
}

async function has(command: string, argument: string): Promise<boolean> {
  return new Promise((resolve) => execFile(command, [argument], (error) => resolve(!error)))
}

/** Its output; if it fails, its error. */
async function run(command: string, args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  return new Promise((resolve) => {
    execFile(command, args, { env: { ...process.env, ...env } }, (error, stdout, stderr) => {
      resolve(error ? `${stdout} ${stderr}` : stdout)
    })
  })
}

const GO_UPLOAD = `package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
)

func main() {
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, os.Args[1])
	}
	to := &http.Transport{DialContext: dial, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	request, _ := http.NewRequest("PUT", os.Args[2], bytes.NewReader(make([]byte, ${UPLOAD_BYTES})))
	response, err := to.RoundTrip(request)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(response.StatusCode)
}
`
