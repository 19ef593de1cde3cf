import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { checkSession } from './session-check.ts'
import { sessionScope } from './session-row.ts'

const KEY = { edge: 'edg_a', auth_id: 'x', issuer: 'https://idp.example', client_id: 'relay' }
const rules = { scope: sessionScope(KEY), idleMs: 100, maxMs: 1000 }
const session = { scope: sessionScope(KEY), created: 0, lastSeen: 500, expires: 1000 }

describe('checkSession', () => {
  it('passes a session in use', () => assert.deepEqual(checkSession(session, rules, 599), { ok: true }))
  it('refuses a missing session', () =>
    assert.deepEqual(checkSession(undefined, rules, 0), { ok: false, reason: 'missing' }))
  it('refuses an idle one', () => assert.deepEqual(checkSession(session, rules, 600), { ok: false, reason: 'idle' }))
  it('refuses an expired one, however busy', () => {
    assert.deepEqual(checkSession({ ...session, lastSeen: 999 }, rules, 1000), { ok: false, reason: 'expired' })
  })
  it('follows the current configuration if that is stricter', () => {
    assert.deepEqual(checkSession(session, { ...rules, maxMs: 400 }, 550), { ok: false, reason: 'expired' })
  })
  for (const other of [
    { edge: 'edg_b' },
    { auth_id: 'y' },
    { issuer: 'https://idp.example/' },
    { client_id: 'relay2' },
  ]) {
    it(`attack 24: refuses a session of another ${Object.keys(other)[0]}`, () => {
      const foreign = { ...session, scope: sessionScope({ ...KEY, ...other }) }
      assert.deepEqual(checkSession(foreign, rules, 550), { ok: false, reason: 'foreign' })
    })
  }
  it('has scopes that cannot be forged by shifting text between the parts', () => {
    assert.notEqual(
      sessionScope({ ...KEY, edge: 'a', auth_id: 'b","c' }),
      sessionScope({ ...KEY, edge: 'a","b', auth_id: 'c' }),
    )
  })
})
