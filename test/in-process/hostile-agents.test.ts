// Forbidden acts of an agent, by hand over a real WebSocket: attacks 36, 37, 38, 39, 42 and the control protocol's own
// rules. Each test also shows that the relay and the other agents keep running.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { get as httpGet, request as httpRequest } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { after, afterEach, before, describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'

import { AGENT_PATH, REPLY_OK, SUBPROTOCOL } from '@sallyport/protocol'
import type { ProtocolError } from '@sallyport/protocol'
import { WebSocket } from 'ws'

import { HandAgent, lengthOf } from '../support/hand-agent.ts'
import { APP_HOST, httpApp, startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'

const LABELS = [['edge', 'edg_app']]

describe('agents that misbehave', () => {
  let stack: Stack
  let token: string
  const agents: HandAgent[] = []
  const connect = async (with_ = token): Promise<HandAgent> => {
    const agent = await HandAgent.connect(stack, with_)
    agents.push(agent)
    return agent
  }
  const bind = (agent: HandAgent, fields: object = {}): void =>
    agent.send({ type: 'bind', tunnel_id: 1, labels: LABELS, forwards_to: 'http://localhost:1', ...fields })

  before(async () => {
    stack = await startStack({
      app: httpApp((_, response) => response.end('fine')),
      config: 'limits: { tunnels_per_agent: 3 }',
    })
    token = (await stack.relay.authtokens.create({ acl: ['bind:edge=edg_app', 'bind:app=*'] })).token
  })
  after(() => stack.close())
  // After every test the relay lives, and the well-behaved agent still serves.
  afterEach(async () => {
    for (const agent of agents.splice(0)) agent.close()
    const response = await visit(stack)
    assert.equal(response.statusCode, 200)
    assert.equal(await text(response), 'fine')
  })

  it('welcomes a well-behaved one', async () => {
    const agent = await connect()
    agent.hello()
    const welcome = await agent.next('welcome')
    assert.equal(welcome.type === 'welcome' && welcome.version, 1)
  })

  it('ignores message types it does not know, and fields too', async () => {
    const agent = await connect()
    agent.hello({ mood: 'sunny' })
    await agent.next('welcome')
    agent.send({ type: 'telemetry', load: 1 })
    bind(agent, { labels: [['app', 'other']] })
    await agent.next('bound')
  })

  const violations: Record<string, (agent: HandAgent) => void | Promise<void>> = {
    'binds before hello': (agent) => bind(agent),
    'says hello twice': async (agent) => {
      agent.hello()
      await agent.next('welcome')
      agent.hello()
    },
    'sends a critical message of an unknown type': async (agent) => {
      agent.hello()
      await agent.next('welcome')
      agent.send({ type: 'telemetry', critical: true })
    },
    'sends what only the relay may send': async (agent) => {
      agent.hello()
      await agent.next('welcome')
      agent.send({ type: 'drain', deadline_ms: 1 })
    },
    'sends something that is not JSON': (agent) => agent.sendBytes(Buffer.concat([lengthOf(3), Buffer.from('{a}')])),
    'announces a message of 4 GiB': (agent) => agent.sendBytes(lengthOf(0xffff_ffff)),
    'names a wrong type in a field': (agent) => agent.hello({ instance_id: 7 }),
    'ends its control stream': (agent) => void agent.stream.end(),
  }
  for (const [what, act] of Object.entries(violations)) {
    it(`ends the session of one that ${what}`, async () => {
      const agent = await connect()
      await act(agent)
      await agent.over()
    })
  }

  it('says which version it speaks to one that shares none', async () => {
    const agent = await connect()
    agent.hello({ versions: [99] })
    const refused = await agent.next('refused')
    assert.ok(refused.type === 'refused' && !refused.retryable && refused.code === 'version_unsupported')
    await agent.over()
  })

  it('lets an agent open only the control stream', async () => {
    const agent = await connect()
    agent.hello()
    await agent.next('welcome')
    const stream = agent.session.openStream()
    stream.write('hello?')
    const [error] = (await once(stream, 'error')) as [ProtocolError]
    assert.equal(error.code, 'stream_reset')
    assert.ok(agent.session.isOpen)
  })

  const notPermitted: Record<string, string[][]> = {
    'another value': [['edge', 'edg_other']],
    'a prefix of a permitted value': [['edge', 'edg_ap']],
    'an extension of a permitted value': [['edge', 'edg_app2']],
    'another case': [['edge', 'EDG_APP']],
    'an unknown key': [['team', 'x']],
    'one permitted label and one that is not': [
      ['edge', 'edg_app'],
      ['team', 'x'],
    ],
    __proto__: [['__proto__', 'x']],
    constructor: [['constructor', 'x']],
  }
  for (const [what, labels] of Object.entries(notPermitted)) {
    it(`attack 37: refuses ${what}`, async () => {
      const agent = await connect()
      agent.hello()
      bind(agent, { labels })
      const refused = await agent.next('refused')
      assert.ok(refused.type === 'refused' && refused.code === 'bind_not_permitted' && !refused.retryable)
      // Not one visitor reaches it.
      await visit(stack).then(text)
      assert.equal(agent.streams.length, 0)
    })
  }

  const invalid: Record<string, object> = {
    'no labels': { labels: [] },
    'an empty label value': { labels: [['edge', '']] },
    'the same key twice': {
      labels: [
        ['edge', 'edg_app'],
        ['edge', 'edg_app'],
      ],
    },
    'a label key that only the relay uses': { labels: [['=endpoint', 'app.localhost']] },
    'a Host that breaks the line': { host_header: 'x\r\nX-Evil: 1' },
    'a display text that moves the cursor': { forwards_to: 'http://x\u001b[2J' },
  }
  for (const [what, fields] of Object.entries(invalid)) {
    it(`refuses a bind with ${what}`, async () => {
      const agent = await connect()
      agent.hello()
      bind(agent, fields)
      const refused = await agent.next('refused')
      assert.ok(refused.type === 'refused' && refused.code === 'bind_invalid', JSON.stringify(refused))
    })
  }

  it('S9: delays only an agent that sends more messages than its tunnels need', async () => {
    const noticesOf = (): number => stack.log.filter((line) => line.includes('"agent notice"')).length
    const agent = await connect()
    agent.hello({ instance_id: 'talkative-agent' })
    await agent.next('welcome')
    const since = performance.now()
    for (let count = 0; count < 5000; count++) agent.send({ type: 'notice', level: 'info', text: 'x'.repeat(1000) })
    while (!stack.log.some((line) => line.includes('too many control messages'))) await turn()
    const other = await connect()
    other.hello({ instance_id: 'another-agent' })
    bind(other)
    await other.next('bound')
    // 50, and 4 for each of 3 tunnels, less the hello; then 5 a second.
    const most = 61 + Math.ceil(((performance.now() - since) / 1000) * 5) + 1
    assert.ok(noticesOf() <= most, `${noticesOf()} lines`)
    assert.ok(agent.stream.writableLength > 1_000_000, 'the rest has to wait at the agent')
    assert.equal(agent.isOver, false)
    const waiting = stack.log.filter((line) => line.includes('too many control messages'))
    assert.equal(waiting.length, 1, 'said once')
    // A message at the right time is still understood.
    const before_ = noticesOf()
    while (noticesOf() < before_ + 2) await turn()
  })

  it('S9: writes no control characters of an agent into the log', async () => {
    const controls = '\u009b2J\u001b[2J\u007f\u200f\u2028'
    const agent = await connect((await stack.relay.authtokens.create({ acl: [] })).token)
    agent.hello({ agent_version: `v${controls}`, os: `os${controls}`, instance_id: `instance${controls}` })
    await agent.next('welcome')
    bind(agent, { labels: [['app', 'x']], metadata: `metadata${controls}${'m'.repeat(3000)}` })
    await agent.next('bound')
    agent.send({ type: 'health', tunnel_id: 1, healthy: false, detail: `detail${controls}` })
    agent.send({ type: 'notice', level: 'info', text: `notice${controls}` })
    const policy = { on_http_request: [{ actions: [{ type: 'deny', config: { [`key${controls}`]: 1 } }] }] }
    agent.send({ type: 'bind', tunnel_id: 2, url: 'x.localhost', forwards_to: 'x', policy })
    await agent.next('refused')
    agent.send({ type: 'bind', tunnel_id: 2, url: `https://x${controls}/`, forwards_to: 'x' })
    await agent.next('refused')
    agent.send({ type: `type${controls}`, critical: true })
    await agent.over()
    while (!stack.log.some((line) => line.includes('does not know the message'))) await turn()
    for (const word of ['v', 'os', 'instance', 'metadata', 'detail', 'notice', 'key', 'type']) {
      assert.ok(
        stack.log.some((line) => line.includes(`${word}\u{fffd}`)),
        word,
      )
    }
    // JSON writes some of them as escapes, which a reader of the log turns back.
    const log = stack.log.map((line) => JSON.stringify(JSON.parse(line))).join('')
    assert.doesNotMatch(log, /[\u007f-\u009f\u200f\u2028]|\\u001b/)
    assert.ok(log.includes('m'.repeat(3000)), 'and cuts nothing')
  })

  it('counts tunnels per agent, over all of its sessions', async () => {
    const [one, two] = [await connect(), await connect()]
    for (const agent of [one, two]) {
      agent.hello()
      await agent.next('welcome')
    }
    for (const number of [1, 2]) {
      bind(one, { tunnel_id: number, labels: [['app', 'x']] })
      await one.next('bound')
    }
    for (const number of [1, 2, 3]) {
      bind(two, { tunnel_id: number, labels: [['app', 'x']] }) // 1 and 2 are there already, and count once
      await two.next('bound')
    }
    bind(two, { tunnel_id: 4, labels: [['app', 'x']] })
    const refused = await two.next('refused')
    assert.ok(refused.type === 'refused' && /limit/.test(refused.reason))
    assert.ok(stack.log.some((line) => /"limit":"tunnels_per_agent".*refused by a limit/.test(line)))
  })

  it('attack 39: ends the sessions of a revoked authtoken at once', async () => {
    const created = await stack.relay.authtokens.create({ acl: [] })
    const agent = await connect(created.token)
    agent.hello()
    await agent.next('welcome')
    await stack.relay.authtokens.revoke(created.id)
    const refused = await agent.next('refused')
    assert.ok(refused.type === 'refused' && refused.code === 'authtoken_refused' && !refused.retryable)
    await agent.over()
    await assert.rejects(connect(created.token), /401/)
  })

  for (const [what, header] of Object.entries({
    'no token': '',
    'an unknown token': 'Bearer sp_unknown',
    'another scheme': 'Basic eDp5',
  })) {
    it(`attack 38: refuses ${what} before anything is upgraded`, async () => {
      const socket = new WebSocket(`ws://127.0.0.1:${stack.port}${AGENT_PATH}`, SUBPROTOCOL, {
        headers: header ? { authorization: header } : {},
      })
      const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage]
      assert.equal(response.statusCode, 401)
      assert.match(await text(response), /relay authtoken create/)
    })
  }

  it('takes the next tunnel when an agent says that its app is down', async () => {
    const agent = await connect()
    agent.hello()
    bind(agent)
    await agent.next('bound')
    // Two tunnels now: over a few visits both are asked, and the refusal is never seen.
    const visits = Array.from({ length: 6 }, () => visit(stack))
    const refuse = (async () => {
      for (;;) {
        const stream = await agent.nextStream()
        stream.resume().end(Buffer.from([1, 7, ...Buffer.from('refused')]))
      }
    })()
    refuse.catch(() => {}) // ends with the agent
    for (const response of await Promise.all(visits)) assert.equal(response.statusCode, 200)
  })

  it('takes garbage instead of a reply for a broken tunnel, and tries the next for a GET', async () => {
    const agent = await connect()
    agent.hello()
    bind(agent)
    await agent.next('bound')
    const visits = Array.from({ length: 4 }, () => visit(stack))
    const stream = await agent.nextStream()
    stream.destroy()
    for (const response of await Promise.all(visits.slice(0, 1))) assert.equal(response.statusCode, 200)
    agent.close()
    for (const response of await Promise.all(visits)) assert.equal(response.statusCode, 200)
  })
})

