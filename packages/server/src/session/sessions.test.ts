import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'

import type { Exchange } from '../exchange/exchange.ts'
import { createLog } from '../log.ts'
import { Boxes } from '../seal/boxes.ts'
import { testKeys } from '../oidc/harness.test-support.ts'
import { MemoryStore } from '../store/memory-store.test-support.ts'
import { sessionKey, type SessionRow } from './session-row.ts'
import { Sessions } from './sessions.ts'

const LOG = createLog({ level: 'silent' })
const BOXES = new Boxes(testKeys())
const MINUTE = 60_000

describe('Sessions', () => {
  let store: MemoryStore
  let sessions: Sessions
  let now: number
  beforeEach(async () => {
    now = 1_000_000
    store = new MemoryStore({ tellsLate: true })
    sessions = await Sessions.open({ store, boxes: BOXES, clock: () => now, log: LOG })
  })
  afterEach(() => sessions.close())

  const row = (more: Partial<SessionRow> = {}): SessionRow => ({
    edge: 'edg_a',
    auth_id: 'x',
    issuer: 'https://idp.example',
    client_id: 'relay',
    subject: 'user-1',
    groups: {},
    created: now,
    last_seen: now,
    expires: now + 60 * MINUTE,
    idle_ms: 10 * MINUTE,
    claims_at: now,
    ...more,
  })
  const fakeExchange = () => {
    const cuts: string[] = []
    // A session only cuts an exchange.
    return { exchange: { cut: (reason: Error) => void cuts.push(reason.message) } as Exchange, cuts }
  }
  const written = () => [...store.rows.keys()].filter((key) => key.startsWith('sessions/')).length

  it('are found by their id, which is stored nowhere', async () => {
    const id = await sessions.create(row())
    assert.equal(sessions.find(id)?.row.subject, 'user-1')
    assert.ok(!JSON.stringify([...store.rows]).includes(id))
    for (const wrong of [undefined, '', `${id}x`, id.slice(1), sessions.find(id)?.key])
      assert.equal(sessions.find(wrong), undefined)
  })

  it('attack 33: cut exchanges under way when they expire', async () => {
    const session = sessions.find(await sessions.create(row()))!
    const { exchange, cuts } = fakeExchange()
    sessions.enter(session, exchange, {
      rules: { scope: session.scope, idleMs: Infinity, maxMs: Infinity },
      admits: () => true,
    })
    now += 59 * MINUTE
    sessions.sweep() // an exchange under way counts as use, even if nothing else happens
    assert.deepEqual(cuts, [])
    now += MINUTE
    sessions.sweep()
    assert.deepEqual(cuts, ["the visitor's session has ended: expired"])
    assert.equal(sessions.size, 0)
  })

  it('end when they are idle without an exchange under way', async () => {
    await sessions.create(row())
    now += 10 * MINUTE
    sessions.sweep()
    assert.equal(sessions.size, 0)
    sessions.sweep()
    await sessions.close()
    assert.equal(written(), 0)
  })

  it('that another process sees in use are not ended as idle by this one', async () => {
    const other = await Sessions.open({ store, boxes: BOXES, clock: () => now, log: LOG })
    const id = await other.create(row())
    await new Promise((resolve) => setImmediate(resolve))
    now += 10 * MINUTE
    other.touch(other.find(id)!, now) // the watch has not told this process yet
    sessions.sweep()
    await new Promise((resolve) => setTimeout(resolve, 10))
    assert.equal(written(), 1)
    assert.equal(sessions.find(id)?.lastSeen, now)
    assert.ok(other.find(id))
    await other.close()
  })

  it('are not ended as idle while processes cannot report their uses, nor for two minutes after that', async () => {
    const id = await sessions.create(row())
    store.down = true
    now += 20 * MINUTE
    sessions.sweep()
    store.down = false
    now += 2 * MINUTE
    sessions.sweep()
    assert.ok(sessions.find(id))
    now += 1
    sessions.sweep()
    assert.equal(sessions.find(id), undefined)
  })

  it('stay when their row cannot be read, and keep the fields of a newer version when they are written', async () => {
    const id = await sessions.create(row())
    const { key } = sessions.find(id)!
    const raw = store.bucket('sessions', (stored) => stored)
    await raw.put(key, { ...row(), place: { of: 'a newer version' } })
    await new Promise((resolve) => setImmediate(resolve))
    now += MINUTE
    sessions.touch(sessions.find(id)!, now)
    await new Promise((resolve) => setImmediate(resolve))
    const stored = (await raw.get(key))?.value
    assert.deepEqual(stored, {
      ...row(),
      created: 1_000_000,
      last_seen: now,
      expires: 1_000_000 + 60 * MINUTE,
      claims_at: 1_000_000,
      place: { of: 'a newer version' },
    })
    await raw.put(key, { subject: 7 })
    await new Promise((resolve) => setImmediate(resolve))
    assert.ok(sessions.find(id))
  })

  it('that another relay has ended are not written back by a late use', async () => {
    const id = await sessions.create(row())
    const session = sessions.find(id)!
    await store.bucket('sessions', (stored) => stored).delete(session.key) // the watch has not told yet
    now += MINUTE
    sessions.touch(session, now)
    await sessions.close()
    assert.equal(written(), 0)
  })

  it('that were ended here do not come back by a late change from the store', async () => {
    const id = await sessions.create(row()) // its change is reported in a later turn …
    const { promise: between, resolve } = Promise.withResolvers<unknown>()
    setImmediate(() => resolve(sessions.find(id))) // … right before this one, and before that of its end
    await sessions.end(sessions.find(id)!.key, 'signed out')
    assert.equal(await between, undefined)
  })

  it('of other relays on the same store are known here', async () => {
    const other = await Sessions.open({ store, boxes: BOXES, clock: () => now, log: LOG })
    const id = await other.create(row())
    await new Promise((resolve) => setImmediate(resolve))
    assert.ok(sessions.find(id))
    await other.end(other.find(id)!.key, 'revoked')
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(sessions.find(id), undefined)
    await other.close()
  })

  it('that another process has just made are looked up before a visitor must sign in again', async () => {
    const other = await Sessions.open({ store, boxes: BOXES, clock: () => now, log: LOG })
    const id = await other.create(row()) // the watch tells in a later turn
    assert.equal(sessions.find(id), undefined)
    const [first, second] = [sessions.lookUp(id, '10.0.0.1'), sessions.lookUp(id, '10.0.0.2')]
    assert.equal(first, second, 'one question for all who ask')
    assert.equal((await first)?.row.subject, 'user-1')
    assert.equal(store.reads, 1)
    await sessions.end(sessionKey(id), 'signed out')
    assert.equal(sessions.lookUp(id, '10.0.0.1'), undefined, 'what has ended here is not asked for')
    await other.close()
  })

  it('are not looked up for a flood of cookies', async () => {
    const cookie = (i: number) => String(i).padStart(43, 'x')
    await Promise.all(Array.from({ length: 100 }, async (_, i) => sessions.lookUp(cookie(i), `10.0.0.${i}`)))
    assert.equal(store.reads, 16, 'so many at once')
    for (let i = 0; i < 200; i++) await sessions.lookUp(cookie(1000 + i), '10.1.1.1')
    assert.equal(store.reads, 16 + 30, 'so many of one address in a minute')
    for (let i = 0; i < 5; i++) await sessions.lookUp(cookie(2000), '10.2.2.2')
    assert.equal(store.reads, 16 + 30 + 1, 'each cookie once')
    store.down = true
    for (const id of [cookie(3000), 'short', undefined]) assert.equal(sessions.lookUp(id, '10.3.3.3'), undefined)
  })

  it('of one person are at most a hundred on an edge; the least recently used goes', async () => {
    const first = await sessions.create(row())
    now += 1
    for (let i = 0; i < 100; i++) await sessions.create(row())
    await sessions.create(row({ subject: 'user-2' }))
    assert.equal(sessions.size, 101)
    assert.equal(sessions.find(first), undefined)
  })

  it('that cannot be stored do not exist', async () => {
    store.down = true
    await assert.rejects(sessions.create(row()), { name: 'StoreUnavailable' })
    assert.equal(sessions.size, 0)
  })
})
