import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { AgentProcesses } from './agent-processes.ts'

const session = (instanceId: string | undefined, tunnelNumbers: number[], authtokenId = 'atk_1') => ({
  authtokenId,
  instanceId,
  tunnelNumbers,
})

describe('AgentProcesses', () => {
  it('counts a tunnel once, on however many connections the agent offers it', () => {
    const processes = new AgentProcesses()
    const [first, second] = [session('one', [1, 2]), session('one', [2, 3])]
    for (const each of [first, second, session('two', [9])]) processes.add(each)
    assert.deepEqual([...processes.tunnelNumbersOf(first)], [1, 2, 3])
    processes.delete(first)
    assert.deepEqual([...processes.tunnelNumbersOf(second)], [2, 3])
    processes.delete(second)
    assert.deepEqual([...processes.tunnelNumbersOf(second)], [])
  })

  it('takes an agent with another authtoken for another one, whatever it calls itself', () => {
    const processes = new AgentProcesses()
    const [mine, theirs] = [session('one', [1]), session('one', [2], 'atk_2')]
    for (const each of [mine, theirs]) processes.add(each)
    assert.deepEqual([...processes.tunnelNumbersOf(mine)], [1])
    processes.delete(theirs)
    assert.deepEqual([...processes.tunnelNumbersOf(mine)], [1])
  })

  it('knows nothing of a session that has not named its agent', () => {
    const processes = new AgentProcesses()
    const silent = session(undefined, [1])
    processes.add(silent)
    assert.equal(processes.tunnelNumbersOf(silent).size, 0)
    processes.delete(silent)
  })
})
