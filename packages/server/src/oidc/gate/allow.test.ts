import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { compileAllow, countingEmail, type AllowRules, type Person } from './allow.ts'
import type { ClaimName } from '../../values/claim-name.ts'
import { readClaims } from '../provider/claims.ts'

type Rules = Omit<AllowRules, 'email_verified'>

function allowing(rules: Rules, email_verified: AllowRules['email_verified'] = 'required') {
  const verdict = compileAllow({ ...rules, email_verified })
  return (person: Person) => verdict(person).ok
}

/** Claims by their names alone, as most are read. */
function read(idToken: Record<string, unknown>, userInfo: Record<string, unknown> | undefined, names: ClaimName[]) {
  const { incomplete, ...claims } = readClaims(
    idToken,
    userInfo,
    names.map((claim) => ({ claim })),
  )
  return { ...claims, incomplete: [...incomplete.keys()] }
}

/** As a session has it after readClaims. */
function personOf(...[idToken, userInfo, claims = []]: Parameters<typeof read> | [Record<string, unknown>]): Person {
  const { email, emailVerified, groups } = read(idToken, userInfo, claims)
  return { email, email_verified: emailVerified, groups }
}

const verified = (email: string): Person => ({ email, email_verified: true, groups: {} })

describe('compileAllow', () => {
  it('lets everyone pass without a list', () => assert.ok(allowing({})({ groups: {} })))

  it('matches emails and domains whole, ignoring ASCII case', () => {
    const allows = allowing({ allow: { emails: ['ada@example.com'], domains: ['example.org'] } })
    for (const email of ['ada@example.com', 'ADA@Example.COM', 'x@example.org', 'X@EXAMPLE.ORG']) {
      assert.ok(allows(verified(email)), email)
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
      assert.ok(!allows(verified(email)), JSON.stringify(email))
    }
    assert.ok(!allows({ groups: {} }))
  })

  it('matches groups of the named claim, whole and case-sensitively', () => {
    const allows = allowing({ allow: { groups: { claim: 'roles', any_of: ['staff', 'admin'] } } })
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
    assert.ok(!allowing({ allow: { groups: { claim: 'constructor', any_of: ['staff'] } } })({ groups: {} }))
  })

  it('matches any claim: by its whole name, along a path, and whether it is a list, a text, a number or a flag', () => {
    const raw = {
      'https://example.com/roles': ['admin'],
      realm_access: { roles: ['docs'] },
      resource_access: { 'my.app': { roles: ['writer'] } },
      department: 'engineering',
      level: 3,
      employee: true,
      nested: { list: [{ name: 'docs' }] },
    }
    const passes = (claim: string | string[], value: string) =>
      allowing({ allow: { claims: [{ claim, any_of: [value] }] } })(personOf(raw, undefined, [claim]))
    assert.ok(passes('https://example.com/roles', 'admin'))
    assert.ok(passes('realm_access.roles', 'docs'))
    assert.ok(passes(['realm_access', 'roles'], 'docs'))
    assert.ok(passes(['resource_access', 'my.app', 'roles'], 'writer'))
    assert.ok(passes('department', 'engineering'))
    assert.ok(passes('level', '3'))
    assert.ok(passes('employee', 'true'))
    assert.ok(!passes('resource_access.my.app.roles', 'writer'), 'the dot inside a name is no step')
    assert.ok(!passes(['realm_access.roles'], 'docs'), 'a list is taken as it stands')
    assert.ok(!passes('realm_access', 'docs'))
    assert.ok(!passes('nested.list', '[object Object]'))
    assert.ok(!passes('nested.list.0.name', 'docs'))
    assert.ok(!passes('department.length', '11'))
    assert.ok(!passes('__proto__', 'docs'))
  })

  it('one match is enough, over all kinds of lists', () => {
    const allows = allowing({
      allow: { emails: ['ada@example.com'], claims: [{ claim: 'level', any_of: ['3'] }] },
    })
    assert.ok(allows(verified('ada@example.com')))
    assert.ok(allows({ groups: { level: ['3'] } }))
    assert.ok(!allows({ groups: { level: ['2'] } }))
  })

  it('denies before it allows', () => {
    const rules: Rules = {
      allow: { domains: ['example.com'] },
      deny: { emails: ['eve@example.com'], groups: { claim: 'groups', any_of: ['leaving'] } },
    }
    const verdict = compileAllow({ ...rules, email_verified: 'required' })
    assert.deepEqual(verdict(verified('ada@example.com')), { ok: true })
    assert.deepEqual(verdict(verified('EVE@example.com')), { ok: false, reason: 'denied' })
    assert.deepEqual(verdict({ ...verified('ada@example.com'), groups: { groups: ['leaving'] } }), {
      ok: false,
      reason: 'denied',
    })
    assert.deepEqual(verdict(verified('x@example.org')), { ok: false, reason: 'not_listed' })
    assert.ok(
      allowing({ deny: { domains: ['example.org'] } })(verified('ada@example.com')),
      'deny alone lets others pass',
    )
  })

  it('denies a domain in any spelling of the address', () => {
    const allows = allowing({ deny: { domains: ['example.org'] } })
    for (const email of ['x@example.org', 'X@EXAMPLE.ORG', '"a@b"@example.org', 'x@example.org.', 'x@y@example.org ']) {
      assert.ok(!allows(verified(email)), email)
    }
    for (const email of ['x@example.com', 'x@sub.example.org', 'example.org@example.com']) {
      assert.ok(allows(verified(email)), email)
    }
  })

  it('also denies an unverified address: nobody evades a denial by not confirming it', () => {
    const allows = allowing({ deny: { emails: ['eve@example.com'] } })
    for (const email_verified of [true, false, undefined]) {
      assert.ok(!allows({ email: 'eve@example.com', email_verified, groups: {} }))
    }
  })

  it('never matches empty text, and an empty list matches nobody', () => {
    const nobody = {
      emails: [''],
      domains: [''],
      groups: { claim: 'g', any_of: [''] },
      claims: [{ claim: 'c', any_of: [''] }],
    }
    const allows = allowing({ allow: nobody })
    assert.ok(!allows({ ...verified(''), groups: { g: [''], c: [''] } }))
    assert.ok(!allows({ ...verified('x@'), groups: { g: [''], c: [''] } }))
    assert.ok(!allowing({ allow: {} })(verified('ada@example.com')))
    assert.ok(!allowing({ allow: { emails: [], domains: [], claims: [] } })(verified('ada@example.com')))
    assert.ok(!allows(personOf({ email: '', g: '', c: [] }, undefined, ['g', 'c'])))
  })

  it('attack 23: takes an address only if the provider says that it is verified', () => {
    const allows = allowing({ allow: { emails: ['ada@example.com'] } })
    const lax = allowing({ allow: { emails: ['ada@example.com'] } }, 'if_present')
    const email = 'ada@example.com'
    for (const email_verified of [true, 'true']) {
      assert.ok(allows(personOf({ email, email_verified })))
      assert.ok(allows(personOf({ email }, { email, email_verified }, [])), 'userinfo speaks of the same address')
      assert.ok(!allows(personOf({ email }, { email: 'eve@example.com', email_verified }, [])), 'of another one')
      assert.ok(!allows(personOf({ email }, { email_verified }, [])), 'of none')
    }
    assert.ok(!allows(personOf({ email })), 'silence is no yes')
    assert.ok(lax(personOf({ email })), 'unless the route says so')
    for (const email_verified of [false, 'false', 0, 1, '', 'no', 'True', ['true']]) {
      for (const judge of [allows, lax]) {
        const what = JSON.stringify(email_verified)
        assert.ok(!judge(personOf({ email, email_verified })), what)
        assert.ok(!judge(personOf({ email }, { email_verified }, [])), `userinfo ${what}`)
        assert.ok(!judge(personOf({}, { email, email_verified }, [])), `only userinfo ${what}`)
        // A denial is not outvoted by the other source.
        assert.ok(!judge(personOf({ email, email_verified: true }, { email, email_verified }, [])))
      }
    }
    // B13: null is silence, no yes and no denial.
    assert.ok(!allows(personOf({ email, email_verified: null })))
    assert.ok(!allows(personOf({ email: null, email_verified: true })))
    assert.ok(!allows(personOf({ email }, { email: null, email_verified: true }, [])), 'userinfo speaks of none')
    assert.ok(lax(personOf({ email, email_verified: null })))
    assert.ok(allows(personOf({ email, email_verified: true }, { email, email_verified: null }, [])))
    assert.equal(countingEmail({ email, email_verified: false }, 'if_present'), undefined)
    assert.equal(countingEmail({ email }, 'required'), undefined)
  })
})

