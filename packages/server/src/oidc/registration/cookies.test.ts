import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { readCookie } from '../../exchange/read-cookie.ts'
import { cookieNames, setCookie, setSessionCookie, surplusStateCookies } from './cookies.ts'

describe('cookies of sign-in', () => {
  it('have the __Host- prefix and Secure on https only', () => {
    assert.deepEqual(cookieNames('abc', true), {
      session: '__Host-sallyport.abc.session',
      statePrefix: '__Host-sallyport.abc.state.',
      signOut: '__Host-sallyport.abc.sign-out',
      secure: true,
    })
    assert.equal(cookieNames('abc', false).session, 'sallyport.abc.session')
    assert.equal(setCookie('n', 'v', 60, true), 'n=v; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure')
    assert.equal(setCookie('n', 'v', 60, false), 'n=v; Path=/; Max-Age=60; HttpOnly; SameSite=Lax')
  })

  it('share only the session if configured, as strictly as browsers allow', () => {
    const names = cookieNames('abc', true, 'example.com')
    assert.deepEqual(names, {
      session: '__Secure-sallyport.abc.example.com.session',
      statePrefix: '__Host-sallyport.abc.state.',
      signOut: '__Host-sallyport.abc.sign-out',
      secure: true,
      domain: 'example.com',
    })
    assert.equal(
      setSessionCookie(names, 'x', 60),
      '__Secure-sallyport.abc.example.com.session=x; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure; Domain=example.com',
    )
    assert.doesNotMatch(setSessionCookie(cookieNames('abc', true), 'x', 60), /Domain/)
  })

  const name = 'sallyport.abc.session'
  const found: [header: string | undefined, value: string | undefined][] = [
    [undefined, undefined],
    ['', undefined],
    [`${name}=x`, 'x'],
    [`a=1; ${name}=x; b=2`, 'x'],
    [`a=1;${name}=x`, 'x'],
    [`a=1;\t \t${name}=x`, 'x'],
    [`\t${name}=x`, 'x'],
    [`__Host-${name}=x`, undefined],
    [`x${name}=x; ${name}=y`, 'y'],
    [`${name}2=x`, undefined],
    [`a=${name}; b=1`, undefined],
    [`${name}=`, ''],
    [name, undefined],
  ]
  for (const [header, value] of found) {
    it(`are read from ${JSON.stringify(header)}`, () => assert.equal(readCookie(header, name), value))
  }

  for (const [what, header] of [
    ['behind a space in another one’s value', `x=y ${name}=planted`],
    ['behind a tab there', `x=y\t${name}=planted`],
    ['behind a comma', `x=y,${name}=planted`],
    ['behind a comma and a space', `x=y, ${name}=planted`],
    ['behind quotes', `x="${name}=planted"`],
    ['behind =', `=${name}=planted`],
    ['behind no-break space', `x=y;\u00a0${name}=planted`],
    ['with white space in front of =', `${name} =planted`],
    ['twice', `${name}=planted; ${name}=own`],
    ['twice with the same value', `${name}=own; ${name}=own`],
    ['twice, empty', `${name}=own; ${name}=`],
    ['twice, far apart', `${name}=planted; ${'a=b; '.repeat(1000)}${name}=own`],
  ] as const) {
    it(`S5: are not read ${what}`, () => assert.equal(readCookie(header, name), undefined))
  }

  it('S5: are read beside cookies that only look like them', () => {
    assert.equal(readCookie(`x=y ${name}=planted; ${name}=own; z=${name}=planted`, name), 'own')
  })

  it('of state are at most 32 on a host, and the oldest go first, whichever sign-in they belong to', () => {
    const cookies = Array.from(
      { length: 34 },
      (_, i) => `sallyport.a${i % 2}.state.0000000${(i + 36).toString(36)}rand=v`,
    )
    const surplus = surplusStateCookies(['other=1', ...cookies.toReversed()].join('; '), 500)
    assert.deepEqual(
      surplus.toSorted(),
      [
        'sallyport.a0.state.000000010rand',
        'sallyport.a0.state.000000012rand',
        'sallyport.a1.state.000000011rand',
      ].toSorted(),
    )
  })

  it('of state take at most 8 KiB on a host', () => {
    const cookies = Array.from({ length: 3 }, (_, i) => `sallyport.a.state.00000000${i}=${'v'.repeat(2500)}`)
    assert.deepEqual(surplusStateCookies(cookies.join('; '), 2600), ['sallyport.a.state.000000000'])
  })
})
