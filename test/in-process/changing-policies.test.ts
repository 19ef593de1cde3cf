// Agents that change the policy of their endpoint while visitors come: the tunnel and open exchanges stay, a policy that is
// refused changes nothing, and a pool changes together. Relay and agents in this process, real sockets between them.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { get as httpGet } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { after, afterEach, before, describe, it } from 'node:test'

import { ConfigError, startAgent } from '@sallyport/agent'
import type { Agent } from '@sallyport/agent'
import type { ControlMessage } from '@sallyport/protocol'
import { createLog } from '@sallyport/server'

import { ask } from '../support/ask.ts'
import { HandAgent } from '../support/hand-agent.ts'
import { RawClient } from '../support/raw-client.ts'
import { acceptWebSocket, webSocketRequest } from '../support/raw-web-socket.ts'
import { httpApp, startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { until } from '../support/until.ts'

const HOST = 'changing.localhost'
const DENY = 'on_http_request: [{ actions: [{ type: deny }] }]'
const named = (name: string): string =>
  `on_http_response: [{ actions: [{ type: set-headers, config: { headers: { x-policy: ${name} } } }] }]`

describe('a policy that its agent changes', { timeout: 60_000 }, () => {
  let stack: Stack
  let token: string
  /** The requests that have reached the app. */
  let asked = 0
  const slow: ServerResponse[] = []
  /** The app's side of WebSockets. */
  const sockets: Duplex[] = []
  const agents: Agent[] = []
  const hands: HandAgent[] = []

  before(async () => {
    const app = httpApp((request, response) => {
      asked += 1
      if (request.url === '/fail') return void response.writeHead(500).end()
      if (request.url !== '/slow') return void response.end('the app')
      response.write('half, ')
      slow.push(response)
    })
    app.on('upgrade', (request, socket) => {
      acceptWebSocket(request, socket)
      sockets.push(socket)
      socket.on('data', (chunk) => socket.write(chunk))
    })
    stack = await startStack({ app })
    token = (await stack.relay.authtokens.create({ acl: [] })).token
  })
  after(() => stack.close())
  afterEach(async () => {
    for (const agent of agents.splice(0)) await agent.close({ deadlineMs: 1000 })
    for (const hand of hands.splice(0)) hand.close()
  })

  const policy = (words: string, source = 'policy.yaml'): { text: string; source: string } => ({ text: words, source })

  async function start(words: string, { pooling = false } = {}): Promise<{ agent: Agent; told: string[] }> {
    const agent = startAgent({
      server: `http://127.0.0.1:${stack.port}`,
      authtoken: token,
      log: createLog({ level: 'silent' }),
      tunnels: [
        {
          upstream: `http://127.0.0.1:${stack.appPort}`,
          endpoint: { domain: HOST, pooling, trafficPolicy: policy(words) },
        },
      ],
    })
    agents.push(agent)
    const told: string[] = []
    agent.on('notice', (notice) => told.push(notice.text))
    await once(agent, 'online')
    await until('both connections', () => agent.status.sessions.online === 2)
    return { agent, told }
  }

  async function visit(path = '/'): Promise<IncomingMessage> {
    const request = httpGet({ port: stack.port, host: '127.0.0.1', headers: { host: HOST }, path, agent: false })
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    return response
  }

  const policyNow = async (): Promise<unknown> => (await ask(stack.port, { host: HOST })).headers['x-policy']

  async function heard(told: readonly string[], words: RegExp): Promise<string> {
    await until(String(words), () => told.some((each) => words.test(each)))
    return told.find((each) => words.test(each)) ?? ''
  }

  it('applies to the next visitor; the tunnel and open answers stay, and WebSockets unless it is stricter', async () => {
    const { agent, told } = await start(named('first'))
    const half = await visit('/slow')
    const webSocket = new RawClient(stack.port)
    webSocket.write(webSocketRequest(HOST, []))
    await webSocket.until(/101 [^]*\r\n\r\n/)
    const before_ = agent.status.tunnels[0]?.endpoints

    agent.changePolicy(policy(named('second')))
    await heard(told, /^policy\.yaml has changed, and its policy is in force now\.$/)
    assert.equal(await policyNow(), 'second')
    await sleep(400) // open exchanges are looked at meanwhile
    webSocket.write('still here')
    await webSocket.until(/still here/)
    agent.changePolicy(policy(DENY))
    await until('the denial', async () => (await ask(stack.port, { host: HOST })).status === 403)
    const before403 = asked
    assert.equal((await visit()).statusCode, 403)
    assert.equal(asked, before403, 'no byte has reached the app')

    slow.pop()?.end('whole')
    assert.equal(await text(half), 'half, whole')
    await webSocket.untilOver()
    await until('the end at the app', () => sockets.every(({ destroyed }) => destroyed))
    webSocket.close()
    assert.deepEqual([agent.status.state, agent.status.tunnels[0]?.endpoints], ['online', before_])
    assert.equal(stack.log.filter((line) => line.includes('"tunnel online"') && line.includes(HOST)).length, 1)
  })

  const counting = {
    'rate-limit': [`{ name: few, capacity: 2, rate: 24h, bucket_key: [conn.client_ip] }`, 429],
    'circuit-breaker': [`{ error_threshold: 0.5, volume_threshold: 2, tripped_duration: 2m }`, 503],
  } as const
  for (const [type, [config, refusal]] of Object.entries(counting)) {
    it(`does not reset a ${type}; nor does an agent that comes back with it (traffic policy, 14.7)`, async () => {
      const words = `on_http_request: [{ actions: [{ type: ${type}, config: ${config} }] }]`
      const { agent, told } = await start(words)
      for (let i = 0; i < 2; i++) assert.ok([200, 500].includes((await visit('/fail')).statusCode ?? 0))
      const refuses = async (): Promise<boolean> => (await visit()).statusCode === refusal
      assert.ok(await refuses())
      agent.changePolicy(policy(`${words}\n${named(type)}`))
      await heard(told, /in force now/)
      assert.ok(await refuses())
      await agent.close({ deadlineMs: 1000 })
      await start(words)
      const before_ = asked
      assert.ok(await refuses())
      assert.equal(asked, before_)
    })
  }

  it('stays unchanged if the new one is unusable, and its faults are reported with their places', async () => {
    const { agent, told } = await start(DENY)
    const before_ = asked
    const wrong = 'on_http_request:\n  - actions:\n      - type: deny\n        config: { status_code: 7 }\n'
    agent.changePolicy(policy(wrong))
    const text_ = await heard(told, /cannot be used/)
    assert.match(
      text_,
      /^policy\.yaml has changed and cannot be used, the policy from before stays in force\. policy\.yaml:4:19 /,
    )
    assert.throws(() => agent.changePolicy(policy('on_http_request: [')), ConfigError)
    assert.throws(() => agent.changePolicy(policy('')), /The policy is empty/)
    assert.equal((await visit()).statusCode, 403)
    agent.changePolicy(policy(DENY))
    await heard(told, /^The policy in policy\.yaml is the one that was taken over before\.$/)
    assert.equal(asked, before_, 'no byte has reached the app')
    assert.equal(agent.status.state, 'online')
    // The refused one does not affect the next.
    agent.changePolicy(policy(named('well')))
    await until('the next one', async () => (await policyNow()) === 'well')
  })

  it('changes for a pool when the last of its agents asks for it', async () => {
    const one = await start(named('first'), { pooling: true })
    const two = await start(named('first'), { pooling: true })
    one.agent.changePolicy(policy(named('second')))
    await heard(one.told, /^policy\.yaml has changed, but another agent of this endpoint still asks for another policy/)
    assert.equal(await policyNow(), 'first')
    two.agent.changePolicy(policy(named('second')))
    await heard(two.told, /in force now/)
    await heard(one.told, /in force now/)
    assert.equal(await policyNow(), 'second')

    two.agent.changePolicy(policy(DENY))
    await heard(two.told, /still asks for another policy/)
    assert.equal(await policyNow(), 'second')
    await one.agent.close({ deadlineMs: 1000 })
    await until('the denial', async () => (await ask(stack.port, { host: HOST })).status === 403)
  })

  describe('of an agent by hand', () => {
    async function bind(instance: string, fields: object = {}): Promise<[hand: HandAgent, answer: ControlMessage]> {
      const hand = await HandAgent.connect(stack, token)
      hands.push(hand)
      hand.hello({ instance_id: instance })
      const welcome = await hand.next('welcome')
      assert.ok(welcome.type === 'welcome' && welcome.capabilities.includes('policy'))
      const url = `http://${HOST}`
      hand.send({ type: 'bind', tunnel_id: 1, forwards_to: 'http://localhost:1', url, pooling: true, ...fields })
      return [hand, await answerOf(hand)]
    }
    /** To a bind or a change. */
    async function answerOf(hand: HandAgent): Promise<ControlMessage> {
      const isAnswer = ({ type }: ControlMessage): boolean => type === 'bound' || type === 'refused'
      await until('an answer', () => hand.messages.some(isAnswer))
      return hand.messages.splice(hand.messages.findIndex(isAnswer), 1)[0]! // there is one
    }
    const headers = (name: string): object => ({
      on_http_response: [{ actions: [{ type: 'set-headers', config: { headers: { 'x-policy': name } } }] }],
    })
    const deny = { on_http_request: [{ actions: [{ type: 'deny' }] }] }

    it('is ordered by its revision, on whichever connection it comes', async () => {
      const [hand] = await bind('hand-agent-1', { policy: headers('first') })
      hand.send({ type: 'policy', tunnel_id: 1, policy_revision: 2, policy: deny })
      const bound = await answerOf(hand)
      assert.ok(bound.type === 'bound' && bound.policy_revision === 2, JSON.stringify(bound))
      const [late, answer] = await bind('hand-agent-1', { policy: headers('first'), policy_revision: 1 })
      assert.ok(answer.type === 'bound' && answer.policy_revision === 2, JSON.stringify(answer))
      late.send({ type: 'policy', tunnel_id: 1, policy_revision: 1, policy: headers('older') })
      const still = await answerOf(late)
      assert.ok(still.type === 'bound' && still.policy_revision === 2)
      assert.equal((await visit()).statusCode, 403)
      const [, other] = await bind('hand-agent-2', { policy: headers('first'), policy_revision: 9 })
      assert.ok(other.type === 'refused' && /with another policy/.test(other.reason), JSON.stringify(other))
    })

    it('is refused without an endpoint, and while it breaks the rules for agents; the tunnel stays (attack 37)', async () => {
      const [hand] = await bind('hand-agent-1', { policy: deny })
      const cases = [
        [7, deny, /no tunnel has this id/],
        [1, { on_http_request: [{ actions: [{ type: 'service-token', config: {} }] }] }, /a problem/],
        [1, [], /a problem/],
        [1, headers('x'.repeat(49_000)), /problem|larger/],
      ] as const
      for (const [tunnel_id, policy_, reason] of cases) {
        hand.send({ type: 'policy', tunnel_id, policy_revision: 1, policy: policy_ })
        const refused = await answerOf(hand)
        assert.ok(refused.type === 'refused' && reason.test(refused.reason), JSON.stringify(refused))
      }
      hand.send({ type: 'bind', tunnel_id: 2, forwards_to: 'http://localhost:1', labels: [['edge', 'edg_app']] })
      await answerOf(hand)
      hand.send({ type: 'policy', tunnel_id: 2, policy_revision: 1, policy: headers('x') })
      const refused = await hand.next('refused')
      assert.ok(refused.type === 'refused' && /not bound/.test(refused.reason), JSON.stringify(refused))
      assert.equal((await visit()).statusCode, 403)
      assert.ok(!hand.isOver)
    })
  })
})
