import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { returnTo } from './return-to.ts'

const ORIGIN = 'https://docs.example.com'

describe('returnTo', () => {
  const kept: [wanted: string, becomes?: string][] = [
    ['/'],
    ['/guide?page=2'],
    ['/guide?next=https://other.example/&x=//y#part'],
    ['/@scope%2fname'],
    ['/a%20b'],
    ['/a:b@c'],
    ['/search?q=%0d%0a'],
    ['/café', '/caf%C3%A9'],
    ['/a/../b', '/b'],
    ['/https:evil'],
    ['/.sallyportal'],
    [`/search?q=${'x'.repeat(7980)}`],
  ]
  for (const [wanted, becomes = wanted] of kept) {
    it(`keeps ${wanted.slice(0, 40)}`, () => assert.equal(returnTo(wanted, ORIGIN), becomes))
  }

  const evil = [
    '',
    'guide',
    '//evil',
    '//evil.example/x',
    '///evil',
    '/\\evil',
    '\\/evil',
    '\\\\evil',
    '/\t/evil',
    '/%09/evil',
    '/%0a/evil',
    '/%2fevil',
    '/%2Fevil',
    '/%252fevil',
    '/%25252fevil',
    '/%5cevil',
    '/%255cevil',
    '/a\\..\\b',
    '/a/..//evil',
    '/.//evil',
    '/%2e%2e//evil',
    '/./%2fevil',
    ' //evil',
    '\t//evil',
    '/\n/evil',
    '/\r\nSet-Cookie: a=b',
    '/%00',
    'https:evil',
    'https://evil.example/',
    'https://docs.example.com@evil.example/',
    'http:///evil',
    'javascript:alert(1)',
    '/%zz',
    '@evil',
    '?x',
    '#x',
    '/.sallyport/logout',
    '/.sallyport',
    '/x/../.sallyport/login',
    `/${'a'.repeat(8000)}`,
    `/${'é'.repeat(1400)}`,
  ]
  for (const wanted of evil) {
    it(`attack 19: turns ${JSON.stringify(wanted.slice(0, 40))} into the root page`, () => {
      assert.equal(returnTo(wanted, ORIGIN), '/')
    })
  }

  it('attack 19: never leads off the host, for any combination of random pieces', () => {
    const pieces = [
      '/',
      '\\',
      '%2f',
      '%5c',
      '%09',
      '\t',
      '\n',
      '.',
      '..',
      '@',
      ':',
      'evil.example',
      'https:',
      '?',
      '#',
      '%25',
      ' ',
      '\u3002',
      '\uff0f',
      ';',
    ]
    let seed = 7
    const random = (below: number) => (seed = (seed * 48271) % 2147483647) % below
    for (let round = 0; round < 20_000; round++) {
      const wanted = Array.from({ length: 1 + random(7) }, () => pieces[random(pieces.length)]).join('')
      const target = returnTo(wanted, ORIGIN)
      assert.match(target, /^\/(?![/\\])[\x21-\x7e]*$/, wanted)
      assert.equal(new URL(target, ORIGIN).origin, ORIGIN, wanted)
    }
  })
})