describe('readClaims', () => {
  it('prefers the ID token and fills in from userinfo', () => {
    assert.deepEqual(
      { ...read({ name: 'Ada' }, { name: 'Other', email: 'ada@example.com', groups: 'staff' }, ['groups']) },
      {
        name: 'Ada',
        email: 'ada@example.com',
        groups: Object.assign(Object.create(null), { groups: ['staff'] }),
        incomplete: [],
      },
    )
  })

  it('looks claims up whole first, then as a path', () => {
    const claims = { 'https://x.example/roles': ['a'], realm_access: { roles: ['b'] }, 'realm_access.roles': ['c'] }
    const { groups } = read(claims, undefined, ['https://x.example/roles', 'realm_access.roles', 'toString', 'a.b'])
    assert.deepEqual(
      { ...groups },
      { 'https://x.example/roles': ['a'], 'realm_access.roles': ['c'], toString: [], 'a.b': [] },
    )
    assert.deepEqual(
      read({ realm_access: { roles: ['b'] } }, undefined, ['realm_access.roles']).groups['realm_access.roles'],
      ['b'],
    )
  })

  it('drops values that are malformed, empty or oversized', () => {
    const { groups } = read({ name: 7, email: '', groups: ['a', '', 5, null, {}, 'x'.repeat(300)] }, undefined, [
      'groups',
    ])
    assert.deepEqual(groups.groups, ['a', '5'])
    const many = read({ g: Array.from({ length: 900 }, (_, i) => `g${i}`) }, undefined, ['g'])
    assert.equal(many.groups.g?.length, 500)
    assert.deepEqual(many.incomplete, ['g'])
  })

  it('notices a claim with a malformed value', () => {
    const claims = { groups: [{ name: 'staff' }], roles: { staff: 'yes' }, none: null, some: ['a', null] }
    const { groups, incomplete } = read(claims, undefined, ['groups', 'roles', 'none', 'some', 'absent'])
    assert.deepEqual(incomplete, ['groups', 'roles'])
    assert.deepEqual(groups.some, ['a'])
  })

  it('notices a claim that the provider has elsewhere', () => {
    const { groups, incomplete } = read({ _claim_names: { groups: 'src1' } }, undefined, ['groups', 'roles'])
    assert.deepEqual([groups.groups, incomplete], [[], ['groups']])
    assert.deepEqual(read({ _claim_names: { groups: 'src1' } }, { groups: ['a'] }, ['groups']).incomplete, [])
  })
})
