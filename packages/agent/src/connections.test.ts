// An agent with several connections, before a fake relay.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, describe, it } from 'node:test'

import { PROTOCOL_VERSION } from '@sallyport/protocol'
import type { ControlMessageInput } from '@sallyport/protocol'
import { pino } from 'pino'

import { startAgent } from './agent.ts'
import type { Agent } from './agent.ts'
import { FakeRelay } from './fixtures/fake-relay.ts'
import type { FakeRelayOptions, FakeSession } from './fixtures/fake-relay.ts'
import { until } from '../../../test/support/until.ts'

const WELCOME = {
  type: 'welcome' as const,
  version: PROTOCOL_VERSION,
  session_id: 'tse_1',
  limits: { tunnels: 10, stream_header_bytes: 512 },
  capabilities: [] as string[],
  relay_version: '0.0.1',
} satisfies Partial<ControlMessageInput>

const closing: (() => unknown)[] = []
after(() => Promise.all(closing.map((close) => close())))

async function startPair(
  connections?: number,
  options: FakeRelayOptions = {},
): Promise<{ agent: Agent; relay: FakeRelay }> {
  const relay = await FakeRelay.start(options)
  closing.push(() => relay.kill())
  const agent = startAgent({
    server: relay.url,
    authtoken: 'sat_secret',
    log: pino({ level: 'silent' }),
    random: () => 0,
    tunnels: [{ upstream: '127.0.0.1:9', labels: ['edge=edg_docs'] }],
    connections,
  })
  closing.push(() => agent.destroy())
  return { agent, relay }
}

async function bound(relay: FakeRelay, count: number): Promise<void> {
  for (let seen = 0; seen < count; seen++) await once(relay, 'bound')
}

describe('an agent with several connections', () => {
  it('has two by default, of one instance, distinguished by their index', async () => {
    const { agent, relay } = await startPair()
    await bound(relay, 2)
    const hellos = relay.sessions.map(({ messages }) => messages[0])
    assert.ok(hellos[0]?.type === 'hello' && hellos[1]?.type === 'hello')
    assert.equal(hellos[0].instance_id, hellos[1].instance_id)
    assert.deepEqual([hellos[0].connection_index, hellos[1].connection_index], [0, 1])
    assert.equal(agent.status.sessions.wanted, 2)
  })

  it('is refused once if its authtoken is bad', async () => {
    const { agent, relay } = await startPair(4, {
      answer: () => ({ status: 401, body: '{"code":"authtoken_refused"}' }),
    })
    assert.equal((await agent.closed)?.code, 'authtoken_refused')
    assert.equal(relay.attempts, 1)
  })

  it('is online while one of them is, and says so once', async () => {
    const { agent, relay } = await startPair(3)
    let [onlines, offlines] = [0, 0]
    agent.on('online', () => onlines++).on('offline', () => offlines++)
    await bound(relay, 3)
    const back = bound(relay, 1)
    relay.sessions[0]!.socket.terminate()
    await back
    assert.equal(agent.status.state, 'online')
    assert.deepEqual([onlines, offlines], [1, 0])
    const again = once(agent, 'online')
    for (const { socket } of relay.sessions) socket.terminate()
    await again
    assert.equal(onlines, 2)
    assert.ok(offlines > 0)
  })

  it('gives a connection that the relay drains another index than all others have', async () => {
    const { agent, relay } = await startPair(2)
    await bound(relay, 2)
    const back = bound(relay, 2)
    const running = relay.sessions.map(({ control }) => control?.send({ type: 'drain', deadline_ms: 5000 }))
    assert.equal(running.length, 2)
    await back
    const indexes = relay.sessions.map(({ messages: [hello] }) => hello?.type === 'hello' && hello.connection_index)
    assert.deepEqual(indexes.toSorted(), [0, 1, 2, 3])
    assert.notEqual(agent.status.state, 'waiting')
  })

  it('has a session with each node of the relay, wherever the dials arrive', async () => {
    // The node that gets each dial, as the kernel would choose it; after these, always b.
    const falls = ['a', 'a', 'a', 'b', 'b', 'a', 'b', 'c']
    const opened = new Map<FakeSession, string>()
    const { agent } = await startPair(2, {
      onMessage: (message, session) => {
        if (message.type !== 'hello') return false
        const node = falls.shift() ?? 'b'
        opened.set(session, node)
        session.control?.send({ ...WELCOME, node_id: node, nodes: ['a', 'b', 'c'].map((node_id) => ({ node_id })) })
        return true
      },
    })
    const nodesBound = (): string[] =>
      [...opened]
        .filter(([{ messages, mux }]) => mux.isOpen && messages.some(({ type }) => type === 'bind'))
        .filter(([{ messages }]) => !messages.some(({ type }) => type === 'unbind'))
        .map(([, node]) => node)
        .toSorted()
    await until('all three nodes have a session', () => nodesBound().join('') === 'abc')
    await until('three are online', () => agent.status.sessions.online >= 3)
    assert.deepEqual(agent.status.sessions, { wanted: 3, online: 3 })
    assert.equal(agent.status.state, 'online')
    // The agent keeps serving, and replaces a lost session at the node that lacks one.
    falls.push('a', 'b', 'c')
    const [lost] = [...opened].find(([{ mux }, node]) => mux.isOpen && node === 'c')!
    lost.socket.terminate()
    await lost.mux.closed
    await until('all three nodes have a session', () => nodesBound().join('') === 'abc')
  })

  it('has a single session if told so, at whichever node', async () => {
    const { agent, relay } = await startPair(1, {
      onMessage: (message, session) => {
        if (message.type !== 'hello') return false
        session.control?.send({ ...WELCOME, node_id: 'a', nodes: [{ node_id: 'a' }, { node_id: 'b' }] })
        return true
      },
    })
    await bound(relay, 1)
    assert.equal(agent.status.sessions.wanted, 1)
    assert.equal(relay.attempts, 1)
  })

  it('ends for good when the relay tells one of them to', async () => {
    const { agent, relay } = await startPair(2)
    await bound(relay, 2)
    relay.sessions[1]!.socket.close(4002, 'revoked')
    assert.equal((await agent.closed)?.code, 'authtoken_refused')
    assert.equal(agent.status.state, 'closed')
  })

  it('unbinds on all of them when it closes', async () => {
    const { agent, relay } = await startPair(2)
    await bound(relay, 2)
    await until('two are online', () => agent.status.sessions.online >= 2)
    await agent.close()
    for (const { messages } of relay.sessions) assert.equal(messages.at(-1)?.type, 'unbind')
    assert.equal(await agent.closed, undefined)
  })
})
