// The user of `agent http --oidc` learns the findings of `relay oidc check`, without waiting for them, and nothing
// about the relay's network.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'

import { startIdentityProvider, type IdentityProvider } from '../support/identity-provider/identity-provider.ts'
import type { ControlMessage } from '@sallyport/protocol'
import { redirectUri } from '@sallyport/server'

import { ask } from '../support/ask.ts'
import { HandAgent } from '../support/hand-agent.ts'
import { httpApp, startStack, type Stack } from '../support/stack.ts'

const SECRET = 'right-secret'

type Notice = Extract<ControlMessage, { type: 'notice' }>

describe('real-providers 12: the check of an endpoint’s sign-in', { timeout: 60_000 }, () => {
  let stack: Stack
  let provider: IdentityProvider
  let hosts = 0
  const agents: HandAgent[] = []

  before(async () => {
    stack = await startStack({ app: httpApp((_, response) => response.end('the app')) })
    const origin = `http://relay.localhost:${stack.port}`
    provider = await startIdentityProvider({
      port: 0,
      host: 'idp.localhost',
      path: '/realms/staff',
      users: [],
      clients: [
        {
          client_id: 'x',
          client_secret: SECRET,
          // As `public_url` of the stack says, which names no port.
          redirect_uris: (issuer) => [redirectUri('http://relay.localhost', issuer), redirectUri(origin, issuer)],
          post_logout_redirect_uris: ['http://relay.localhost/oidc/signed-out', `${origin}/oidc/signed-out`],
        },
      ],
    })
  })
  after(async () => {
    for (const agent of agents) agent.close()
    await stack.close()
    await provider.close()
  })

  async function bind(from: Stack, token: string, issuer_url: string, client_secret = SECRET): Promise<HandAgent> {
    const agent = await HandAgent.connect(from, token)
    agents.push(agent)
    agent.hello({ instance_id: `checks-${hosts}` })
    const config = { issuer_url, client_id: 'x', client_secret }
    const policy = { on_http_request: [{ actions: [{ type: 'openid-connect', config }] }] }
    agent.send({ type: 'bind', tunnel_id: 1, url: `c${hosts++}.localhost`, forwards_to: 'x', policy })
    const answer = await Promise.race([agent.next('bound'), agent.next('refused')])
    assert.equal(answer.type, 'bound', JSON.stringify(answer))
    return agent
  }

  const noticeOf = async (agent: HandAgent): Promise<Notice> => (await agent.next('notice')) as Notice // as asked for

  it('reports problems in terms of its flags, or that there are none', async () => {
    const { token } = await stack.relay.authtokens.create({ acl: [] })
    const { issuer } = provider
    const cases: [issuer: string, secret: string, level: string, text: RegExp][] = [
      [issuer, SECRET, 'info', /^The relay finds nothing wrong with the sign-in at http:\S+$/],
      [issuer, 'nope', 'warn', /credentials: it does not accept this client id and secret/],
      [`${issuer}/account`, SECRET, 'warn', new RegExp(`discovery: .*\\(HTTP 404\\); set --oidc to ${issuer}$`)],
    ]
    for (const [named, secret, level, text] of cases) {
      const notice = await noticeOf(await bind(stack, token, named, secret))
      assert.match(notice.text, text)
      assert.equal(notice.level, level)
      assert.equal(notice.text.includes(secret), false)
      assert.equal(
        stack.log.some((line) => line.includes(SECRET)),
        false,
      )
    }
  })

  it('does not delay the endpoint, and is one line that a terminal can show', async () => {
    const { token } = await stack.relay.authtokens.create({ acl: [] })
    let answer: (text: string) => void = () => {}
    const slow = createServer((socket) => {
      socket.on('error', () => {})
      answer = (text) =>
        socket.end(`HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`)
    })
    slow.listen(0, '127.0.0.1')
    const connected = once(slow, 'connection')
    await once(slow, 'listening')
    try {
      const agent = await bind(stack, token, `http://127.0.0.1:${(slow.address() as AddressInfo).port}`) // it listens on a port
      await connected
      assert.equal(
        agent.messages.some(({ type }) => type === 'notice'),
        false,
      )
      const served = await ask(stack.port, { host: `c${hosts - 1}.localhost`, path: '/.sallyport/logout' })
      assert.equal(served.status, 200, 'the endpoint stands already')
      answer(JSON.stringify({ issuer: `\u001b[2J\r\n${'x'.repeat(3000)}` }))
      const { level, text } = await noticeOf(agent)
      assert.equal(level, 'warn')
      assert.match(text, /^[\x20-\x7e\u2026\u00b7-\uffff]+$/)
      assert.ok(text.length <= 1024, `${text.length}`)
    } finally {
      slow.close()
    }
  })

  it('says of an unreachable issuer only that, whatever the reason', async () => {
    const open = await startStack({
      app: httpApp((_, response) => response.end()),
      publicUrl: 'https://relay.example.com',
    })
    try {
      const { token } = await open.relay.authtokens.create({ acl: [] })
      const texts = []
      // An unknown name, and a name of this machine: `.invalid` never resolves, ip6-localhost may.
      for (const host of ['nobody.invalid', 'ip6-localhost']) {
        const { text } = await noticeOf(await bind(open, token, `https://${host}:1`))
        texts.push(text.replaceAll(`${host}:1`, 'HOST'))
      }
      assert.match(
        texts[0] ?? '',
        /discovery: the relay gets no answer from https:\/\/HOST; its operator can find the reason in the log$/,
      )
      assert.equal(texts[0], texts[1])
      assert.ok(
        open.log.some(
          (line) => line.includes('the provider of an endpoint cannot be asked') && line.includes('ENOTFOUND'),
        ),
      )
    } finally {
      for (const agent of agents) agent.close()
      await open.close()
    }
  })

  it('is made at most ten times a minute for an authtoken', async () => {
    const { token } = await stack.relay.authtokens.create({ acl: [] })
    let asked = 0
    const counted = createServer((socket) => {
      asked++
      socket.destroy()
    })
    counted.listen(0, '127.0.0.1')
    await once(counted, 'listening')
    try {
      const issuer = `http://127.0.0.1:${(counted.address() as AddressInfo).port}` // it listens on a port
      for (let count = 0; count < 10; count++) await noticeOf(await bind(stack, token, issuer))
      const last = asked
      const more = await bind(stack, token, issuer)
      more.send({ type: 'unbind', tunnel_id: 1 })
      await more.next('unbound')
      assert.equal(asked, last)
      assert.equal(
        more.messages.some(({ type }) => type === 'notice'),
        false,
      )
    } finally {
      counted.close()
    }
  })
})
