// The contract of every engine of the store, as a suite of tests: an engine's own test file runs it. Anything special to
// an engine (its file, its thread, its server) is tested there.

import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'

import { z } from 'zod'

import { COMMIT_MAX_WRITES, StoreConflict, StoreUnavailable } from './store.ts'
import type { Bucket, Change, Store, StoreListeners } from './store.ts'

/** An empty store of the engine. The suite closes it. */
export type OpenEngine = (listeners: StoreListeners) => Promise<Store>

/** Parses the values of the tests' buckets. */
export const numbers = (stored: unknown): number => z.number().parse(stored)

/** Follows a bucket; `until` resolves when a change fits. */
export async function follow<T>(t: TestContext, bucket: Bucket<T>) {
  const changes: Change<T>[] = []
  const waiting = new Set<() => void>()
  const stop = new AbortController()
  t.after(() => stop.abort())
  await bucket.watch(
    (change) => {
      changes.push(change)
      for (const look of waiting) look()
    },
    { signal: stop.signal },
  )
  const until = (fits: (change: Change<T>) => boolean) =>
    new Promise<Change<T>>((resolve) => {
      const look = () => {
        const found = changes.find(fits)
        if (!found) return
        waiting.delete(look)
        resolve(found)
      }
      waiting.add(look)
      look()
    })
  return { changes, until, stop: () => stop.abort() }
}

