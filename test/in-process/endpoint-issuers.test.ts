// The issuers that an agent may have the relay ask: no address that it writes, and no address of its own names, makes
// the relay connect to its own machine or network.

import assert from 'node:assert/strict'
import dns from 'node:dns'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { syncBuiltinESMExports } from 'node:module'
import { after, before, describe, it, mock } from 'node:test'

import type { ControlMessage } from '@sallyport/protocol'

import { ask } from '../support/ask.ts'
import { HandAgent } from '../support/hand-agent.ts'
import { httpApp, startStack, type Stack } from '../support/stack.ts'

/**
 * Names of the agent's own domain, which may resolve to any address. Here to addresses at which a broken relay would do
 * no harm.
 */
const NAMES: Record<string, string[]> = {
  'inside.example.com': ['127.0.0.1'],
  'inside-6.example.com': ['::1'],
  'mapped.example.com': ['::ffff:127.0.0.1'],
  'nowhere.example.com': ['0.0.0.0'],
}

describe('the issuers of endpoints', { timeout: 60_000 }, () => {
  let stack: Stack
  let token: string
  /** Represents all servers on the relay's machine. */
  let inside: Server
  let port = 0
  let knocks = 0
  let hosts = 0
  const agents: HandAgent[] = []

  before(async () => {
    inside = createServer((socket) => {
      knocks += 1
      socket.destroy()
    })
    inside.listen(0, '::')
    await once(inside, 'listening')
    port = (inside.address() as AddressInfo).port // listening on TCP
    const look = dns.lookup
    // As a resolver of the agent's domain answers. provider-fetch.ts asks for all addresses.
    mock.method(dns, 'lookup', (name: string, options: dns.LookupOptions, callback: (...found: unknown[]) => void) => {
      const addresses = NAMES[name]
      if (!addresses) return look(name, options, callback)
      const found = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
      setImmediate(callback, null, found)
    })
    syncBuiltinESMExports()
    stack = await startStack({
      app: httpApp((_, response) => response.end('the app')),
      publicUrl: 'https://relay.example.com',
    })
    token = (await stack.relay.authtokens.create({ acl: [] })).token
  })
  after(async () => {
    for (const agent of agents) agent.close()
    await stack.close()
    inside.close()
    mock.restoreAll()
    syncBuiltinESMExports()
  })

  /** @returns the relay's answer, and the requested host */
  async function bind(...[issuer, action = signInAt]: [string, ((issuer: string) => object)?]): Promise<{
    answer: ControlMessage
    host: string
  }> {
    const agent = await HandAgent.connect(stack, token)
    agents.push(agent)
    agent.hello({ instance_id: `issuers-${hosts}` })
    const host = `x${hosts++}.localhost`
    const policy = { on_http_request: [{ actions: [action(issuer)] }] }
    agent.send({ type: 'bind', tunnel_id: 1, url: host, forwards_to: 'x', policy })
    return { answer: await Promise.race([agent.next('bound'), agent.next('refused')]), host }
  }

  const signInAt = (issuer_url: string) => ({
    type: 'openid-connect',
    config: { issuer_url, client_id: 'x', client_secret: 'y' },
  })
  const tokensOf = (url: string) => ({
    type: 'jwt-validation',
    config: {
      issuer: { allow_list: [{ value: 'acme' }] },
      jws: { keys: { sources: { additional_jkus: [`${url}/jwks`] } } },
    },
  })

  it('S8: may not be on the relay’s own machine, its link or its network, in any form', async () => {
    for (const host of [
      '127.0.0.1',
      '127.1',
      'localhost',
      'a.localhost',
      '0.0.0.0',
      '[::]',
      '[::1]',
      '[::ffff:127.0.0.1]',
      '[::127.0.0.1]',
      '169.254.169.254',
      '[fd00:ec2::254]',
      '10.0.0.1',
    ]) {
      const { answer } = await bind(`https://${host}:${port}`)
      assert.ok(answer.type === 'refused', `${host} was ${answer.type}`)
      const [problem] = answer.problems ?? []
      assert.deepEqual(problem?.path, ['on_http_request', 0, 'actions', 0, 'config', 'issuer_url'])
      assert.match(problem.message, /write the public address$/)
    }
    assert.equal(knocks, 0)
  })

  for (const name of Object.keys(NAMES)) {
    it(`S8: have the relay dial no internal address for ${name}, at ${NAMES[name]?.join(' and ')}`, async () => {
      const issuer = `https://${name}:${port}`
      const { answer, host } = await bind(issuer)
      assert.equal(answer.type, 'bound', 'a name says nothing')
      const login = await ask(stack.port, { host, path: '/.sallyport/login' })
      assert.equal(login.status, 502)
      assert.equal(login.headers['sallyport-error-code'], 'ERR_PROVIDER_UNREACHABLE')
      assert.doesNotMatch(login.body, /inside|127\.0/, 'the visitor does not learn where the name leads')
      const refused = `${issuer} is at ${NAMES[name]?.at(-1)}, an internal address, and an agent may not name it`
      assert.ok(stack.log.some((line) => line.includes(refused)))
      assert.equal(knocks, 0)
    })
  }

  it('S8: have the relay fetch no internal keys (traffic policy, 14.5)', async () => {
    const literal = await bind(`https://127.0.0.1:${port}`, tokensOf)
    assert.ok(literal.answer.type === 'refused')
    assert.match(literal.answer.problems?.[0]?.message ?? '', /write the public address$/)
    const { answer, host } = await bind(`https://inside.example.com:${port}`, tokensOf)
    assert.equal(answer.type, 'bound')
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const token = `${part({ alg: 'ES256', kid: 'k' })}.${part({ iss: 'acme', sub: 'x', exp: 9_999_999_999 })}.${'A'.repeat(86)}`
    const refused = await ask(stack.port, { host, headers: { authorization: `Bearer ${token}` } })
    assert.equal(refused.status, 502)
    assert.equal(knocks, 0)
  })
})
