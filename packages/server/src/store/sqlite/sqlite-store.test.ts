import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, copyFile, mkdir, mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it, type TestContext } from 'node:test'
import { DatabaseSync } from 'node:sqlite'

import { ConfigError } from '../../errors.ts'
import { openSqliteStore } from './sqlite-store.ts'
import { follow, numbers, storeContract } from '../store-contract.test-support.ts'
import { type Store, StoreConflict, StoreUnavailable } from '../store.ts'

let folder: string
before(async () => (folder = await mkdtemp(join(tmpdir(), 'sallyport-store-'))))
after(() => rm(folder, { recursive: true }))

let files = 0
const newPath = (): string => join(folder, `store-${files++}.db`)

async function open(t: TestContext, path = newPath(), onProblem?: (problem: Error) => void): Promise<Store> {
  const store = await openSqliteStore(path, { ...(onProblem && { onProblem }) })
  t.after(() => store.close())
  store.serve()
  return store
}

storeContract('SQLite', (listeners) => openSqliteStore(newPath(), listeners))

describe('the SQLite store', () => {
  it('keeps values over a restart, with revisions that grow over all buckets', async (t) => {
    const path = newPath()
    const first = await openSqliteStore(path)
    assert.equal(await first.bucket('a', numbers).put('k', 1), 1)
    assert.equal(await first.bucket('b', numbers).put('k', 2), 2)
    await first.close()
    const second = await open(t, path)
    assert.deepEqual(await second.bucket('a', numbers).get('k'), { value: 1, revision: 1 })
    assert.equal(await second.bucket('a', numbers).put('k', 3), 3)
    assert.equal(await second.bucket('a', numbers).get('other'), undefined)
  })

  it('tells a write of another store on the file at once if it is asked to look', async (t) => {
    const path = newPath()
    const [first, second] = [await open(t, path), await open(t, path)]
    const told: unknown[] = []
    await first
      .bucket('a', numbers)
      .watch(({ value }) => void told.push(value), { signal: AbortSignal.timeout(60_000) })
    await second.bucket('a', numbers).put('k', 7)
    first.look()
    assert.deepEqual(told, [7])
    await first.close()
    first.look()
  })

  it('writes both before and while visitors are served, and tells its watches', async (t) => {
    const store = await openSqliteStore(newPath())
    t.after(() => store.close())
    const bucket = store.bucket('b', numbers)
    const { changes } = await follow(t, bucket)
    const before = [bucket.put('a', 1), bucket.put('b', 2)]
    store.serve()
    const revisions = await Promise.all([...before, bucket.put('c', 3)])
    assert.deepEqual(revisions, [1, 2, 3])
    await assert.rejects(bucket.put('a', 9, { expectedRevision: 0 }), StoreConflict)
    assert.deepEqual(
      changes.map(({ key, value }) => [key, value]),
      [
        ['a', 1],
        ['b', 2],
        ['c', 3],
      ],
    )
  })

  it('writes its queue before it closes, and nothing afterwards', async (t) => {
    const path = newPath()
    const store = await openSqliteStore(path)
    const bucket = store.bucket('b', numbers)
    const writes = Array.from({ length: 2000 }, (_, index) => bucket.put(`k${index}`, index))
    const closed = store.close()
    await assert.rejects(bucket.put('late', 1), StoreUnavailable)
    await Promise.all([...writes, closed, store.close()])
    await assert.rejects(bucket.get('k1'), StoreUnavailable)
    assert.equal((await (await open(t, path)).bucket('b', numbers).get('k1999'))?.value, 1999)
  })
})

