import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { compileAllow } from './allow.ts'
import { readClaims } from './claims.ts'

describe('compileAllow', () => {
  it('lets everyone pass without a list', () => assert.ok(compileAllow(undefined)({ groups: {} })))

  it('matches emails and domains whole and without regard to ASCII case', () => {
    const allows = compileAllow({ emails: ['ada@example.com'], domains: ['example.org'] })
    for (const email of ['ada@example.com', 'ADA@Example.COM', 'x@example.org', 'X@EXAMPLE.ORG']) {
      assert.ok(allows({ email, groups: {} }), email)
    }
    for (const email of [
      '',
      'eve@example.com',
      'ada@example.com.evil',
      'x@sub.example.org',
      'x@evilexample.org',
      'x@example.org.evil',
      'example.org',
      '@example.org',
      'x@evil@example.org',
      'x@example.org@evil',
      'x@evil.example\n@example.org',
      'ada@example.\u212aom',
      'x@e\u212axample.org',
    ]) {
      assert.ok(!allows({ email, groups: {} }), JSON.stringify(email))
    }
    assert.ok(!allows({ groups: {} }))
  })

  it('matches groups of the named claim, whole and with regard to case', () => {
    const allows = compileAllow({ groups: { claim: 'roles', any_of: ['staff', 'admin'] } })
    assert.ok(allows({ groups: { roles: ['guest', 'staff'] } }))
    for (const groups of [
      {},
      { roles: [] },
      { roles: [''] },
      { roles: ['Staff'] },
      { groups: ['staff'] },
      { roles: ['staff,admin'] },
    ]) {
      assert.ok(!allows({ groups }), JSON.stringify(groups))
    }
    assert.ok(!compileAllow({ groups: { claim: 'constructor', any_of: ['staff'] } })({ groups: {} }))
  })

  it('never matches empty text, and an empty list matches nobody', () => {
    const allows = compileAllow({ emails: [''], domains: [''], groups: { claim: 'g', any_of: [''] } })
    assert.ok(!allows({ email: '', groups: { g: [''] } }))
    assert.ok(!allows({ email: 'x@', groups: { g: [''] } }))
    assert.ok(!compileAllow({})({ email: 'ada@example.com', groups: {} }))
  })

  it('attack 23: does not take an address that the provider calls unverified', () => {
    const allows = compileAllow({ emails: ['ada@example.com'] })
    const email = 'ada@example.com'
    assert.ok(allows(readClaims({ email }, undefined, [])))
    assert.ok(allows(readClaims({ email, email_verified: true }, undefined, [])))
    assert.ok(allows(readClaims({ email, email_verified: 'true' }, undefined, [])))
    for (const email_verified of [false, 'false', 0, null, '', 'no']) {
      assert.ok(!allows(readClaims({ email, email_verified }, undefined, [])), String(email_verified))
      assert.ok(!allows(readClaims({ email }, { email_verified }, [])), `userinfo ${String(email_verified)}`)
      assert.ok(!allows(readClaims({}, { email, email_verified }, [])), `only userinfo ${String(email_verified)}`)
      // A denial is not outvoted by the other source.
      assert.ok(!allows(readClaims({ email, email_verified: true }, { email, email_verified }, [])))
    }
  })
})

describe('readClaims', () => {
  it('prefers the ID token and fills in from userinfo', () => {
    assert.deepEqual(
      { ...readClaims({ name: 'Ada' }, { name: 'Other', email: 'ada@example.com', groups: 'staff' }, ['groups']) },
      { name: 'Ada', email: 'ada@example.com', groups: Object.assign(Object.create(null), { groups: ['staff'] }) },
    )
  })

  it('looks claims up whole first, then as a path', () => {
    const claims = { 'https://x.example/roles': ['a'], realm_access: { roles: ['b'] }, 'realm_access.roles': ['c'] }
    const { groups } = readClaims(claims, undefined, [
      'https://x.example/roles',
      'realm_access.roles',
      'toString',
      'a.b',
    ])
    assert.deepEqual(
      { ...groups },
      { 'https://x.example/roles': ['a'], 'realm_access.roles': ['c'], toString: [], 'a.b': [] },
    )
    assert.deepEqual(
      readClaims({ realm_access: { roles: ['b'] } }, undefined, ['realm_access.roles']).groups['realm_access.roles'],
      ['b'],
    )
  })

  it('drops what is no text, empty or oversized', () => {
    const { groups } = readClaims({ name: 7, email: '', groups: ['a', '', 5, null, {}, 'x'.repeat(300)] }, undefined, [
      'groups',
    ])
    assert.deepEqual(groups.groups, ['a'])
    const many = readClaims({ g: Array.from({ length: 900 }, (_, i) => `g${i}`) }, undefined, ['g'])
    assert.equal(many.groups.g?.length, 500)
  })
})
