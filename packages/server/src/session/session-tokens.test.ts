import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { Boxes } from '../seal/boxes.ts'
import { testKeys } from '../oidc/harness.test-support.ts'
import { MemoryStore } from '../store/memory-store.test-support.ts'
import { SessionTokens } from './session-tokens.ts'

const NOW = 1_000_000
const TOKENS = {
  accessToken: { value: 'the access token' },
  idToken: 'the ID token',
  refreshToken: 'the refresh token',
}
const LIFE_MS = 60_000

describe('the tokens of a session', () => {
  it('are sealed for that session: a row in another place, or of another relay, is invalid', async () => {
    const store = new MemoryStore()
    const tokens = new SessionTokens(store, new Boxes(testKeys()))
    for (const key of ['ada', 'mallory']) {
      await tokens.keep(
        key,
        { ...TOKENS, idToken: `of ${key}` },
        { expires: NOW + LIFE_MS, expectedRevision: 0, now: NOW },
      )
    }
    assert.deepEqual((await tokens.read('ada', NOW))?.tokens.accessToken, TOKENS.accessToken)
    for (const word of ['access', 'refresh', 'of ada']) assert.ok(!JSON.stringify([...store.rows]).includes(word), word)

    const row = store.rows.get('session_tokens/ada')!
    store.rows.set('session_tokens/mallory', row)
    assert.equal(await tokens.read('mallory', NOW), undefined)
    assert.equal(await tokens.take('mallory', NOW), undefined)
    assert.equal(await new SessionTokens(store, new Boxes(testKeys('another'))).read('ada', NOW), undefined)
    assert.equal(await tokens.read('ada', NOW + LIFE_MS), undefined, 'nor one that is over')
    assert.equal((await tokens.take('ada', NOW))?.idToken, 'of ada')
  })
})