describe('limits that good agents do not feel', { timeout: 30_000 }, () => {
  let stack: Stack
  before(async () => {
    stack = await startStack({
      app: httpApp((_, response) => response.end('fine')),
      config: 'limits: { tunnels_per_agent: 300, failed_agent_logins_per_minute: 3 }',
    })
  })
  after(() => stack.close())

  it('S9: binds hundreds of tunnels at once, reports on their apps and unbinds them, without waiting', async () => {
    const agent = await HandAgent.connect(stack, (await stack.relay.authtokens.create({ acl: [] })).token)
    agent.hello({ instance_id: 'large-agent' })
    const numbers = Array.from({ length: 300 }, (_, index) => index + 1)
    for (const tunnel_id of numbers) {
      agent.send({ type: 'bind', tunnel_id, labels: [['app', `a${tunnel_id}`]], forwards_to: 'http://localhost:1' })
    }
    for (const tunnel_id of numbers) agent.send({ type: 'health', tunnel_id, healthy: false, detail: 'starting' })
    for (const tunnel_id of numbers) agent.send({ type: 'health', tunnel_id, healthy: true })
    for (const tunnel_id of numbers) agent.send({ type: 'unbind', tunnel_id })
    for (let count = 0; count < numbers.length; count++) {
      await agent.next('bound')
      await agent.next('unbound')
    }
    assert.ok(!stack.log.some((line) => line.includes('too many control messages')))
    agent.close()
  })

  it('admits a good agent from an address without tries left, and logs refusals once a minute', async () => {
    const { token } = await stack.relay.authtokens.create({ acl: [] })
    const statuses: number[] = []
    for (let count = 0; count < 10; count++) {
      const socket = new WebSocket(`ws://127.0.0.1:${stack.port}${AGENT_PATH}`, SUBPROTOCOL, {
        headers: { authorization: `Bearer sp_wrong${count}` },
      })
      const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage]
      statuses.push(response.statusCode ?? 0)
      response.resume()
    }
    assert.deepEqual(statuses, [401, 401, 401, ...Array<number>(7).fill(429)])
    const good = await HandAgent.connect(stack, token)
    good.hello()
    await good.next('welcome')
    good.close()
    const refusals = stack.log.filter((line) => line.includes('"agent refused"'))
    assert.deepEqual(
      refusals.map((line) => /"code":"(\w+)"/.exec(line)?.[1]),
      ['authtoken_refused', 'authtoken_refused', 'authtoken_refused', 'limit_reached'],
    )
  })
})

