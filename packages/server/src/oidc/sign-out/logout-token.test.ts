import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { addresseesOf } from './logout-token.ts'

describe('addresseesOf', () => {
  const unsigned = (claims: object): string =>
    ['{"alg":"none"}', JSON.stringify(claims), ''].map((part) => Buffer.from(part).toString('base64url')).join('.')

  it('reads issuer and audience of a token', () => {
    const claims = { iss: 'https://login.example.com', aud: 'relay' }
    assert.deepEqual(addresseesOf(unsigned(claims)), { issuer: claims.iss, audience: ['relay'] })
    assert.deepEqual(addresseesOf(unsigned({ ...claims, aud: ['relay', 'other'] }))?.audience, ['relay', 'other'])
  })

  it('S2: ignores overlong issuers: a host of foreign letters costs quadratic time', () => {
    const letters = Array.from({ length: 4000 }, (_, index) => String.fromCodePoint(0x4e00 + index)).join('')
    assert.equal(addresseesOf(unsigned({ iss: `https://${letters}`, aud: 'relay' })), undefined)
    assert.equal(addresseesOf(unsigned({ iss: `https://a/${'b'.repeat(503)}`, aud: 'relay' })), undefined)
  })

  it('is undefined for other texts', () => {
    for (const token of ['', 'a.b.c', '..', unsigned({ aud: 'relay' }), unsigned({ iss: 'https://a' }), unsigned([])]) {
      assert.equal(addresseesOf(token), undefined, token)
    }
  })
})
