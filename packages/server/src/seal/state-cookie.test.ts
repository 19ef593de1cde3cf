import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'

import { Boxes, type BoxContents } from './boxes.ts'
import { testKeys } from '../oidc/harness.test-support.ts'

const NOW = 1_796_000_000_000
const random = (bytes: number) => randomBytes(bytes).toString('base64url')

describe('state cookie', () => {
  const boxes = new Boxes(testKeys())
  const plain = () => ({ stateHash: random(16), verifier: random(32), nonce: random(32), begun: NOW })
  const contents: Record<string, BoxContents['state cookie']> = {
    'of a short sign-in': plain(),
    'with an age': { ...plain(), maxAgeS: 0 },
    'with a return address': { ...plain(), returnTo: '/x' },
    'with a long one that can be squeezed': { ...plain(), returnTo: `/${'%20x'.repeat(1900)}`, maxAgeS: 3600 },
    'with a long one that cannot': { ...plain(), returnTo: `/${random(2500)}` },
    'of a finished sign-in': { ...plain(), verifier: '', nonce: '', returnTo: `/${random(200)}` },
  }
  for (const [what, content] of Object.entries(contents)) {
    it(`${what} opens to its content`, () => {
      const box = boxes.seal('state cookie', content, NOW + 1)
      assert.deepEqual(boxes.open('state cookie', box, NOW), { ok: true, content })
    })
  }

  it('B8: is so short that those of 32 tabs fit into 8 KiB', () => {
    const name = `__Host-sallyport.0123456789.state.${'x'.repeat(31)}=`
    assert.ok(32 * (name.length + boxes.seal('state cookie', plain(), NOW).length + 2) <= 8192)
  })

  it('B8: has room for a query of 3,700 characters of any kind, and of 7,600 if it repeats itself', () => {
    const size = (content: BoxContents['state cookie']) => 70 + boxes.seal('state cookie', content, NOW).length
    assert.ok(size({ ...plain(), returnTo: `/?q=${random(2775)}` }) <= 4096)
    assert.ok(size(contents['with a long one that can be squeezed']!) < 1000)
  })
})