describe('an agent that falls silent', { concurrency: true }, () => {
  it('loses its visitors to a sibling, unless a request could be sent twice', async () => {
    const stack = await startStack({ app: httpApp((_, response) => response.end('fine')) })
    try {
      const { token } = await stack.relay.authtokens.create({ acl: [] })
      const agent = await HandAgent.connect(stack, token)
      agent.hello()
      agent.send({ type: 'bind', tunnel_id: 1, labels: LABELS, forwards_to: 'http://localhost:1' })
      await agent.next('bound')
      agent.freeze()
      // Two tunnels: one of the two visits meets the silent one, waits for it, and is served by the other.
      const answers = await Promise.all([visit(stack), visit(stack)])
      for (const response of answers) assert.equal(await text(response), 'fine')
      agent.close()
    } finally {
      await stack.close()
    }
  })

  // Attack 41. A body is kept for another try until the agent's reply, and then dropped.
  for (const [when, reply, status, seen] of [
    ['before its reply leaves a GET with a body to a sibling, whole', undefined, 200, ['the body']],
    ['after its reply keeps a GET with a body: it is not repeated without it', REPLY_OK, 504, []],
  ] as const) {
    it(when, async () => {
      const bodies: string[] = []
      const app = httpApp((request, response) => {
        void text(request).then((body) => {
          bodies.push(body)
          response.end('fine')
        })
      })
      let connections = 0
      app.on('connection', () => connections++)
      // Longer than it takes to find that an agent is silent, which is when it would be repeated.
      const stack = await startStack({ app, agents: 0, config: 'timeouts: { app_answer_seconds: 8 }' })
      try {
        const { token } = await stack.relay.authtokens.create({ acl: [] })
        const agent = await HandAgent.connect(stack, token)
        agent.hello()
        agent.send({ type: 'bind', tunnel_id: 1, labels: LABELS, forwards_to: 'http://localhost:1' })
        await agent.next('bound')
        const answer = once(
          httpRequest({
            port: stack.port,
            host: '127.0.0.1',
            headers: { host: APP_HOST, 'content-length': 'the body'.length },
            agent: false,
          }).end('the body'),
          'response',
        )
        const stream = await agent.nextStream()
        let sent = ''
        while (!sent.endsWith('\r\n\r\nthe body')) sent += String((await once(stream, 'data'))[0])
        await stack.addAgent() // only now, so the silent one was certainly asked first
        if (reply) {
          stream.write(reply)
          await agent.session.ping() // answered by the relay after the reply
        }
        agent.freeze()
        const [response] = (await answer) as [IncomingMessage]
        response.resume()
        assert.equal(response.statusCode, status)
        assert.deepEqual(bodies, seen)
        assert.equal(connections, seen.length, 'connections at the app of the sibling')
        agent.close()
      } finally {
        await stack.close()
      }
    })
  }
})

function visit(stack: Stack): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    httpGet({ port: stack.port, host: '127.0.0.1', headers: { host: APP_HOST }, agent: false }, resolve).on(
      'error',
      reject,
    )
  })
}
