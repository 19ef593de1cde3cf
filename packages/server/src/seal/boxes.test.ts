import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { Boxes, type BoxContents, type BoxKind } from './boxes.ts'
import { testKeys } from '../oidc/harness.test-support.ts'
import { signInName } from './sign-in-name.ts'
import { signInId } from './state.ts'

const CONTENTS: BoxContents = {
  state: {
    ...signInName('edg_a', 'x', 'https://login.example', 'relay'),
    host: 'a',
    signIn: signInId(1, Buffer.alloc(16)),
    again: false,
  },
  'state cookie': { stateHash: 'A'.repeat(22), verifier: 'A'.repeat(43), nonce: 'A'.repeat(43), begun: 1 },
  'hand-over': { state: 'x' },
  'sign-out': { scope: 'x' },
  'sign-out state': { origin: 'https://a' },
  'session tokens': { session: 'x' },
}
const KINDS = Object.keys(CONTENTS) as BoxKind[] // it has all of them, and no others

describe('Boxes', () => {
  const boxes = new Boxes(testKeys())

  it('open to their content, until they expire', () => {
    const box = boxes.seal('session tokens', { session: 's', idToken: 'x' }, 1000)
    assert.deepEqual(boxes.open('session tokens', box, 999), { ok: true, content: { session: 's', idToken: 'x' } })
    assert.deepEqual(boxes.open('session tokens', box, 1000), {
      ok: false,
      reason: 'expired',
      content: { session: 's', idToken: 'x' },
    })
  })

  for (const sealed of KINDS) {
    it(`attack 27: a box of the kind "${sealed}" is refused as every other kind`, () => {
      const box = boxes.seal(sealed, CONTENTS[sealed], 1000)
      for (const kind of KINDS) assert.equal(boxes.open(kind, box, 0).ok, kind === sealed, kind)
    })
  }

  it('do not open for another relay, nor after any change', () => {
    const box = boxes.seal('sign-out', { scope: 's', idToken: 'x' }, 1000)
    assert.deepEqual(new Boxes(testKeys('other')).open('sign-out', box, 0), { ok: false, reason: 'forged' })
    for (const wrong of [
      '',
      'x',
      'a.b.c',
      box.slice(1),
      box.slice(0, -4),
      `${box.slice(0, 20)}AAAA${box.slice(24)}`,
      box.repeat(2),
    ]) {
      assert.deepEqual(boxes.open('sign-out', wrong, 0), { ok: false, reason: 'forged' }, wrong)
    }
  })

  it('fit into cookies and URLs unchanged', () => {
    assert.match(boxes.seal('sign-out', { scope: 's', idToken: 'ü☃"' }, 1), /^[A-Za-z0-9_.~-]+$/)
  })
})
