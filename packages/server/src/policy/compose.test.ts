import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import type { Action } from '../exchange/action.ts'
import type { Exchange } from '../exchange/exchange.ts'
import { compose } from './compose.ts'

const EXCHANGE = {} as Exchange // the actions here do not look at it

describe('the actions of a route (traffic policy, bad input)', () => {
  it('may be thousands, in one rule or in many, and forward once', async () => {
    let ran = 0
    const action: Action = async (_, next) => {
      ran++
      await next()
    }
    for (const [rules, each] of [
      [1, 10_000],
      [1000, 10],
    ] as const) {
      ran = 0
      let forwarded = 0
      const rule = { holds: undefined, actions: Array.from({ length: each }, () => action) }
      const skipped = { holds: () => false, actions: [action] }
      const policy = compose(Array.from({ length: rules }, () => [rule, skipped]).flat())
      await policy(EXCHANGE, async () => void forwarded++)
      assert.deepEqual([ran, forwarded], [10_000, 1])
    }
  })

  it('end with the refusal of one, however many are in front of it', async () => {
    const pass: Action = (_, next) => next()
    const refuse: Action = () => Promise.reject(new Error('refused'))
    const policy = compose([{ holds: undefined, actions: [...Array.from({ length: 5000 }, () => pass), refuse, pass] }])
    await assert.rejects(
      policy(EXCHANGE, () => assert.fail('it is forwarded')),
      /^Error: refused$/,
    )
  })
})