describe('several processes on one store', () => {
  it('see each other’s writes', async (t) => {
    const path = newPath()
    const bucket = (await open(t, path)).bucket('b', numbers)
    const { until } = await follow(t, bucket)
    const child = writer(
      path,
      'await bucket.put("mine", 7); await bucket.put("k", 1); await bucket.delete("k"); await store.close()',
    )
    assert.deepEqual(await once(child, 'exit'), [0, null])
    assert.equal((await until(({ key }) => key === 'mine')).value, 7)
    await until(({ key, value }) => key === 'k' && value === undefined)
  })

  it('never lose a write or give one revision twice', async (t) => {
    const path = newPath()
    const bucket = (await open(t, path)).bucket('b', numbers)
    const { changes, until } = await follow(t, bucket)
    const script = 'for (let i = 0; i < 200; i++) await bucket.put(`${process.pid}.${i}`, i); await store.close()'
    const children = [writer(path, script), writer(path, script)]
    await Promise.all(children.map(async (child) => assert.deepEqual(await once(child, 'exit'), [0, null])))
    for (const { pid } of children) await until(({ key }) => key === `${pid}.199`)
    assert.equal(changes.length, 400)
    assert.equal(new Set(changes.map(({ revision }) => revision)).size, 400)
  })

  it('continue when a writer is killed in the middle; every answered write is kept', async (t) => {
    const path = newPath()
    const child = writer(path, 'for (let i = 0; ; i++) { await bucket.put(`k${i}`, i); console.log(i) }')
    let output = ''
    for await (const chunk of child.stdout) {
      output += String(chunk)
      if (output.split('\n').length > 100) break
    }
    child.kill('SIGKILL')
    const answered = Number(output.split('\n').at(-2))
    assert.ok(answered >= 99)
    const bucket = (await open(t, path)).bucket('b', numbers)
    for (let index = 0; index <= answered; index++) assert.equal((await bucket.get(`k${index}`))?.value, index)
    await bucket.put('after', 1)
  })

  it('open a new store at the same moment', async () => {
    const path = newPath()
    const stores = await Promise.all([1, 2, 3].map(() => openSqliteStore(path)))
    await Promise.all(stores.map((store) => store.close()))
  })
})

describe('trouble with the file', () => {
  it('makes file and folder for their owner only', async (t) => {
    const path = join(folder, 'new', 'deep', 'relay.db')
    await open(t, path)
    assert.equal((await stat(path)).mode & 0o777, 0o600)
    assert.equal((await stat(`${path}-wal`)).mode & 0o777, 0o600)
    assert.equal((await stat(join(folder, 'new', 'deep'))).mode & 0o777, 0o700)
  })

  const refusals: [name: string, prepare: (path: string) => unknown, expected: RegExp][] = [
    ['not a database', (path) => writeFile(path, 'hello '.repeat(1000)), /is not a database; name another file/],
    ['a folder', (path) => mkdir(path), /is a folder; name the file in it/],
    ['the database of another program', (path) => new DatabaseSync(path).exec('CREATE TABLE t (x)'), /another program/],
    [
      'a newer schema',
      async (path) => {
        await (await openSqliteStore(path)).close()
        new DatabaseSync(path).exec('PRAGMA user_version = 99')
      },
      /written by a newer Sallyport \(schema 99, this one knows 1\); update the relay/,
    ],
  ]
  refusals.push([
    'a database that was moved away',
    (path) => writeFile(`${path}-wal`, ''),
    /is not there, but .*-wal is: the database was deleted or moved away. Move it back/,
  ])
  for (const [name, prepare, expected] of refusals) {
    it(`explains the problem: ${name}`, async () => {
      const path = newPath()
      await prepare(path)
      await assert.rejects(openSqliteStore(path), (error: unknown) => {
        assert.ok(error instanceof ConfigError)
        assert.match(error.message, expected)
        return true
      })
    })
  }

  it('leaves a foreign file unchanged', async () => {
    const path = newPath()
    await writeFile(path, 'somebody’s notes')
    await chmod(path, 0o644)
    await assert.rejects(openSqliteStore(path))
    assert.equal((await stat(path)).mode & 0o777, 0o644)
  })

  it('is unavailable while the file is locked for too long, and healthy again afterwards', async (t) => {
    const path = newPath()
    const problems: Error[] = []
    const store = await open(t, path, (problem) => problems.push(problem))
    const bucket = store.bucket('b', numbers)
    const other = new DatabaseSync(path)
    other.exec('BEGIN IMMEDIATE')
    const turns = countTurns()
    await assert.rejects(bucket.put('k', 1), StoreUnavailable)
    assert.ok(turns() > 100, 'the main thread was blocked meanwhile')
    assert.equal(store.healthy, false)
    assert.match(problems[0]?.message ?? '', /locked by another process/)
    assert.equal(await bucket.get('k'), undefined)
    assert.equal(store.healthy, false, 'reading does not show that writing works')
    other.exec('ROLLBACK')
    other.close()
    await bucket.put('k', 2)
    assert.equal((await bucket.get('k'))?.value, 2)
    assert.equal(store.healthy, true)
  })
})

