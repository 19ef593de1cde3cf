// The check of an ID token alone; hostile-provider.test.ts tests it in a sign-in.

import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'

import { SignJWT, UnsecuredJWT, createLocalJWKSet, exportJWK, generateKeyPair, type CryptoKey } from 'jose'

import { verifyIdToken, type IdTokenRules } from './id-token.ts'
import { ProviderUnreachable } from './provider-fetch.ts'

const NOW = 1_800_000_000_000
const SECRET = 'a shared secret of at least 32 bytes!'

describe('verifyIdToken', () => {
  let rsa: CryptoKey
  let rules: IdTokenRules
  before(async () => {
    const pair = await generateKeyPair('RS256', { extractable: true })
    rsa = pair.privateKey
    rules = {
      issuer: 'https://idp.example',
      clientId: 'relay',
      nonce: 'n',
      listedAlgorithms: ['RS256', 'HS256', 'none'],
      // Without `alg`: only the rules decide on algorithms.
      keys: createLocalJWKSet({ keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'k' }] }),
      now: NOW,
    }
  })

  const claims = {
    iss: 'https://idp.example',
    aud: 'relay',
    sub: 'u',
    nonce: 'n',
    iat: NOW / 1000,
    exp: NOW / 1000 + 60,
  }
  const sign = (more: Record<string, unknown> = {}, alg = 'RS256', key: CryptoKey | Uint8Array = rsa) =>
    new SignJWT({ ...claims, ...more }).setProtectedHeader({ alg, kid: 'k' }).sign(key)
  const refused = async (token: string, more: Partial<IdTokenRules> = {}) => {
    const verdict = await verifyIdToken(token, { ...rules, ...more })
    assert.deepEqual([verdict.ok, !verdict.ok && verdict.reason], [false, 'refused'])
  }

  it('takes a good token', async () => {
    const verdict = await verifyIdToken(await sign(), rules)
    assert.ok(verdict.ok)
    assert.equal(verdict.claims.sub, 'u')
  })

  for (const [claim, value] of [
    ['iss', 'https://idp.example/'],
    ['iss', undefined],
    ['aud', 'other'],
    ['aud', undefined],
    ['aud', ['relay', 'other']],
    ['aud', ['relay', 7]],
    ['aud', 7],
    ['azp', 'other'],
    ['nonce', 'm'],
    ['nonce', undefined],
    ['sub', ''],
    ['sub', undefined],
    ['sub', 'x'.repeat(256)],
    ['exp', NOW / 1000 - 151],
    ['exp', undefined],
    ['exp', null],
    ['exp', ''],
    ['exp', 'soon'],
    ['exp', String(NOW / 1000 - 151)],
    ['exp', [NOW / 1000 + 60]],
    ['iat', undefined],
    ['nbf', NOW / 1000 + 151],
    ['nbf', String(NOW / 1000 + 151)],
    ['iat', NOW / 1000 + 151],
    ['iat', '1e3'],
    ['iat', null],
  ] as const) {
    it(`attack 21: refuses ${claim} ${JSON.stringify(value)?.slice(0, 30)}`, async () =>
      refused(await sign({ [claim]: value })))
  }

  it('B13: reads null members as absent, and numbers from text', async () => {
    const times = {
      exp: String(NOW / 1000 + 60),
      iat: String(NOW / 1000),
      nbf: null,
      auth_time: String(NOW / 1000 - 5),
    }
    const verdict = await verifyIdToken(await sign({ ...times, azp: null, email: null }), rules)
    assert.ok(verdict.ok)
    assert.equal(verdict.claims['auth_time'], NOW / 1000 - 5)
    assert.ok(!('email' in verdict.claims) && !('azp' in verdict.claims))
  })

  it('reliability 10: a fast clock gets the same sentence as a slow one', async () => {
    const hour = 3600_000
    for (const [now, sentence] of [
      [NOW + hour, 'it expired 3540 s ago; set the clocks of relay and provider'],
      [NOW - hour, 'it was issued 3600 s in the future; set the clocks of relay and provider'],
    ] as const) {
      const verdict = await verifyIdToken(await sign(), { ...rules, now })
      assert.equal(!verdict.ok && verdict.detail, sentence)
    }
    const early = await verifyIdToken(await sign({ nbf: NOW / 1000 + 200 }), rules)
    assert.equal(!early.ok && early.detail, 'it is not valid for another 200 s; set the clocks of relay and provider')
  })

  it('refuses a token whose header calls something critical', async () => {
    const token = await new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: 'k', b64: true, crit: ['b64'] }).sign(rsa) // prettier-ignore
    await refused(token)
  })

  it('attack 21: refuses none, HS256, and algorithms that are not listed', async () => {
    await refused(new UnsecuredJWT(claims).encode())
    await refused(await sign({}, 'HS256', Buffer.from(SECRET)))
    await refused(await sign({}, 'PS256', (await generateKeyPair('PS256')).privateKey))
    await refused(await sign(), { listedAlgorithms: ['ES256'] })
    await refused(await sign(), { listedAlgorithms: [] })
    await refused(await sign(), { sharedSecret: SECRET })
    await refused(await sign(), { sharedSecret: '' })
    await refused('')
    await refused('a.b.c')
  })

  it('takes only RS256 if no algorithm is listed', async () => {
    const { listedAlgorithms: _listed, ...rest } = rules
    assert.ok((await verifyIdToken(await sign(), { ...rest, listedAlgorithms: undefined })).ok)
    const other = await generateKeyPair('ES256', { extractable: true })
    const keys = createLocalJWKSet({ keys: [{ ...(await exportJWK(other.publicKey)), kid: 'k' }] })
    const token = await sign({}, 'ES256', other.privateKey)
    await refused(token, { listedAlgorithms: undefined, keys })
    assert.ok((await verifyIdToken(token, { ...rules, keys, listedAlgorithms: ['ES256'] })).ok)
  })

  it('takes HS256 with the secret if told so', async () => {
    const token = await sign({}, 'HS256', Buffer.from(SECRET))
    assert.ok((await verifyIdToken(token, { ...rules, sharedSecret: SECRET })).ok)
    await refused(token, { sharedSecret: `${SECRET}x` })
  })

  it('distinguishes unavailable keys from wrong tokens', async () => {
    const keys = () => Promise.reject(new ProviderUnreachable('down'))
    const verdict = await verifyIdToken(await sign(), { ...rules, keys })
    assert.deepEqual([verdict.ok, !verdict.ok && verdict.reason], [false, 'keys_unavailable'])
  })
})