export function storeContract(engine: string, openEngine: OpenEngine): void {
  async function open(t: TestContext, onProblem?: (problem: Error) => void): Promise<Store> {
    const store = await openEngine({ ...(onProblem && { onProblem }) })
    t.after(() => store.close())
    store.serve()
    return store
  }

  describe(`the contract of the store: ${engine}`, () => {
    it('gives revisions that grow over all buckets', async (t) => {
      const store = await open(t)
      const first = await store.bucket('a', numbers).put('k', 1)
      const second = await store.bucket('b', numbers).put('k', 2)
      assert.ok(second > first)
      assert.deepEqual(await store.bucket('a', numbers).get('k'), { value: 1, revision: first })
      assert.equal(await store.bucket('a', numbers).get('other'), undefined)
    })

    it('writes only if the key has the expected revision', async (t) => {
      const bucket = (await open(t)).bucket('b', numbers)
      const revision = await bucket.put('k', 1, { expectedRevision: 0 })
      await assert.rejects(bucket.put('k', 2, { expectedRevision: 0 }), StoreConflict)
      await assert.rejects(bucket.put('k', 2, { expectedRevision: revision + 1 }), StoreConflict)
      await assert.rejects(bucket.delete('k', { expectedRevision: revision + 1 }), StoreConflict)
      assert.equal((await bucket.get('k'))?.value, 1)
      await bucket.put('k', 2, { expectedRevision: revision })
      assert.equal(await bucket.delete('k'), true)
      assert.equal(await bucket.delete('k'), false)
      await bucket.put('k', 3, { expectedRevision: 0 })
    })

    it('lets one of several simultaneous writers win', async (t) => {
      const bucket = (await open(t)).bucket('b', numbers)
      const writes = [1, 2, 3].map((value) => bucket.put('k', value, { expectedRevision: 0 }))
      const outcomes = await Promise.allSettled(writes)
      assert.deepEqual(
        outcomes.map(({ status }) => status),
        ['fulfilled', 'rejected', 'rejected'],
      )
      assert.equal((await bucket.get('k'))?.value, 1)
    })

    it('watches: present values, a write before it is answered, a deletion; nothing of other buckets', async (t) => {
      const store = await open(t)
      const bucket = store.bucket('b', numbers)
      const old = await bucket.put('old', 1)
      await bucket.put('gone', 1)
      await bucket.delete('gone')
      const { changes } = await follow(t, bucket)
      assert.deepEqual(changes.splice(0), [{ key: 'old', value: 1, revision: old }])
      await store.bucket('c', numbers).put('k', 9)
      const revision = await bucket.put('new', 2)
      assert.deepEqual(changes.splice(0), [{ key: 'new', value: 2, revision }])
      await bucket.delete('old')
      assert.deepEqual(
        changes.map(({ key, value }) => [key, value]),
        [['old', undefined]],
      )
      assert.ok((changes[0]?.revision ?? 0) > revision)
    })

    it('misses nothing between snapshot and live changes, also for a second watcher', async (t) => {
      const bucket = (await open(t)).bucket('b', numbers)
      const writes = Array.from({ length: 300 }, (_, index) => () => bucket.put(`k${index}`, index))
      const first = writes.slice(0, 150).map((write) => write())
      const early = follow(t, bucket)
      const rest = writes.slice(150).map((write) => write())
      const late = follow(t, bucket)
      await Promise.all([...first, ...rest])
      for (const { changes } of [await early, await late]) {
        assert.equal(changes.length, 300)
        assert.deepEqual(new Set(changes.map(({ key }) => key)).size, 300)
      }
    })

    it('ends a watch with its signal', async (t) => {
      const bucket = (await open(t)).bucket('b', numbers)
      const { changes, stop } = await follow(t, bucket)
      stop()
      await bucket.put('k', 1)
      assert.deepEqual(changes, [])
      await assert.rejects(bucket.watch(() => {}, { signal: AbortSignal.abort() }))
    })

    it('counts an expired key as deleted, and says so', async (t) => {
      const bucket = (await open(t)).bucket('b', numbers)
      const { until } = await follow(t, bucket)
      const revision = await bucket.put('k', 1, { ttlMs: 1 })
      await bucket.put('stays', 1, { ttlMs: 3_600_000 })
      const end = await until(({ key, value }) => key === 'k' && value === undefined)
      assert.ok(end.revision > revision)
      assert.equal(await bucket.get('k'), undefined)
      assert.equal((await bucket.get('stays'))?.value, 1)
      await bucket.put('k', 2, { expectedRevision: 0 })
      assert.equal((await bucket.get('k'))?.value, 2)
    })

    it('counts an unreadable value as absent, reports it, and does not tell a deletion', async (t) => {
      const problems: Error[] = []
      const store = await open(t, (problem) => problems.push(problem))
      const { changes } = await follow(t, store.bucket('b', numbers))
      const revision = await store.bucket<unknown>('b', (stored) => stored).put('k', 'not a number')
      assert.deepEqual(changes, [{ key: 'k', value: undefined, unreadable: true, revision }])
      assert.deepEqual((await follow(t, store.bucket('b', numbers))).changes, changes, 'nor to who comes later')
      assert.equal(await store.bucket('b', numbers).get('k'), undefined)
      assert.match(problems[0]?.message ?? '', /^b: a stored value cannot be read/)
    })

    it('keeps telling others when one listener throws', async (t) => {
      const problems: Error[] = []
      const bucket = (await open(t, (problem) => problems.push(problem))).bucket('b', numbers)
      const fails = () => {
        throw new Error('no')
      }
      await bucket.watch(fails, { signal: AbortSignal.any([]) })
      const { changes } = await follow(t, bucket)
      await bucket.put('k', 1)
      assert.equal(changes.length, 1)
      assert.equal(problems.length, 1)
    })

    it('takes any text as key, __proto__ too', async (t) => {
      const bucket = (await open(t)).bucket('b', numbers)
      for (const key of ['__proto__', '', "'; DROP TABLE entry; --", 'é\u{1F600}', 'a/b']) {
        await bucket.put(key, key.length)
        assert.equal((await bucket.get(key))?.value, key.length)
      }
    })

    it('refuses values that are no JSON or too large, and continues', async (t) => {
      const bucket = (await open(t)).bucket<unknown>('b', (stored) => stored)
      await assert.rejects(bucket.put('k', undefined), TypeError)
      await assert.rejects(bucket.put('k', 'x'.repeat(2_000_000)), RangeError)
      await assert.rejects(bucket.put('k', 1, { ttlMs: Number.NaN }), RangeError)
      await bucket.put('k', 1)
    })

    describe('a commit', () => {
      it('writes to several buckets, all or nothing', async (t) => {
        const store = await open(t)
        const [a, b] = [store.bucket('a', numbers), store.bucket('b', numbers)]
        const stands = await a.put('stands', 1)
        const revisions = await store.commit([
          a.putting('stands', 2, { expectedRevision: stands }),
          b.putting('new', 3, { expectedRevision: 0 }),
          b.deleting('never there'),
        ])
        assert.deepEqual([(await a.get('stands'))?.revision, (await b.get('new'))?.revision, 0], revisions)
        const refused = [a.putting('stands', 9), a.deleting('stands'), b.putting('more', 9)]
        for (const write of refused) {
          const conflict = b.putting('new', 9, { expectedRevision: 0 })
          await assert.rejects(store.commit([write, conflict]), (error: unknown) => {
            assert.ok(error instanceof StoreConflict)
            assert.deepEqual([error.bucket, error.key], ['b', 'new'])
            return true
          })
        }
        assert.deepEqual([(await a.get('stands'))?.value, (await b.get('new'))?.value], [2, 3])
        assert.equal(await b.get('more'), undefined)
      })

      it('does not undo others of the same turn', async (t) => {
        const store = await open(t)
        const bucket = store.bucket('b', numbers)
        await bucket.put('k', 1)
        const outcomes = await Promise.allSettled([
          bucket.put('before', 1),
          store.commit([bucket.putting('x', 1), bucket.putting('k', 2, { expectedRevision: 0 })]),
          store.commit([bucket.putting('y', 1), bucket.putting('z', 1)]),
        ])
        assert.deepEqual(
          outcomes.map(({ status }) => status),
          ['fulfilled', 'rejected', 'fulfilled'],
        )
        const there = await Promise.all(['before', 'x', 'y', 'z'].map(async (key) => (await bucket.get(key))?.value))
        assert.deepEqual(there, [1, undefined, 1, 1])
      })

      it('is told in one turn, to each bucket’s watch, before it is answered', async (t) => {
        const store = await open(t)
        const [a, b] = [store.bucket('a', numbers), store.bucket('b', numbers)]
        const told: string[] = []
        const tell = ({ key }: Change<number>) => {
          told.push(key)
          queueMicrotask(() => told.push('turn'))
        }
        for (const bucket of [a, b]) await bucket.watch(tell, { signal: AbortSignal.any([]) })
        await store.commit([a.putting('1', 1), b.putting('2', 2), a.putting('3', 3)])
        assert.deepEqual(told.slice(0, 3), ['1', '2', '3'])
      })

      it('refuses one key twice and too many writes; nothing of them happens', async (t) => {
        const store = await open(t)
        const bucket = store.bucket('b', numbers)
        await assert.rejects(store.commit([bucket.putting('k', 1), bucket.deleting('k')]), TypeError)
        const many = Array.from({ length: COMMIT_MAX_WRITES + 1 }, (_, index) => bucket.putting(`k${index}`, index))
        await assert.rejects(store.commit(many), RangeError)
        assert.deepEqual((await bucket.page({ limit: 1 })).entries, [])
        assert.deepEqual(await store.commit([]), [])
        assert.equal((await store.commit(many.slice(1))).length, COMMIT_MAX_WRITES)
      })
    })

    describe('pages', () => {
      const keysOf = async (bucket: Bucket<number>, limit: number, backward: boolean): Promise<string[][]> => {
        const pages: string[][] = []
        for (let after: string | undefined; ;) {
          const page = await bucket.page({ limit, backward, ...(after !== undefined && { after }) })
          pages.push(page.entries.map(({ key }) => key))
          after = page.next
          if (after === undefined) return pages
        }
      }

      it('come in the order of the keys, both ways', async (t) => {
        const store = await open(t)
        const bucket = store.bucket('b', numbers)
        for (const key of ['c', 'a', 'B', 'é', 'd', '\u{1F600}', '\uFFFD']) await bucket.put(key, 1)
        await store.bucket('other', numbers).put('x', 1)
        assert.deepEqual(await keysOf(bucket, 3, false), [['B', 'a', 'c'], ['d', 'é', '\uFFFD'], ['\u{1F600}']])
        assert.deepEqual(await keysOf(bucket, 4, true), [
          ['\u{1F600}', '\uFFFD', 'é', 'd'],
          ['c', 'a', 'B'],
        ])
        assert.deepEqual(await keysOf(bucket, 7, false), [['B', 'a', 'c', 'd', 'é', '\uFFFD', '\u{1F600}']])
      })

      it('neither skip nor repeat when rows come and go', async (t) => {
        const bucket = (await open(t)).bucket('b', numbers)
        for (const key of ['a', 'c', 'e', 'g']) await bucket.put(key, 1)
        const first = await bucket.page({ limit: 2 })
        await bucket.delete('c') // the cursor itself
        await bucket.put('b', 1)
        await bucket.put('d', 1)
        const second = await bucket.page({ limit: 2, after: first.next ?? '' })
        assert.deepEqual(
          [...first.entries, ...second.entries].map(({ key }) => key),
          ['a', 'c', 'd', 'e'],
        )
      })

      it('leave out expired and unreadable values', async (t) => {
        const store = await open(t, () => {})
        const bucket = store.bucket('b', numbers)
        const { until } = await follow(t, bucket)
        await bucket.put('expired', 1, { ttlMs: 1 })
        await store.bucket<unknown>('b', (stored) => stored).put('broken', 'x')
        const revision = await bucket.put('whole', 1)
        await until(({ key, value, unreadable }) => key === 'expired' && value === undefined && !unreadable)
        const { entries, next } = await bucket.page({ limit: 3 })
        assert.deepEqual({ entries, next }, { entries: [{ key: 'whole', value: 1, revision }], next: undefined })
        assert.deepEqual(await keysOf(bucket, 1, false), [[], ['whole']])
      })

      it('have 1 to 1000 rows', async (t) => {
        const bucket = (await open(t)).bucket('b', numbers)
        for (const limit of [0, -1, 1.5, 1001, Number.NaN]) await assert.rejects(bucket.page({ limit }), RangeError)
      })
    })

    it('keeps members of a newer version', async (t) => {
      const store = await open(t)
      const newer = store.bucket('b', (stored) => stored as Record<string, unknown>)
      const schema = z.object({ name: z.string(), note: z.string().optional() })
      const older = store.bucket('b', (stored) => schema.parse(stored), { known: Object.keys(schema.shape) })
      await newer.put('k', { name: 'a', note: 'n', color: 'red', deep: { x: [1] } })
      assert.deepEqual((await older.get('k'))?.value, { name: 'a', note: 'n' })
      await older.put('k', { name: 'b' })
      assert.deepEqual((await newer.get('k'))?.value, { name: 'b', color: 'red', deep: { x: [1] } })
      await older.delete('k')
      await older.put('k', { name: 'c' })
      assert.deepEqual((await newer.get('k'))?.value, { name: 'c' }, 'of a deleted value nothing is left')
    })

    it('is unavailable after its end', async (t) => {
      const store = await open(t)
      const bucket = store.bucket('b', numbers)
      await store.close()
      assert.equal(store.healthy, false)
      for (const call of [() => bucket.get('k'), () => bucket.put('k', 1), () => bucket.page({ limit: 1 })])
        await assert.rejects(call(), StoreUnavailable)
    })
  })
}