describe('a file that is no longer there (reliability, wrong 1)', { timeout: 30_000 }, () => {
  /** A store in use; `loss()` is its last reported loss. */
  async function losable(t: TestContext) {
    const path = newPath()
    const problems: string[] = []
    const losses: (string | undefined)[] = []
    let told = (): void => {}
    const store = await openSqliteStore(path, {
      onProblem: ({ message }) => problems.push(message),
      onLoss: (loss) => {
        losses.push(loss)
        told()
      },
    })
    t.after(() => store.close())
    const bucket = store.bucket('b', numbers)
    await bucket.put('before', 1)
    store.serve()
    await bucket.put('before', 2)
    const nextLoss = async (): Promise<string | undefined> => {
      const seen = losses.length
      while (losses.length === seen) await new Promise<void>((resolve) => (told = resolve))
      return losses.at(-1)
    }
    return { path, store, bucket, problems, losses, nextLoss }
  }

  for (const isServing of [false, true]) {
    it(`acknowledges nothing from then on (${isServing ? 'while visitors are served' : 'before'})`, async (t) => {
      const path = newPath()
      const store = await openSqliteStore(path)
      t.after(() => store.close())
      const bucket = store.bucket('b', numbers)
      if (isServing) store.serve() // its thread opens the file with the first write
      await rm(path)
      await assert.rejects(bucket.put('k', 1), /was deleted or moved away while it was in use/)
      await assert.rejects(bucket.delete('k'), StoreUnavailable)
      assert.equal(existsSync(path), false, 'and no new file was made')
    })
  }

  it('is noticed without a write, and reported once', async (t) => {
    const { path, store, bucket, problems, nextLoss } = await losable(t)
    await rm(path)
    assert.match((await nextLoss()) ?? '', /deleted or moved away/)
    assert.equal(store.healthy, false)
    for (let i = 0; i < 3; i++) await assert.rejects(bucket.put('k', i), StoreUnavailable)
    assert.equal((await bucket.get('before'))?.value, 2, 'what was read goes on')
    assert.deepEqual(problems.length, 1, problems.join('\n'))
  })

  it('is healthy again when the same file comes back', async (t) => {
    const { path, store, bucket, nextLoss } = await losable(t)
    await rename(path, `${path}.away`)
    assert.match((await nextLoss()) ?? '', /move it back/)
    await rename(`${path}.away`, path)
    assert.equal(await nextLoss(), undefined)
    await bucket.put('k', 3)
    assert.equal(store.healthy, true)
  })

  it('stays lost while another file is in its place, even a copy', async (t) => {
    const { path, store, bucket, problems, nextLoss } = await losable(t)
    await copyFile(path, `${path}.copy`)
    await rename(`${path}.copy`, path)
    assert.match((await nextLoss()) ?? '', /another file was put in the place of .*; restart the relay/)
    await assert.rejects(bucket.put('k', 1), /another file was put in the place/)
    assert.equal(store.healthy, false)
    assert.equal(problems.length, 1)
  })

  it('includes its -wal, and an end in order keeps acknowledged writes', async (t) => {
    const { path, store, bucket, nextLoss } = await losable(t)
    await rm(`${path}-wal`)
    assert.match((await nextLoss()) ?? '', /-wal was deleted while it was in use.*SIGTERM/)
    await assert.rejects(bucket.put('k', 1), StoreUnavailable)
    await store.close()
    const again = await open(t, path)
    assert.equal((await again.bucket('b', numbers).get('before'))?.value, 2)
    assert.equal(await again.bucket('b', numbers).get('k'), undefined)
  })

  it('leaves a file alone that another relay has made in its place', async (t) => {
    const { path, store } = await losable(t)
    for (const suffix of ['', '-wal', '-shm']) await rm(`${path}${suffix}`)
    const other = await open(t, path)
    await other.bucket('b', numbers).put('theirs', 7)
    await store.close()
    await other.bucket('b', numbers).put('theirs', 8)
    assert.equal((await (await open(t, path)).bucket('b', numbers).get('theirs'))?.value, 8)
    assert.equal(other.healthy, true)
  })
})

function countTurns(): () => number {
  let turns = 0
  const timer = setInterval(() => turns++, 10)
  return () => {
    clearInterval(timer)
    return turns
  }
}

function writer(path: string, script: string) {
  const source = `
    import { openSqliteStore } from ${JSON.stringify(new URL('./sqlite-store.ts', import.meta.url).href)}
    const store = await openSqliteStore(${JSON.stringify(path)})
    const bucket = store.bucket('b', (stored) => stored)
    ${script}`
  return spawn(process.execPath, ['--input-type=module-typescript', '--eval', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}
