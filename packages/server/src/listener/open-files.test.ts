import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { openFilesLimit, shareFiles } from './open-files.ts'

const LIMITS = { visitor_connections: 20_000, agent_sessions: 20_000 }

describe('open files', () => {
  it('are known', () => {
    const limit = openFilesLimit()
    assert.ok(limit === undefined || limit > 20, String(limit))
  })

  it('wrong 3: leave every limit unchanged if they are enough', () => {
    for (const limit of [undefined, 1_048_576]) {
      const share = shareFiles(limit, LIMITS)
      assert.deepEqual(share, { connections: 40_000, visitors: 20_000, agents: 20_000, spare: 256 })
    }
  })

  for (const limit of [64, 300, 1024, 4096, 20_000, 40_000]) {
    it(`wrong 3: ${limit} of them keep a reserve, and a share for each`, () => {
      const { connections, visitors, agents, spare } = shareFiles(limit, LIMITS)
      assert.ok(connections + 2 * spare + Math.min(256, limit / 4) <= limit + 1, 'all of it together')
      assert.ok(connections > limit / 3, 'most of them are for connections')
      for (const [one, other] of [
        [visitors, agents],
        [agents, visitors],
      ] as const) {
        assert.ok(connections - one >= Math.floor(connections / 4), 'the other is left a quarter')
        assert.ok(one <= 20_000 && other > 0)
      }
    })
  }

  it('leave to visitors the share that few agents cannot use', () => {
    const share = shareFiles(1024, { visitor_connections: 20_000, agent_sessions: 10 })
    assert.equal(share.visitors, share.connections - 10)
    assert.equal(share.agents, 10)
  })
})
