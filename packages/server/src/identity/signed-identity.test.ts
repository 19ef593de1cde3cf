import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { SignedIdentity } from './signed-identity.ts'

const ADA = { subject: 'ada', issuer: 'https://login.example.com', groups: [] }

describe('the signed form of an identity', () => {
  it('is made once for simultaneous requests, and anew after a minute', async () => {
    let made = 0
    const identity = new SignedIdentity(ADA, async (_, now) => `${++made}, at ${now}`)
    const first = await Promise.all([identity.at(0), identity.at(1), identity.at(2)])
    assert.deepEqual(new Set(first.map(({ jwt }) => jwt)), new Set(['1, at 0']))
    assert.equal((identity.at(59_999) as typeof ADA & { jwt: string }).jwt, '1, at 0', 'without a promise')
    assert.equal((await identity.at(60_000)).jwt, '2, at 60000')
  })

  it('is tried again after a failure', async () => {
    let isBroken = true
    const identity = new SignedIdentity(ADA, async () => {
      if (isBroken) throw new Error('no key')
      return 'signed'
    })
    await assert.rejects(async () => identity.at(0), /no key/)
    isBroken = false
    assert.equal((await identity.at(0)).jwt, 'signed')
  })

  it('is the identity alone if the app gets no token', () => {
    assert.deepEqual(new SignedIdentity(ADA, undefined).at(0), ADA)
  })
})
