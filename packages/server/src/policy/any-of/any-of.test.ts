import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { RelayError } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { Action } from '../../exchange/action.ts'
import { anyOf } from './any-of.ts'
import { bearerError } from '../credentials.ts'

const exchange = {} as Exchange // none of these actions looks at it
const passes: Action = (_, next) => next()
const refuses =
  (error: Error): Action =>
  async () => {
    throw error
  }

const missing = bearerError('edg_a')
const wrong = bearerError('edg_a', { error: 'invalid_token', detail: 'why' })
const insufficient = bearerError('edg_a', { error: 'insufficient_scope', detail: 'why' })
const signIn = new RelayError('sign_in_required', { headers: { 'www-authenticate': 'Cookie realm="edg_a"' } })

async function run(...actions: Action[]): Promise<number> {
  let passed = 0
  await anyOf(actions)(exchange, async () => void passed++)
  return passed
}

describe('any-of', () => {
  it('passes once if any of its actions does', async () => {
    assert.equal(await run(passes, passes), 1)
    assert.equal(await run(refuses(wrong), refuses(missing), passes), 1)
  })

  it('does not try other actions after a failure behind it', async () => {
    let passed = 0
    const failing = anyOf([passes, passes])(exchange, async () => {
      passed += 1
      throw new RelayError('app_down')
    })
    await assert.rejects(failing, { code: 'app_down' })
    assert.equal(passed, 1)
    await assert.rejects(run(refuses(new TypeError('a fault of ours')), passes), TypeError)
  })

  it('gives the answer that fits the request best, with the challenges of all, each once', async () => {
    for (const [actions, code, challenge] of [
      [[missing, signIn], 'sign_in_required', 'Bearer realm="edg_a", Cookie realm="edg_a"'],
      [[missing, missing], 'credentials_required', 'Bearer realm="edg_a"'],
      [[wrong, signIn], 'credentials_refused', 'Bearer realm="edg_a", error="invalid_token", Cookie realm="edg_a"'],
      [[missing, insufficient, signIn], 'credentials_insufficient', /error="insufficient_scope"$/],
      [[new RelayError('ip_restricted'), missing], 'credentials_required', 'Bearer realm="edg_a"'],
      [[new RelayError('too_many_requests'), wrong, signIn], 'too_many_requests', undefined],
      [[new RelayError('provider_unreachable'), missing], 'provider_unreachable', undefined],
    ] as const) {
      await assert.rejects(run(...actions.map(refuses)), (error: unknown) => {
        assert.ok(error instanceof RelayError)
        assert.equal(error.code, code)
        const said = error.headers?.['www-authenticate']
        if (challenge instanceof RegExp) assert.match(said ?? '', challenge)
        else assert.equal(said, challenge)
        return true
      })
    }
  })
})
