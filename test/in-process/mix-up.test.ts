// S1: a dishonest provider passes the visitor on to an honest one, with its own `state` and another visitor's request
// (RFC 9700 4.4). The honest provider's code must never be redeemed at the dishonest one: neither if an agent has
// brought that one, nor if relay.yml has it. A whole relay, two providers without a password, and a browser.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import type { IncomingHttpHeaders } from 'node:http2'
import { connect as connectSocket } from 'node:net'
import type { Socket } from 'node:net'
import { after, before, beforeEach, describe, it } from 'node:test'

import { Browser } from '../support/browser/browser.ts'
import type { Visit } from '../support/browser/browser.ts'
import { redirectUri } from '@sallyport/server'

import { startHostileProvider } from '../../packages/server/src/oidc/hostile-provider.test-support.ts'
import type { HostileProvider } from '../../packages/server/src/oidc/hostile-provider.test-support.ts'
import { HandAgent } from '../support/hand-agent.ts'
import { freePort } from '../support/processes.ts'
import { httpApp, startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'

const CLIENT = { client_id: 'relay', client_secret: 'only relay.yml knows this secret' }

describe('S1: two issuers of one relay', { timeout: 60_000 }, () => {
  let stack: Stack
  let honest: HostileProvider
  let evil: HostileProvider
  let agent: HandAgent
  let origin: string
  /** The requests that have reached the app of relay.yml. */
  let asked = 0

  before(async () => {
    const port = await freePort()
    origin = `http://relay.localhost:${port}`
    ;[honest, evil] = await Promise.all([startHostileProvider(), startHostileProvider()])
    const signIn = (config: object): object => ({
      on_http_request: [{ actions: [{ type: 'openid-connect', config }] }],
    })
    const staff = { ...CLIENT, issuer_url: honest.issuer, auth_id: 'staff' }
    const partners = { ...CLIENT, issuer_url: evil.issuer, auth_id: 'partners' }
    const edges = [
      { id: 'edg_app', hosts: ['docs.localhost'], policy: signIn({ ...staff, alternatives: [partners] }) },
      { id: 'edg_wiki', hosts: ['wiki.localhost'], policy: signIn(partners), backend: { labels: { edge: 'edg_app' } } },
    ]
    stack = await startStack({
      port,
      app: httpApp((_, response) => {
        asked += 1
        response.end('inside')
      }),
      listen: 'http2: all',
      edges: edges.map((edge) => `- ${JSON.stringify(edge)}`).join('\n'), // JSON is YAML
    })
    const { token } = await stack.relay.authtokens.create({ acl: ['bind:prize.localhost'] })
    agent = await HandAgent.connect(stack, token)
    agent.hello()
    await agent.next('welcome')
    const policy = signIn({ ...CLIENT, issuer_url: evil.issuer })
    agent.send({ type: 'bind', tunnel_id: 1, url: 'prize.localhost', forwards_to: 'x', policy })
    const bound = await agent.next('bound')
    assert.equal(bound.type === 'bound' && bound.redirect_uri, redirectUri(origin, evil.issuer))
  })
  after(async () => {
    agent.close()
    await stack.close()
    await Promise.all([honest.close(), evil.close()])
  })
  beforeEach(() => {
    for (const provider of [honest, evil]) {
      provider.behave = {}
      provider.asked.length = 0
      provider.redeemed.length = 0
    }
    asked = 0
  })

  const at = (host: string, path: string): string => `http://${host}:${stack.port}${path}`
  const sessionOf = (browser: Browser): string | undefined =>
    [...browser.cookies.values()].flatMap((jar) => [...jar.values()]).find(({ name }) => name.endsWith('.session'))
      ?.name

  const WHERE = {
    'an endpoint of an agent': ['prize.localhost', '/win'],
    'another sign-in of the same edge': ['docs.localhost', '/.sallyport/login?auth_id=partners'],
    'another edge of relay.yml': ['wiki.localhost', '/'],
  } as const

  /** The dishonest one has begun a sign-in at docs itself, and redirects its visitors into that one. */
  async function attack({ withIss, to }: { withIss: boolean; to?: string }): Promise<void> {
    const begun = await new Browser().visit(at('docs.localhost', '/.sallyport/login?auth_id=staff'))
    evil.behave.back = (callback) => {
      const state = callback.searchParams.get('state')
      callback.href = String(begun.next)
      callback.searchParams.set('state', String(state))
      if (to !== undefined) callback.searchParams.set('redirect_uri', to)
    }
    if (withIss) honest.behave.back = (callback) => callback.searchParams.set('iss', honest.issuer)
  }

  function assertNothingCameOfIt(visitor: Browser): void {
    assert.ok(honest.asked.includes('/authorize'), 'the honest one has been asked, and has answered with a code')
    // The check of an endpoint's sign-in sends made-up codes.
    const codes = evil.redeemed.filter((form) => form.get('code')?.startsWith('sallyport-check-') !== true)
    assert.deepEqual(codes, [], 'the dishonest token endpoint has seen no code')
    assert.deepEqual(honest.redeemed, [])
    assert.equal(sessionOf(visitor), undefined)
    assert.equal(asked, 0, 'nothing has reached the app')
  }

  for (const [where, [host, path]] of Object.entries(WHERE)) {
    for (const withIss of [false, true]) {
      it(`S1: the provider of ${where} gets no code of another, whose answers ${withIss ? '' : 'do not '}name it`, async () => {
        await attack({ withIss })
        const victim = new Browser()
        const seen = await victim.open(at(host, path))
        assertRefused(seen)
        assert.ok(seen.url.startsWith(`${redirectUri(origin, honest.issuer)}?`), seen.url)
        assertNothingCameOfIt(victim)
        assert.match(stack.log.join(''), /has come to the redirect URI of another issuer/)
      })
    }

    it(`S1: the provider of ${where} gains nothing by having the answer come to its own path`, async () => {
      // A provider that checks redirect URIs refuses here; this one does not, but its code still opens nothing.
      await attack({ withIss: false, to: redirectUri(origin, evil.issuer) })
      evil.behave.tokenAnswer = { status: 400, body: '{"error":"invalid_grant"}' }
      const victim = new Browser()
      assertRefused(await victim.open(at(host, path)))
      assert.equal(evil.redeemed.length, 1, 'registered nowhere, or this would be its code')
      assert.equal(evil.redeemed[0]?.get('redirect_uri'), redirectUri(origin, evil.issuer))
      // At the honest provider's path it is redeemed with that provider's redirect URI, for which it was not issued.
      const attacker = new Browser()
      const begun = await attacker.visit(at('docs.localhost', '/.sallyport/login?auth_id=staff'))
      const state = String(new URL(String(begun.next)).searchParams.get('state'))
      const answer = new URLSearchParams({ code: String(evil.redeemed[0]?.get('code')), state })
      await attacker.open(`${redirectUri(origin, honest.issuer)}?${answer.toString()}`)
      assert.equal(honest.redeemed[0]?.get('redirect_uri'), redirectUri(origin, honest.issuer))
      assert.equal(asked, 0)
    })
  }

  it('S1: over HTTP/2 and as an upgrade an answer is refused at the path of another issuer as well', async () => {
    await attack({ withIss: false })
    const victim = new Browser()
    let visit = await victim.visit(at('prize.localhost', '/win'))
    while (visit.next && !visit.next.startsWith(`${origin}/oidc/`)) visit = await victim.visit(visit.next)
    const { pathname, search } = new URL(String(visit.next))
    assert.ok(`${origin}${pathname}` === redirectUri(origin, honest.issuer), String(visit.next))

    const session = connectHttp2(origin, { createConnection: () => connectSocket(stack.port, '127.0.0.1') })
    const stream = session.request({ ':path': `${pathname}${search}`, accept: 'text/html' })
    const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders]
    session.destroy()
    assert.deepEqual([headers[':status'], headers['sallyport-error-code']], [400, 'ERR_SIGN_IN_FAILED'])
    assert.equal(headers['location'], undefined)

    const upgrade = httpRequest({
      host: '127.0.0.1',
      port: stack.port,
      path: `${pathname}${search}`,
      headers: {
        host: `relay.localhost:${stack.port}`,
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      },
    })
    upgrade.end()
    const [answer] = (await Promise.race([once(upgrade, 'response'), once(upgrade, 'upgrade')])) as [
      { statusCode: number; headers: IncomingHttpHeaders; socket: Socket },
    ]
    answer.socket.destroy()
    assert.deepEqual([answer.statusCode, answer.headers['location']], [400, undefined])
    assertNothingCameOfIt(victim)
  })

  it('each signs its own visitors in, at its own redirect URI', async () => {
    const [staff, partner] = [new Browser(), new Browser()]
    assert.equal((await staff.open(at('docs.localhost', '/.sallyport/login?auth_id=staff'))).body, 'inside')
    assert.equal((await partner.open(at('wiki.localhost', '/'))).body, 'inside')
    for (const provider of [honest, evil]) {
      assert.equal(provider.redeemed[0]?.get('redirect_uri'), redirectUri(origin, provider.issuer))
    }
  })
})

function assertRefused({ status, headers, url }: Visit): void {
  assert.equal(status, 400, url)
  assert.equal(headers['sallyport-error-code'], 'ERR_SIGN_IN_FAILED')
}
