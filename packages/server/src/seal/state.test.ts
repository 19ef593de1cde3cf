import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { Boxes } from './boxes.ts'
import { testKeys } from '../oidc/harness.test-support.ts'
import { signInName } from './sign-in-name.ts'
import { hasRoomFor, signInId, type State } from './state.ts'

const NOW = 1_796_000_000_000

describe('state', () => {
  const boxes = new Boxes(testKeys())
  const signIn = signInId(NOW, Buffer.from('0123456789abcdef'))
  const name = signInName(`edg_${'e'.repeat(200)}`, 'a'.repeat(64), `https://login.example/${'i'.repeat(2000)}`, 'c')

  for (const host of ['a.b', 'docs.example.com', `${'h'.repeat(50)}.${'i'.repeat(50)}.host`]) {
    for (const length of [0, 1, 50, 90, 107, 108, 200, 2000]) {
      it(`B8: has fewer than 255 characters at ${host.slice(0, 20)} with a return address of ${length}`, () => {
        const returnTo = `/${'r'.repeat(length)}`
        const isShort = hasRoomFor(returnTo, host)
        const content: State = { ...name, host, signIn, again: length === 1, ...(isShort && { returnTo }) }
        const sealed = boxes.seal('state', content, NOW + 1)
        assert.ok(sealed.length < 255, `${sealed.length}`)
        assert.deepEqual(boxes.open('state', sealed, NOW), { ok: true, content })
        assert.deepEqual(boxes.open('state', sealed, NOW + 1), { ok: false, reason: 'expired', content })
      })
    }
  }

  it('B8: has room for common addresses', () => {
    assert.ok(hasRoomFor('/projects/relay/issues?state=open&page=2#comment-12', 'docs.example.com'))
    assert.ok(!hasRoomFor(`/${'r'.repeat(200)}`, 'docs.example.com'))
  })

  it('S1: distinguishes edge, sign-in, issuer and client exactly', () => {
    const names = [
      ['edg_a', 'x', 'https://login.example', 'relay'],
      ['edg_b', 'x', 'https://login.example', 'relay'],
      ['edg_a', 'y', 'https://login.example', 'relay'],
      ['edg_a', 'x', 'https://login.example/', 'relay'],
      ['edg_a', 'x', 'https://login.example', 'Relay'],
      ['edg_a', 'x","https://login.example', '', 'relay'],
    ].map(([edge, authId, issuer, client]) => signInName(edge!, authId!, issuer!, client!)) // four in each line
    assert.equal(new Set(names.map(({ client }) => client)).size, names.length)
    for (const { client } of names) assert.equal(Buffer.from(client, 'base64url').length, 16, '128 bits')
  })
})
