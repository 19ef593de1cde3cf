import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'

import { createLocalJWKSet, jwtVerify, type JWTPayload } from 'jose'

import type { Identity } from '../exchange/identity.ts'
import { createLog } from '../log.ts'
import { IdentityTokens } from './identity-tokens.ts'
import { testKeys } from '../oidc/harness.test-support.ts'
import { MemoryStore } from '../store/memory-store.test-support.ts'

const ISSUER = 'https://relay.example.com'
const ADA: Identity = {
  subject: 'user-1',
  issuer: 'https://login.example.com',
  name: 'Ada Lovelace',
  email: 'ada@example.com',
  groups: ['staff', 'a,b'],
}
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const START = Date.parse('2030-01-01T00:00:00Z')

async function open(t: TestContext, { store = new MemoryStore(), keys = testKeys(), at = START } = {}) {
  const log = createLog({ level: 'silent' })
  const tokens = await IdentityTokens.open({ issuer: ISSUER, store, keys, log, clock: () => at })
  t.after(() => tokens.close())
  return tokens
}

/** As an app does it, with the key set that is published at that time. */
async function verify(tokens: IdentityTokens, token: string, now: number): Promise<JWTPayload> {
  const { payload } = await jwtVerify(token, createLocalJWKSet(tokens.jwks(now)), {
    issuer: ISSUER,
    audience: 'edg_docs',
    algorithms: ['ES256'],
    currentDate: new Date(now),
  })
  return payload
}

const kids = (tokens: IdentityTokens, now: number): string[] => tokens.jwks(now).keys.map(({ kid }) => kid)

describe('the identity JWT', () => {
  it('says who the visitor is, for one edge and five minutes, and verifies with the published key', async (t) => {
    const tokens = await open(t)
    const token = await tokens.sign(ADA, 'edg_docs', START)
    assert.deepEqual(await verify(tokens, token, START), {
      iss: ISSUER,
      aud: 'edg_docs',
      sub: 'user-1',
      idp: 'https://login.example.com',
      email: 'ada@example.com',
      name: 'Ada Lovelace',
      groups: ['staff', 'a,b'],
      iat: START / 1000,
      exp: START / 1000 + 300,
    })
    await verify(tokens, token, START + 5 * MINUTE - 1000)
    await assert.rejects(verify(tokens, token, START + 5 * MINUTE), /exp/)
    await assert.rejects(verify(tokens, await tokens.sign(ADA, 'edg_other', START), START), /aud/)
  })

  it('publishes public halves only', async (t) => {
    const [key] = (await open(t)).jwks(START).keys
    assert.deepEqual(Object.keys(key ?? {}).toSorted(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
    assert.deepEqual([key?.alg, key?.use, key?.crv], ['ES256', 'sig', 'P-256'])
  })

  it('keeps its key over restarts, sealed', async (t) => {
    const store = new MemoryStore()
    const first = await open(t, { store })
    const token = await first.sign(ADA, 'edg_docs', START)
    const second = await open(t, { store, at: START + MINUTE })
    await verify(second, token, START + MINUTE)
    assert.doesNotMatch(JSON.stringify([...store.rows]), /"d"/)
    await assert.rejects(open(t, { store, keys: testKeys('another relay key') }), /another relay key/)
  })

  it('has the same key on two relays that start on one empty store at the same time', async (t) => {
    const store = new MemoryStore()
    const [one, other] = await Promise.all([open(t, { store }), open(t, { store })])
    assert.deepEqual(kids(one, START), kids(other, START))
  })

  it('changes its key every month: published a day before it signs, and kept until no token of it is valid', async (t) => {
    const tokens = await open(t)
    const [old] = kids(tokens, START)
    await tokens.rotate(START + 29 * DAY - 1)
    assert.deepEqual(kids(tokens, START + 29 * DAY - 1), [old], 'not before it is time')

    const announced = START + 29 * DAY
    await tokens.rotate(announced)
    const both = kids(tokens, announced)
    assert.equal(both.length, 2)
    assert.equal(both[0], old)
    const kidOf = (token: string): unknown =>
      (JSON.parse(Buffer.from(token.split('.')[0]!, 'base64url').toString()) as { kid: unknown }).kid
    const change = announced + DAY
    const last = await tokens.sign(ADA, 'edg_docs', change - 1)
    assert.equal(kidOf(last), old, 'the old one signs until every app can know the new one')
    const next = await tokens.sign(ADA, 'edg_docs', change)
    assert.equal(kidOf(next), both[1])

    await tokens.rotate(change)
    await verify(tokens, last, change + 4 * MINUTE)
    await verify(tokens, next, change + 4 * MINUTE)
    assert.deepEqual(kids(tokens, change + HOUR - 1), both)
    assert.deepEqual(kids(tokens, change + HOUR), [both[1]], 'by the clock, not by when somebody looks')
    await tokens.rotate(change + HOUR)
    assert.deepEqual(kids(tokens, change), [both[1]], 'and it is gone from the store')
  })

  it('continues with its key if the relay was off for a year, until the next has been published for a day', async (t) => {
    const store = new MemoryStore()
    const [old] = kids(await open(t, { store }), START)
    const later = START + 365 * DAY
    const tokens = await open(t, { store, at: later })
    const [first, second, ...more] = kids(tokens, later)
    assert.deepEqual([first, more], [old, []])
    await verify(tokens, await tokens.sign(ADA, 'edg_docs', later), later)
    const token = await tokens.sign(ADA, 'edg_docs', later + DAY)
    assert.match(Buffer.from(token.split('.')[0]!, 'base64url').toString(), new RegExp(`"kid":"${second}"`))
  })

  it('continues with its keys while the store is down', async (t) => {
    const store = new MemoryStore()
    const tokens = await open(t, { store })
    store.down = true
    await assert.rejects(tokens.rotate(START + 40 * DAY), { name: 'StoreUnavailable' })
    await verify(tokens, await tokens.sign(ADA, 'edg_docs', START + 40 * DAY), START + 40 * DAY)
    store.down = false
    await tokens.rotate(START + 40 * DAY)
    assert.equal(kids(tokens, START + 40 * DAY).length, 2)
  })
})
