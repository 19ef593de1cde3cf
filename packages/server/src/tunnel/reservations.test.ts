import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'

import { openStore } from '../store/open-store.ts'
import type { Store } from '../store/store.ts'
import { Reservations } from './reservations.ts'

const HOUR_MS = 3_600_000
const nobody = (): boolean => false

describe('reservations', () => {
  let folder: string
  let store: Store
  let now = Date.now()
  const opened: Reservations[] = []

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sallyport-reservations-'))
    store = await openStore({ type: 'sqlite', path: join(folder, 'relay.db') }, { onProblem: assert.fail })
  })
  after(async () => {
    for (const reservations of opened) reservations.close()
    await store.close()
    await rm(folder, { recursive: true })
  })

  async function open(): Promise<Reservations> {
    const reservations = await Reservations.open(store, () => now)
    opened.push(reservations)
    return reservations
  }

  it('gives a host to the first authtoken that asks, and to no other', async () => {
    const reservations = await open()
    assert.equal(await reservations.take('a.example.com', 'atk_1', nobody), true)
    assert.equal(await reservations.take('a.example.com', 'atk_2', nobody), false)
    assert.equal(await reservations.take('a.example.com', 'atk_1', nobody), true)
    assert.equal(reservations.of('a.example.com')?.authtoken_id, 'atk_1')
    assert.equal(reservations.of('b.example.com'), undefined)
    assert.deepEqual(reservations.hostsOf('atk_1'), ['a.example.com'])
  })

  it('gives it to one of two that ask at once', async () => {
    const [one, two] = [await open(), await open()]
    const won = await Promise.all([one.take('race', 'atk_1', nobody), two.take('race', 'atk_2', nobody)])
    assert.deepEqual(won.toSorted(), [false, true])
  })

  it('takes it from one that must give way', async () => {
    const reservations = await open()
    await reservations.take('old.example.com', 'atk_revoked', nobody)
    assert.equal(await reservations.take('old.example.com', 'atk_1', (holder) => holder === 'atk_revoked'), true)
    assert.deepEqual(reservations.hostsOf('atk_revoked'), [])
  })

  it('survives a restart of the relay, and counts as recent while its agents may be on their way', async () => {
    await (await open()).take('kept.example.com', 'atk_1', nobody)
    const next = await open()
    assert.equal(next.of('kept.example.com')?.authtoken_id, 'atk_1')
    const isRecent = (): boolean => next.recent().some(({ host }) => host === 'kept.example.com')
    assert.ok(isRecent())
    now += 3 * HOUR_MS
    assert.ok(!isRecent())
    now -= 3 * HOUR_MS
  })

  it('lasts for a day after its last use', async () => {
    const reservations = await open()
    await reservations.take('day.example.com', 'atk_1', nobody)
    const begun = now
    now = begun + 2 * HOUR_MS
    await reservations.take('day.example.com', 'atk_1', nobody)
    now = begun + 26 * HOUR_MS
    assert.ok(reservations.of('day.example.com'), 'a day after the renewal')
    now = begun + 29 * HOUR_MS
    assert.equal(reservations.of('day.example.com'), undefined)
    assert.deepEqual(reservations.hostsOf('atk_1').includes('day.example.com'), false)
    now = begun
  })

  it('can be given up', async () => {
    const reservations = await open()
    await reservations.take('free.example.com', 'atk_1', nobody)
    await reservations.release('free.example.com')
    assert.equal(reservations.of('free.example.com'), undefined)
    assert.equal(await reservations.take('free.example.com', 'atk_2', nobody), true)
    await reservations.release('never.example.com')
  })
})
