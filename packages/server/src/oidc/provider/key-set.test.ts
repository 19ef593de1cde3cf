import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'

import { SignJWT, exportJWK, flattenedVerify, generateKeyPair } from 'jose'

import { TokenIssuer } from '../../../../../test/support/identity-provider/token-issuer.ts'
import { createLog } from '../../log.ts'
import { KeySet, discoverKeys } from './key-set.ts'
import { providerFetch, type ProviderFetch } from './provider-fetch.ts'

// If a key is found by its name, the token is not read.
const NO_TOKEN = { payload: '', signature: '' }
const SILENT = createLog({ level: 'silent' })
const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

describe('the keys of an issuer', () => {
  let fetch: ProviderFetch
  let issuer: TokenIssuer
  let now = 0

  before(async () => {
    issuer = await TokenIssuer.start()
    fetch = providerFetch(5000, issuer.url)
  })
  after(() => issuer.close())
  beforeEach(() => {
    issuer.isDown = false
    issuer.asked.length = 0
    now = 1_000_000
  })

  const open = (locate = async (): Promise<string> => `${issuer.url}/jwks`): KeySet =>
    new KeySet({ locate, fetch, clock: () => now, log: createLog({ level: 'silent' }) })
  const find = (keys: KeySet, kid: string) => keys.find({ alg: 'ES256', kid }, NO_TOKEN)

  it('are fetched when first needed, once for simultaneous requests, and kept for ten minutes', async () => {
    const keys = open()
    assert.deepEqual(issuer.asked, [])
    await Promise.all([find(keys, 'first'), find(keys, 'first'), find(keys, 'first')])
    now += 10 * MINUTE - 1
    await find(keys, 'first')
    assert.deepEqual(issuer.asked, ['/jwks'])
    now += 1
    await find(keys, 'first')
    assert.deepEqual(issuer.asked, ['/jwks', '/jwks'])
  })

  it('are fetched again for an unknown key id, twice a minute at most', async () => {
    const keys = open()
    await find(keys, 'first')
    const flood = () => Promise.allSettled(Array.from({ length: 50 }, (_, index) => find(keys, `made up ${index}`)))
    for (const [elapsed, asked] of [
      [0, 1],
      [30 * SECOND - 1, 1],
      [1, 2],
      [30 * SECOND - 1, 2],
      [1, 3],
    ] as const) {
      now += elapsed
      const answers = await flood()
      assert.ok(answers.every(({ status }) => status === 'rejected'))
      assert.equal(issuer.asked.length, asked)
    }
  })

  it('include a new key half a minute after the last fetch, and lose an old one with its set', async () => {
    const keys = open()
    await find(keys, 'first')
    await issuer.addKey('next', 'ES256')
    await assert.rejects(find(keys, 'next'), { code: 'ERR_JWKS_NO_MATCHING_KEY' })
    now += 30 * SECOND
    await find(keys, 'next')
    issuer.removeKey('next')
    await find(keys, 'next')
    now += 10 * MINUTE
    await assert.rejects(find(keys, 'next'), { code: 'ERR_JWKS_NO_MATCHING_KEY' })
    await find(keys, 'first')
  })

  it('B13: without a kid, or with the same, are tried by signature, and fetched again if none fits', async () => {
    const pairs = await Promise.all([1, 2, 3].map(() => generateKeyPair('ES256', { extractable: true })))
    const published = (index: number, more: object) =>
      exportJWK(pairs[index]!.publicKey).then((jwk) => ({ ...jwk, ...more }))
    const signed = async (index: number, header: object = {}) => {
      const token = await new SignJWT({}).setProtectedHeader({ alg: 'ES256', ...header }).sign(pairs[index]!.privateKey)
      const [encoded = '', payload = '', signature = ''] = token.split('.')
      return { header: { alg: 'ES256', ...header }, token: { protected: encoded, payload, signature } }
    }
    let asked = 0
    let set: object[] = []
    const answer: ProviderFetch = async () => {
      asked += 1
      return new Response(JSON.stringify({ keys: set }))
    }
    const init = {
      locate: async () => 'https://issuer.example/jwks',
      clock: () => now,
      log: createLog({ level: 'silent' }),
    }
    const verifies = async (keys: KeySet, index: number, header?: object) => {
      const { header: full, token } = await signed(index, header)
      await flattenedVerify(token, await keys.find(full, token))
    }
    for (const [what, more] of [
      ['no kid', {}],
      ['members that are null', { kid: null, alg: null, use: null, key_ops: null, x5c: null }],
      ['the same kid', { kid: 'one' }],
    ] as const) {
      set = [await published(0, more), await published(1, more)]
      const keys = new KeySet({ ...init, fetch: answer })
      asked = 0
      for (const header of [{}, { kid: 'one' }]) {
        await verifies(keys, 0, header)
        await verifies(keys, 1, header)
      }
      assert.equal(asked, 1, what)
      // A key that is not published yet: with or without a name, it is looked for once in half a minute.
      now += 30 * SECOND
      for (let i = 0; i < 5; i++) await assert.rejects(verifies(keys, 2), { code: 'ERR_JWKS_NO_MATCHING_KEY' }, what)
      assert.equal(asked, 2, what)
      set = [await published(2, more)]
      now += 30 * SECOND
      await verifies(keys, 2)
      assert.equal(asked, 3, what)
    }
  })

  it('B13: a token that names a key is never tried with a key of another name', async () => {
    const keys = open()
    await assert.rejects(find(keys, 'made up'), { code: 'ERR_JWKS_NO_MATCHING_KEY' })
  })

  it('are believed for a day while the issuer is down, and asked for seldom', async () => {
    const keys = open()
    await find(keys, 'first')
    issuer.isDown = true
    now += HOUR
    await Promise.all(Array.from({ length: 20 }, () => find(keys, 'first')))
    await find(keys, 'first')
    assert.equal(issuer.asked.length, 2)
    now += 23 * HOUR - 1
    await find(keys, 'first')
    now += 1
    await assert.rejects(find(keys, 'first'), { name: 'ProviderUnreachable', message: /HTTP 503/ })
    issuer.isDown = false
    now += 30 * SECOND
    await find(keys, 'first')
  })

  it('H: that cannot be fetched are asked for after growing pauses of up to half a minute', async () => {
    const keys = open()
    issuer.isDown = true
    const flood = () => Promise.allSettled(Array.from({ length: 20 }, () => find(keys, 'first')))
    await flood()
    for (const [index, pause] of [1, 2, 4, 8, 16, 30, 30].entries()) {
      now += pause * SECOND - 1
      await flood()
      assert.equal(issuer.asked.length, index + 1, `before ${pause} s`)
      now += 1
      await flood()
      assert.equal(issuer.asked.length, index + 2, `after ${pause} s`)
    }
    const asked = issuer.asked.length
    issuer.isDown = false
    now += 30 * SECOND
    await find(keys, 'first')
    issuer.isDown = true
    now += 10 * MINUTE
    await find(keys, 'first')
    now += SECOND
    await find(keys, 'first')
    assert.equal(issuer.asked.length, asked + 3, 'the pauses begin anew')
  })

  it('H: are believed for no longer than ten minutes if the caller wants that', async () => {
    const keys = new KeySet({
      locate: async () => `${issuer.url}/jwks`,
      fetch,
      clock: () => now,
      log: createLog({ level: 'silent' }),
      staleMs: 0,
    })
    await find(keys, 'first')
    issuer.isDown = true
    now += 10 * MINUTE - 1
    await find(keys, 'first')
    now += 1
    await assert.rejects(find(keys, 'first'), { name: 'ProviderUnreachable', message: /HTTP 503/ })
  })

  it('are found by the discovery document, which must name the issuer and an https address', async () => {
    await find(
      open(() => discoverKeys(issuer.url, fetch, SILENT)),
      'first',
    )
    assert.deepEqual(issuer.asked, ['/.well-known/openid-configuration', '/jwks'])
    for (const [metadata, reason] of [
      [{ issuer: `${issuer.url}/` }, /calls itself/],
      [{ issuer: undefined }, /has no name/],
      [{ jwks_uri: undefined }, /jwks_uri/],
      [{ jwks_uri: 'file:///etc/passwd' }, /not an https URL/],
      [{ jwks_uri: 'https://user:password@keys.example' }, /not an https URL/],
    ] as const) {
      issuer.metadata = metadata
      await assert.rejects(discoverKeys(issuer.url, fetch, SILENT), reason)
    }
    issuer.metadata = {}
    // An issuer elsewhere must not make the relay ask addresses that only the relay can reach.
    const elsewhere = 'https://login.example.com'
    const answer = async () => Response.json({ issuer: elsewhere, jwks_uri: 'http://127.0.0.1:4041/metrics' })
    await assert.rejects(discoverKeys(elsewhere, answer, SILENT), /not an https URL/)
  })

  it('are refused if they are no key set', async () => {
    for (const set of ['null', '[]', '{"keys":{}}', '{"keys":[1]}', '<html>']) {
      const keys = new KeySet({
        locate: async () => 'https://login.example.com/jwks',
        fetch: async () => new Response(set),
        clock: () => now,
        log: createLog({ level: 'silent' }),
      })
      await assert.rejects(find(keys, 'first'), { name: 'ProviderUnreachable' })
    }
  })
})
