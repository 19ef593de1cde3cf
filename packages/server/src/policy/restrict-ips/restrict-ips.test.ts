import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { RelayError } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { Leniency } from '../leniency.ts'
import { restrictIps } from './restrict-ips.ts'
import { NO_SOURCES } from '../sources/no-sources.test-support.ts'

async function outcomeOf(config: { allow?: string[]; deny?: string[]; enforce?: boolean }, clientIp: string) {
  const lines: unknown[] = []
  const leniency = new Leniency({ warn: (fields: unknown) => void lines.push(fields) }, () => 0)
  const action = restrictIps({ enforce: true, ...config }, { edgeId: 'edg_x', leniency, sources: NO_SOURCES })
  let passed = false
  try {
    await action({ clientIp } as Exchange, async () => void (passed = true)) // it reads nothing else
  } catch (error) {
    assert.ok(error instanceof RelayError)
    return error.code
  }
  return { passed, lines }
}

describe('restrict-ips (traffic policy, restrict-ips)', () => {
  it('refuses by address', async () => {
    assert.deepEqual(await outcomeOf({ allow: ['10.0.0.0/8'] }, '10.1.2.3'), { passed: true, lines: [] })
    assert.equal(await outcomeOf({ allow: ['10.0.0.0/8'] }, '192.0.2.1'), 'ip_restricted')
    assert.deepEqual(await outcomeOf({ deny: ['10.0.0.0/8'] }, '192.0.2.1'), { passed: true, lines: [] })
    assert.equal(await outcomeOf({ deny: ['10.0.0.0/8'] }, 'unknown'), 'ip_restricted')
  })

  it('lets everybody pass if it is not enforced, and says who would have been refused', async () => {
    const line = { edgeId: 'edg_x', action: 'restrict-ips', detail: '192.0.2.1', passed: 1 }
    const outcome = await outcomeOf({ allow: ['10.0.0.0/8'], enforce: false }, '192.0.2.1')
    assert.deepEqual(outcome, { passed: true, lines: [line] })
  })
})
