import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, beforeEach, describe, it, mock } from 'node:test'

import { createLog } from '../../log.ts'
import { Boxes } from '../../seal/boxes.ts'
import { testKeys } from '../../oidc/harness.test-support.ts'
import { sessionKey, sessionName, type SessionRow } from '../../session/session-row.ts'
import { Sessions } from '../../session/sessions.ts'
import { openStore } from '../../store/open-store.ts'
import { revokeSessions } from './session-commands.ts'

describe('relay session revoke', () => {
  let folder: string
  let config: string
  const path = () => join(folder, 'relay.db')

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sallyport-sessions-'))
    config = join(folder, 'relay.yml')
    // The rest of a configuration is not read.
    await writeFile(config, 'store: sqlite:relay.db\npublic_url: "${NOT_SET}"\n')
    mock.method(console, 'error', () => {})
  })
  after(() => rm(folder, { recursive: true }))

  const row = (user: string, edge: string): SessionRow => ({
    edge,
    auth_id: 'x',
    issuer: 'https://idp.example',
    client_id: 'relay',
    subject: user,
    email: `${user}@example.com`,
    groups: {},
    created: Date.now(),
    last_seen: Date.now(),
    expires: Date.now() + 3_600_000,
    idle_ms: 60_000,
    claims_at: Date.now(),
  })
  const people: [user: string, edge: string][] = [
    ['ada', 'edg_a'],
    ['ada', 'edg_b'],
    ['eve', 'edg_b'],
  ]
  let names: string[]

  async function withSessions<T>(work: (sessions: Sessions) => Promise<T>): Promise<T> {
    const store = await openStore({ type: 'sqlite', path: path() })
    const sessions = await Sessions.open({
      store,
      boxes: new Boxes(testKeys()),
      clock: Date.now,
      log: createLog({ level: 'silent' }),
    })
    try {
      return await work(sessions)
    } finally {
      await sessions.close()
      await store.close()
    }
  }

  beforeEach(async () => {
    await withSessions(async (sessions) => {
      for (const session of sessions.all()) await sessions.end(session.key, 'for the next test')
      const ids = []
      for (const [user, edge] of people) ids.push(await sessions.create(row(user, edge), { refreshToken: 'r' }))
      names = ids.map((id) => sessionName(sessionKey(id)))
    })
  })
  const left = () =>
    withSessions(async (sessions) => {
      const found = sessions.list().map(({ subject, edge }) => `${subject} ${edge}`)
      return found.toSorted()
    })

  it('ends one by its id, or the beginning of it', async () => {
    await revokeSessions({ config, id: names[0]!.slice(0, 14) })
    assert.deepEqual(await left(), ['ada edg_b', 'eve edg_b'])
    await revokeSessions({ config, id: names[2]! })
    assert.deepEqual(await left(), ['ada edg_b'])
  })
  it('ends all of a user, by subject or email, on one edge or on all', async () => {
    await revokeSessions({ config, user: 'ADA@example.com', edge: 'edg_b' })
    assert.deepEqual(await left(), ['ada edg_a', 'eve edg_b'])
    await revokeSessions({ config, user: 'ada' })
    assert.deepEqual(await left(), ['eve edg_b'])
  })
  it('ends all of an edge, or all', async () => {
    await revokeSessions({ config, edge: 'edg_b' })
    assert.deepEqual(await left(), ['ada edg_a'])
    await revokeSessions({ config, all: true })
    assert.deepEqual(await left(), [])
    await revokeSessions({ config, all: true })
  })
  it('leaves the tokens to a running relay, which takes them once, and to nobody else for long', async () => {
    await withSessions(async (sessions) => {
      const { promise, resolve } = Promise.withResolvers<string>()
      sessions.whenRevoked(({ key }, tokens) => {
        assert.equal(tokens, undefined, 'they are in the store')
        resolve(key)
      })
      await revokeSessions({ config, id: names[0]! })
      const key = await promise
      assert.equal(sessionName(key), names[0])
      assert.deepEqual(
        (await Promise.all([1, 2].map(() => sessions.tokens.take(key, Date.now())))).filter((taken) => taken),
        [{ session: key, refreshToken: 'r' }],
      )
      assert.equal(await sessions.tokens.read(key, Date.now()), undefined)
    })
    const longest = (): number => {
      const database = new DatabaseSync(path(), { readOnly: true })
      const sql = "SELECT max(expires_at) AS last FROM entry WHERE bucket = 'session_tokens' AND json IS NOT NULL"
      const { last } = database.prepare(sql).get() ?? {}
      database.close()
      return Number(last) - Date.now()
    }
    assert.ok(longest() > 50 * 60_000)
    await revokeSessions({ config, all: true })
    assert.ok(longest() > 0 && longest() <= 15 * 60_000)
  })
  it('ends no session for an empty value, or for a part of a name', async () => {
    const wrong = [{}, { user: '' }, { edge: '' }, { id: '' }, { all: true, user: 'ada' }, { id: 'x', edge: 'edg_a' }]
    for (const options of [...wrong, { id: 'ses_' }, { id: 'ses_zz' }]) {
      await assert.rejects(revokeSessions({ config, ...options }), { name: 'ConfigError' })
    }
    await revokeSessions({ config, user: 'ad' })
    await revokeSessions({ config, edge: 'edg' })
    assert.equal((await left()).length, 3)
  })
})
