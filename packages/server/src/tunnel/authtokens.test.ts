import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it, type TestContext } from 'node:test'

import { ConfigError } from '../errors.ts'
import { openStore } from '../store/open-store.ts'
import { Authtokens } from './authtokens.ts'

let folder: string
before(async () => (folder = await mkdtemp(join(tmpdir(), 'sallyport-authtokens-'))))
after(() => rm(folder, { recursive: true }))

let files = 0

async function open(t: TestContext) {
  const path = join(folder, `${files++}.db`)
  const store = await openStore({ type: 'sqlite', path })
  const authtokens = await Authtokens.open(store)
  t.after(async () => {
    await authtokens.close()
    await store.close()
  })
  return { path, store, authtokens }
}

const NOW = Date.now()

describe('authtokens', () => {
  it('are verified by their text, and are never written down', async (t) => {
    const { path, authtokens } = await open(t)
    const { token, id } = await authtokens.create({ acl: ['bind:edge=edg_docs'], description: 'laptop' })
    assert.match(token, /^sp_[0-9A-Za-z]{30}$/)
    assert.match(id, /^atk_[0-9A-Za-z]{12}$/)
    const verdict = authtokens.verify(token, NOW)
    assert.ok(verdict.ok)
    assert.equal(verdict.authtoken.id, id)
    assert.deepEqual(verdict.authtoken.acl, ['bind:edge=edg_docs'])
    for (const file of [path, `${path}-wal`]) assert.ok(!(await readFile(file)).includes(token.slice(3)))
    assert.ok(!JSON.stringify(authtokens.list()).includes(token.slice(3)))
  })

  it('are refused if missing, unknown, nearly right or endless', async (t) => {
    const { authtokens } = await open(t)
    const { token, id } = await authtokens.create({ acl: [] })
    assert.deepEqual(authtokens.verify(undefined, NOW), { ok: false, reason: 'missing' })
    assert.deepEqual(authtokens.verify('', NOW), { ok: false, reason: 'missing' })
    for (const other of [
      id,
      `${token}x`,
      token.slice(0, -1),
      token.toLowerCase(),
      ` ${token}`,
      '__proto__',
      'x'.repeat(1e6),
    ]) {
      assert.deepEqual(authtokens.verify(other, NOW), { ok: false, reason: 'unknown' })
    }
  })

  it('may bind everything without rules, and refuse malformed rules', async (t) => {
    const { authtokens } = await open(t)
    assert.deepEqual((await authtokens.create({ acl: [] })).acl, ['bind:*'])
    await assert.rejects(authtokens.create({ acl: ['bind:edge=edg_*', 'edge=x', 'bind:*'] }), (error: unknown) => {
      assert.ok(error instanceof ConfigError)
      assert.equal(error.problems.length, 2)
      return true
    })
    assert.equal(authtokens.size, 1)
  })

  it('are revoked by id or by a prefix that only one has', async (t) => {
    const { authtokens } = await open(t)
    const first = await authtokens.create({ acl: [] })
    const second = await authtokens.create({ acl: [] })
    await assert.rejects(authtokens.revoke('atk_'), /there is no such authtoken/)
    await assert.rejects(authtokens.revoke('atk_nobody-has-this'), /there is no such authtoken/)
    const heard: string[] = []
    const stop = authtokens.onRevoked((id) => heard.push(id))
    await authtokens.revoke(first.id.slice(0, 13))
    assert.deepEqual(heard, [first.id])
    assert.deepEqual(authtokens.verify(first.token, NOW), { ok: false, reason: 'revoked' })
    assert.ok(authtokens.verify(second.token, NOW).ok)
    const again = await authtokens.revoke(first.id, NOW + 99_000)
    assert.ok(again.revoked_at !== undefined && again.revoked_at < NOW + 99_000)
    stop()
    await authtokens.revoke(second.id)
    assert.deepEqual(heard, [first.id])
    assert.equal(authtokens.list().length, 2)
  })

  it('attack 39: stay revoked although their last use is noted at the same moment', async (t) => {
    const { authtokens } = await open(t)
    const { token, id } = await authtokens.create({ acl: [] })
    const revoked = authtokens.revoke(id)
    assert.ok(authtokens.verify(token, NOW).ok)
    await revoked
    assert.equal(authtokens.verify(token, NOW).ok, false)
    await authtokens.close()
    assert.ok(authtokens.list()[0]?.revoked_at)
  })

  it('attack 39: made and revoked by another process are known here automatically', async (t) => {
    const { path, authtokens } = await open(t)
    const mine = await authtokens.create({ acl: [] })
    const revoked = new Promise<string>((resolve) => authtokens.onRevoked(resolve))
    const source = `
      import { openStore } from ${JSON.stringify(new URL('../store/open-store.ts', import.meta.url).href)}
      import { Authtokens } from ${JSON.stringify(new URL('./authtokens.ts', import.meta.url).href)}
      const store = await openStore({ type: 'sqlite', path: ${JSON.stringify(path)} })
      const authtokens = await Authtokens.open(store)
      const { token } = await authtokens.create({ acl: ['bind:app=x'] })
      console.log(token)
      await authtokens.revoke(${JSON.stringify(mine.id)})
      await authtokens.close()
      await store.close()`
    const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', source], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let token = ''
    child.stdout.on('data', (chunk) => (token += String(chunk)))
    assert.deepEqual(await once(child, 'close'), [0, null])
    assert.equal(await revoked, mine.id)
    assert.equal(authtokens.verify(mine.token, NOW).ok, false)
    const verdict = authtokens.verify(token.trim(), NOW) // written before the revocation, so it is known by now
    assert.ok(verdict.ok)
    assert.deepEqual(verdict.authtoken.acl, ['bind:app=x'])
  })

  it('know their last use: noted once a minute at most, and kept over a restart (the first hour, 9)', async (t) => {
    const { path, store, authtokens } = await open(t)
    const used = await authtokens.create({ acl: [], now: NOW - 1 })
    await authtokens.create({ acl: [], now: NOW })
    const writes: number[] = []
    const stop = new AbortController()
    await store
      .bucket('authtoken', (stored) => stored as { last_used_at?: number })
      .watch(({ value }) => value?.last_used_at && writes.push(value.last_used_at - NOW), { signal: stop.signal })
    const comeAt = async (...times: number[]): Promise<void> => {
      for (const time of times) assert.ok(authtokens.verify(used.token, NOW + time).ok)
      await store.bucket('barrier', Number).put('key', 1) // after all earlier writes
    }
    await comeAt(0, 1, 2)
    await comeAt(1000, 59_999)
    await comeAt(60_000, 60_001)
    await comeAt(100_000)
    stop.abort()
    assert.deepEqual(writes, [0, 60_000])

    await store.close()
    const again = await openStore({ type: 'sqlite', path })
    const reopened = await Authtokens.open(again)
    const shown = reopened.list().map((row) => row.last_used_at)
    await reopened.close()
    await again.close()
    assert.deepEqual(shown, [NOW + 60_000, undefined])
  })

  it('are verified from memory while the store is closed', async (t) => {
    const { store, authtokens } = await open(t)
    const { token } = await authtokens.create({ acl: [] })
    await store.close()
    assert.ok(authtokens.verify(token, NOW).ok)
    await authtokens.close()
  })
})
