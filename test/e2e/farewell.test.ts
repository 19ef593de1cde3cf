// A relay that is told to stop while visitors keep coming, each on a connection of its own: it serves them until it stops
// listening, and cuts no connected visitor. In process, and over TLS and HTTP/2: test/in-process/farewell.test.ts.

import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, describe, it } from 'node:test'

import { Processes } from '../support/processes.ts'

const EVERY_MS = 4
const VISITORS_EACH_TIME = 2 // 500 in a second
// No system call closes a listening socket only if its queue is empty: who comes in the last instant is cut, once in some
// hundred stops. A relay that does not empty its queue cuts somebody at each stop.
const STOPS = 3

describe('reliability 5: a relay that stops while visitors keep coming', { timeout: 60_000 }, () => {
  let processes: Processes

  before(async () => {
    processes = await Processes.create()
  })
  after(() => processes.close())

  /** How often each outcome came. */
  async function stopUnderVisitors(): Promise<Map<string, number>> {
    const outcomes = new Map<string, number>()
    const { promise: refused, resolve: onRefused } = Promise.withResolvers<void>()
    let open = 0
    let onAllOver: (() => void) | undefined
    const visit = (): void => {
      let outcome = 'refused'
      open++
      const socket = connect(processes.port, '127.0.0.1')
      socket.once('connect', () => {
        outcome = 'cut'
        socket.write('GET / HTTP/1.1\r\nHost: fixed.localhost\r\n\r\n')
      })
      socket.on('data', (chunk) => {
        if (chunk.toString('latin1').startsWith('HTTP/1.1 200')) outcome = 'served'
        if (/^connection: keep-alive/im.test(chunk.toString('latin1'))) socket.end() // before the end has begun
      })
      socket.on('error', () => {})
      socket.once('close', () => {
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
        if (outcome === 'refused') onRefused()
        if (--open === 0) onAllOver?.()
      })
    }
    const timer = setInterval(() => {
      for (let count = 0; count < VISITORS_EACH_TIME; count++) visit()
    }, EVERY_MS)
    const { relay } = processes
    relay.kill('SIGTERM')
    await refused
    clearInterval(timer)
    if (open > 0) await new Promise<void>((resolve) => (onAllOver = resolve))
    assert.deepEqual(await relay.exited, { code: 0, signal: null })
    return outcomes
  }

  for (const workers of [1, 2]) {
    it(`cuts none of them, with ${workers === 1 ? 'one process' : 'two workers'}`, async () => {
      const edges = [
        { id: 'edg_fixed', hosts: ['fixed.localhost'], backend: { fixed_response: { status: 200, body: 'x' } } },
      ]
      const told: string[] = []
      for (let stop = 1; stop <= STOPS; stop++) {
        await processes.startRelay({ edges, config: { workers } })
        const outcomes = await stopUnderVisitors()
        told.push(JSON.stringify([...outcomes]))
        assert.ok((outcomes.get('served') ?? 0) > 50, told.join(' '))
        if (!outcomes.has('cut')) return
      }
      assert.fail(`each stop cut somebody: ${told.join(' ')}`)
    })
  }
})
