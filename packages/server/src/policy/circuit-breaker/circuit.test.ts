import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { RelayError } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { Lasting } from '../lasting.ts'
import { circuitBreaker } from './circuit-breaker.ts'
import { Circuit } from './circuit.ts'

const START = 1_780_000_000_000

function circuitOf(config: Partial<ConstructorParameters<typeof Circuit>[0]> = {}) {
  const circuit = new Circuit({ errorThreshold: 0.5, volumeThreshold: 4, windowMs: 10_000, trippedMs: 5000, ...config })
  const count = (faults: readonly (0 | 1)[], now: number): void => {
    for (const fault of faults) circuit.count(fault === 1, now)
  }
  return { circuit, count }
}

describe('a circuit (traffic policy, circuit-breaker)', () => {
  it('opens once there are enough answers and the share of faults is reached', () => {
    const { circuit, count } = circuitOf()
    count([1, 1, 1], START)
    assert.equal(circuit.enter(START), 'normal', 'three are too few')
    count([0], START)
    assert.equal(circuit.enter(START), 'normal', 'a good answer opens nothing')
    count([1], START)
    assert.deepEqual(circuit.enter(START), { waitMs: 5000 })
    assert.deepEqual(circuit.enter(START + 4999), { waitMs: 1 })

    const below = circuitOf()
    below.count([0, 0, 0, 1, 0, 1, 0, 1], START)
    assert.equal(below.circuit.enter(START), 'normal', 'three of eight')
    const all = circuitOf({ errorThreshold: 1 })
    all.count([1, 1, 1, 1], START)
    assert.deepEqual(all.circuit.enter(START), { waitMs: 5000 })
    const none = circuitOf({ errorThreshold: 0 })
    none.count([0, 0, 0, 0, 0], START)
    assert.equal(none.circuit.enter(START), 'normal', 'a threshold of 0 still needs one fault')
  })

  it('considers only answers within its window', () => {
    const { circuit, count } = circuitOf()
    count([1, 1, 1], START)
    count([1], START + 10_000)
    assert.equal(circuit.enter(START + 10_000), 'normal', 'the three are out of it')
    count([1, 1], START + 12_000)
    count([1], START + 18_900)
    assert.deepEqual(circuit.enter(START + 18_900), { waitMs: 5000 })
  })

  it('lets one request through, and closes or opens by its answer', () => {
    const { circuit, count } = circuitOf()
    count([1, 1, 1, 1], START)
    assert.equal(circuit.enter(START + 5000), 'probe')
    assert.deepEqual(circuit.enter(START + 5000), { waitMs: 1000 }, 'one at a time')
    circuit.probed(true, START + 6000)
    assert.deepEqual(circuit.enter(START + 6000), { waitMs: 5000 })
    assert.equal(circuit.enter(START + 11_000), 'probe')
    circuit.probed(undefined, START + 11_500)
    assert.equal(circuit.enter(START + 11_500), 'probe', 'its visitor has left: the next one finds out')
    circuit.probed(false, START + 12_000)
    assert.equal(circuit.enter(START + 12_000), 'normal')
    count([1, 1, 1], START + 12_000)
    assert.equal(circuit.enter(START + 12_000), 'normal', 'it has begun anew')
  })

  it('ignores a late answer from before the probe, and takes no clock set back for a long pause', () => {
    const { circuit, count } = circuitOf()
    count([1, 1, 1, 1, 0, 0, 0, 0, 0, 0], START)
    assert.deepEqual(circuit.enter(START - 86_400_000), { waitMs: 5000 })
    assert.equal(circuit.enter(START - 86_400_000 + 5000), 'probe')
  })
})

describe('circuit-breaker (traffic policy, circuit-breaker)', () => {
  const start = (enforce = true) => {
    const clock = { now: START }
    const notes: string[] = []
    const lasting = new Lasting(() => clock.now)
    const build = () =>
      circuitBreaker(
        {
          error_threshold: 0.5,
          volume_threshold: 2,
          window_duration: 10_000,
          tripped_duration: 10_000,
          num_buckets: 10,
          enforce,
        },
        {
          edgeId: 'edg_x',
          lasting: lasting.ofEdge('edg_x', () => {}),
          leniency: { note: ({ detail }: { detail: string }) => void notes.push(detail) } as never, // only this is called
          clock: () => clock.now,
        },
      )
    /** The answer to a visitor: a status, or the code of an error. */
    const run = async (action: ReturnType<typeof build>, app: number | RelayError | undefined) => {
      let listener: (status: number) => void = () => {}
      const exchange = { listenToApp: (given: typeof listener) => (listener = given) } as unknown as Exchange
      try {
        await action(exchange, async () => {
          if (app instanceof RelayError) throw app
          if (app !== undefined) listener(app)
        })
        return app
      } catch (error) {
        assert.ok(error instanceof RelayError)
        return error.code === 'circuit_open' ? `open for ${error.headers?.['retry-after']}` : error.code
      }
    }
    return { clock, notes, build, run }
  }

  it('counts answers of the app from 500 up and its failures, but no refusals by the relay', async () => {
    const { build, run } = start()
    const action = build()
    for (const code of ['no_tunnel_online', 'ip_restricted', 'webhook_refused', 'tunnel_full'] as const) {
      assert.equal(await run(action, new RelayError(code)), code)
    }
    await run(action, 499)
    assert.equal(await run(action, undefined), undefined, 'a visitor who has left')
    assert.equal(await run(action, new RelayError('app_down')), 'app_down')
    assert.equal(await run(action, 200), 'open for 10')
  })

  it('keeps its state when its policy is rebuilt, and closes after one good answer', async () => {
    const { clock, build, run } = start()
    const first = build()
    await run(first, 503)
    await run(first, 500)
    const second = build()
    assert.equal(await run(second, 200), 'open for 10')
    clock.now += 10_000
    assert.equal(await run(second, new RelayError('app_timeout')), 'app_timeout')
    assert.equal(await run(second, 200), 'open for 10')
    clock.now += 10_000
    assert.equal(await run(second, undefined), undefined)
    assert.equal(await run(second, 200), 200)
    assert.equal(await run(first, 200), 200)
  })

  it('only says what it would do if it is not enforced', async () => {
    const { notes, build, run } = start(false)
    const action = build()
    await run(action, 500)
    await run(action, 500)
    assert.equal(await run(action, 200), 200)
    assert.deepEqual(notes, ['the circuit is open'])
  })
})
