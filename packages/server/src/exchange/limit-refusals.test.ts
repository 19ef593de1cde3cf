import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it, mock } from 'node:test'

import { createLog } from '../log.ts'
import { LimitRefusals } from './limit-refusals.ts'

describe('refusals by a limit', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }))
  afterEach(() => mock.timers.reset())

  it('are one line at once, then one a minute with their number, for each limit (reliability, 6)', () => {
    const lines: Record<string, unknown>[] = []
    const write = (line: string): void => void lines.push(JSON.parse(line) as Record<string, unknown>)
    const refusals = new LimitRefusals(createLog({ level: 'info', format: 'json' }, { write }))
    const told = (): unknown[] => lines.splice(0).map(({ limit, refused, address }) => [limit, refused, address])
    for (let i = 0; i < 1000; i++) refusals.count('visitor_connections', `192.0.2.${i % 10}`)
    refusals.count('agent_sessions')
    assert.deepEqual(told(), [
      ['visitor_connections', 1, '192.0.2.0'],
      ['agent_sessions', 1, undefined],
    ])
    mock.timers.tick(59_000)
    assert.deepEqual(told(), [])
    mock.timers.tick(1000)
    assert.deepEqual(told(), [['visitor_connections', 999, '192.0.2.9']])
    mock.timers.tick(60_000)
    refusals.count('visitor_connections', '192.0.2.7')
    assert.deepEqual(told(), [['visitor_connections', 1, '192.0.2.7']])
    refusals.count('visitor_connections', '192.0.2.8')
    refusals.close()
    assert.deepEqual(told(), [['visitor_connections', 1, '192.0.2.8']])
    assert.deepEqual(
      [...refusals.totals()],
      [
        ['visitor_connections', 1002],
        ['agent_sessions', 1],
      ],
    )
  })
})
