// B8 in a whole relay, over HTTP/1.1, HTTP/2 and as an upgrade: visitors without a session are told the next step, and
// none of their bytes reach the app. Walks through a sign-in: packages/server/src/oidc/dead-ends.test.ts.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { connect as connectSocket } from 'node:net'
import { text } from 'node:stream/consumers'
import { after, before, beforeEach, describe, it } from 'node:test'

import { Browser } from '../support/browser/browser.ts'

import { startHostileProvider } from '../../packages/server/src/oidc/hostile-provider.test-support.ts'
import type { HostileProvider } from '../../packages/server/src/oidc/hostile-provider.test-support.ts'
import { freePort } from '../support/processes.ts'
import { httpApp, startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'

const HOST = 'docs.localhost'
const OTHER_HOST = 'manual.localhost' // of the same edge

interface Asked {
  method: string
  path: string
  headers: Record<string, string>
  body?: string
}

interface Answer {
  status: number
  headers: Record<string, unknown>
  body: string
}

describe('B8: visitors without a session', { timeout: 60_000 }, () => {
  let stack: Stack
  let provider: HostileProvider
  let asked = 0

  before(async () => {
    provider = await startHostileProvider()
    const config = { client_id: 'relay', client_secret: 'a secret of the tests', issuer_url: provider.issuer }
    const policy = { on_http_request: [{ actions: [{ type: 'openid-connect', config }] }] }
    stack = await startStack({
      port: await freePort(),
      app: httpApp((_, response) => {
        asked += 1
        response.end('inside')
      }),
      listen: 'http2: all',
      edges: `- ${JSON.stringify({ id: 'edg_app', hosts: [HOST, OTHER_HOST], policy })}`, // JSON is YAML
    })
  })
  after(async () => {
    await stack.close()
    await provider.close()
  })
  beforeEach(() => {
    asked = 0
    provider.redeemed.length = 0
  })

  const overHttp1 = async ({ method, path, headers, body }: Asked): Promise<Answer> => {
    const request = httpRequest({
      host: '127.0.0.1',
      port: stack.port,
      method,
      path,
      agent: false,
      headers: { host: `${HOST}:${stack.port}`, ...headers },
    })
    request.end(body)
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    return { status: response.statusCode ?? 0, headers: response.headers, body: await text(response) }
  }

  const overHttp2 = async ({ method, path, headers, body }: Asked): Promise<Answer> => {
    const session = connectHttp2(`http://${HOST}:${stack.port}`, {
      createConnection: () => connectSocket(stack.port, '127.0.0.1'),
    })
    try {
      const stream = session.request({ ':method': method, ':path': path, ...headers })
      stream.end(body)
      const [answered] = (await once(stream, 'response')) as [Record<string, unknown>]
      return { status: Number(answered[':status']), headers: answered, body: await text(stream) }
    } finally {
      session.destroy()
    }
  }

  for (const [version, ask] of [
    ['HTTP/1.1', overHttp1],
    ['HTTP/2', overHttp2],
  ] as const) {
    it(`real-providers 10: over ${version} a form says that it was not sent`, async () => {
      const answer = await ask({
        method: 'POST',
        path: '/save',
        headers: {
          'content-type': 'application/x-www-form-urlencoded',
          'sec-fetch-dest': 'document',
          'sec-fetch-mode': 'navigate',
          accept: 'text/html',
          referer: `http://${HOST}:${stack.port}/form`,
        },
        body: 'text=entry',
      })
      assert.deepEqual([answer.status, answer.headers['sallyport-error-code']], [401, 'ERR_SIGN_IN_REQUIRED'])
      assert.match(answer.body, /Your entry was not sent/)
      assert.match(answer.body, /return_to=%2Fform"/)
      assert.equal(asked, 0)
    })

    it(`B8: over ${version} a page that a service worker asks for goes to the provider`, async () => {
      const headers = { 'sec-fetch-dest': 'empty', 'sec-fetch-mode': 'navigate', accept: 'text/html' }
      const answer = await ask({ method: 'GET', path: '/page', headers })
      assert.equal(answer.status, 302)
      const location = new URL(String(answer.headers['location']))
      assert.equal(location.origin, new URL(provider.issuer).origin)
      assert.ok(location.searchParams.get('state')!.length < 255)
      assert.equal(asked, 0)
    })

    it(`real-providers 11: over ${version} a frame may show the way out to the same origin`, async () => {
      const answer = await ask({ method: 'GET', path: '/widget', headers: { 'sec-fetch-dest': 'iframe' } })
      assert.equal(answer.status, 401)
      assert.match(String(answer.headers['content-security-policy']), /frame-ancestors 'self'/)
      assert.match(answer.body, / target="_top">Sign in</)
      assert.equal(asked, 0)
    })
  }

  /** Walks until the answer of the provider is about to be handed over to the edge. */
  const walkToHandOver = async (browser: Browser): Promise<string> => {
    const begin = `http://${HOST}:${stack.port}/.sallyport/oidc/callback`
    let { next } = await browser.visit(`http://${HOST}:${stack.port}/page`)
    while (next !== undefined && !next.startsWith(begin)) ({ next } = await browser.visit(next))
    assert.ok(next !== undefined)
    return next
  }

  it('attack 20: an answer is accepted only on the host of its sign-in, on no other of the same edge', async () => {
    const browser = new Browser()
    const handOver = await walkToHandOver(browser)
    const cookie = browser.cookieHeader(handOver)
    assert.match(cookie, /\.state\./)
    const elsewhere = handOver.replace(HOST, OTHER_HOST)
    const page = await new Browser().visit(elsewhere, { headers: { cookie } })
    assert.deepEqual([page.status, page.headers['sallyport-error-code']], [400, 'ERR_SIGN_IN_FAILED'])
    assert.match(stack.log.join(''), /the sign-in began at docs\.localhost, not here/)
    assert.deepEqual([provider.redeemed, asked], [[], 0])
    assert.equal((await browser.open(handOver)).body, 'inside', 'the answer itself was good')
  })

  it('attack 20: the cookie of one sign-in under the name of another redeems nothing', async () => {
    const [victim, attacker] = [new Browser(), new Browser()]
    await victim.visit(`http://${HOST}:${stack.port}/page`)
    const handOver = await walkToHandOver(attacker)
    const own = victim.cookie(HOST, 'sallyport.')
    const theirs = attacker.cookie(HOST, 'sallyport.')
    assert.ok(own && theirs && own.name !== theirs.name)
    const page = await new Browser().visit(handOver, { headers: { cookie: `${theirs.name}=${own.value}` } })
    assert.deepEqual([page.status, page.headers['sallyport-error-code']], [400, 'ERR_SIGN_IN_FAILED'])
    assert.deepEqual([provider.redeemed, asked], [[], 0])
  })

  it('B8: an upgrade is no form, no frame and no page', async () => {
    for (const destination of ['document', 'iframe', 'empty']) {
      const answer = await overHttp1({
        method: 'GET',
        path: '/socket',
        headers: {
          connection: 'Upgrade',
          upgrade: 'websocket',
          'sec-websocket-version': '13',
          'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
          'sec-fetch-dest': destination,
          'sec-fetch-mode': 'navigate',
        },
      })
      assert.equal(answer.status, 401)
      assert.equal(answer.headers['content-type'], 'application/problem+json')
    }
    assert.equal(asked, 0)
  })
})
