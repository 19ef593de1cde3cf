import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it, mock } from 'node:test'

import type { StreamReply } from '@sallyport/protocol'

import { AppHealth } from './app-health.ts'

const REFUSED: StreamReply = { ok: false, code: 'app_refused', reason: 'connection refused at localhost:8000' }
const OK: StreamReply = { ok: true }

describe('AppHealth', () => {
  let changes: string[]
  let probes: number
  let answer: StreamReply | undefined
  let health: AppHealth

  beforeEach(() => {
    mock.timers.enable({ apis: ['setTimeout'] })
    changes = []
    probes = 0
    answer = REFUSED
    health = new AppHealth({
      probe: () => {
        probes += 1
        return Promise.resolve(answer)
      },
      onHealthChange: ({ type }) => changes.push(type),
    })
  })
  afterEach(() => mock.timers.reset())

  /** Lets time pass, and probes' answers arrive. */
  async function pass(ms: number): Promise<void> {
    mock.timers.tick(ms)
    await new Promise((resolve) => setImmediate(resolve))
  }

  it('puts a tunnel aside at the first refusal, once', () => {
    health.noteReply(REFUSED)
    health.noteReply(REFUSED)
    assert.equal(health.isWell, false)
    assert.deepEqual(changes, ['aside'])
  })

  it('tells the reason, and since when (the first hour, 9)', () => {
    assert.deepEqual([health.detail, health.changedAt], ['', undefined])
    const before = Date.now()
    health.report(false, '503 at /health')
    assert.equal(health.detail, '503 at /health')
    assert.ok(health.changedAt !== undefined && health.changedAt >= before)
    health.noteReply(REFUSED)
    assert.equal(health.detail, 'connection refused at localhost:8000', 'that nothing answers says more')
    health.noteReply(OK)
    assert.equal(health.detail, '503 at /health')
    health.report(true, '200')
    assert.equal(health.detail, '')
  })

  it('probes after 0.5 s, then less and less often, but at least every 30 s', async () => {
    health.noteReply(REFUSED)
    const waits: number[] = []
    for (let waited = 0, before = 0; waits.length < 9; waited += 250) {
      await pass(250)
      if (probes === before) continue
      waits.push(waited + 250)
      before = probes
      waited = -250
    }
    assert.deepEqual(waits, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000])
  })

  it('takes it back when a probe gets through, and probes no more', async () => {
    health.noteReply(REFUSED)
    await pass(500)
    answer = OK
    await pass(1000)
    assert.equal(health.isWell, true)
    assert.deepEqual(changes, ['aside', 'back'])
    await pass(100_000)
    assert.equal(probes, 2)
    answer = REFUSED
    health.noteReply(REFUSED)
    await pass(500)
    assert.equal(probes, 3, 'the next time begins with half a second again')
  })

  it('takes it back when a visitor gets through', async () => {
    health.noteReply(REFUSED)
    health.noteReply(OK)
    assert.deepEqual(changes, ['aside', 'back'])
    await pass(100_000)
    assert.equal(probes, 0)
  })

  it('continues to probe if a probe learns nothing', async () => {
    answer = undefined
    health.noteReply(REFUSED)
    await pass(500)
    await pass(1000)
    assert.equal(probes, 2)
    assert.equal(health.isAside, true)
  })

  it('keeps the relay’s and the agent’s findings apart', () => {
    health.report(false, 'GET /healthz answered 503')
    health.report(false, 'GET /healthz answered 500')
    assert.equal(health.isWell, false)
    health.noteReply(OK)
    assert.equal(health.isWell, false, 'that it takes connections does not make it healthy')
    health.report(true, '')
    assert.equal(health.isWell, true)
    assert.deepEqual(changes, ['unhealthy', 'healthy'])
  })

  it('ignores refusals that say nothing about the app', () => {
    health.noteReply({ ok: false, code: 'tunnel_unknown', reason: '' })
    assert.equal(health.isWell, true)
  })

  it('probes nothing once it is stopped', async () => {
    health.noteReply(REFUSED)
    health.stop()
    await pass(100_000)
    assert.equal(probes, 0)
  })
})
