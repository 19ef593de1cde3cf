import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'

import { RelayError } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { loadLanguage } from '../language.ts'
import { addressOf, urlReplacement } from './url-replacement.ts'

const ORIGIN = 'https://docs.example.com'

function made(from: string | undefined, to: string, target: string, normalPath?: string): string | undefined {
  const [path = ''] = target.split('?')
  const exchange: Pick<Exchange, 'origin' | 'target' | 'path' | 'normalPath'> = {
    origin: ORIGIN,
    target,
    path,
    normalPath,
  }
  const config = { ...(from !== undefined && { from }), to }
  const sources = { region: undefined, lookups: {}, secret: () => undefined }
  return urlReplacement(config, 'url-rewrite', { sources })(exchange as Exchange) // what it reads
}

const codeOf = (run: () => unknown): string => {
  try {
    run()
    return 'fine'
  } catch (error) {
    return error instanceof RelayError ? error.code : String(error)
  }
}

describe('the URL that redirect and url-rewrite make (traffic policy, url-rewrite)', () => {
  before(loadLanguage)

  // Expected values are those of Go's regexp.ReplaceAllString.
  for (const [from, to, target, expected] of [
    ['/products', '/store', '/products/1?a=/products', `${ORIGIN}/store/1?a=/store`],
    ['^/products', '/store', '/products', undefined],
    ['/v1/(.*)', '/v2/$1', '/v1/x?y=1', `${ORIGIN}/v2/x?y=1`],
    ['/v1/(.*)', '/v2$1x/', '/v1/x', `${ORIGIN}/v2/`],
    ['/v1/(.*)', '/v2/$2', '/v1/x', `${ORIGIN}/v2/`],
    ['/v1/(?P<rest>.*)', '/v2/$rest', '/v1/x', `${ORIGIN}/v2/x`],
    ['/v1/(?P<rest>.*)', '/v2/$constructor$__proto__', '/v1/x', `${ORIGIN}/v2/`],
    ['/v1', '/$$1/$-', '/v1', `${ORIGIN}/$1/$-`],
    ['(a)|(b)', '[$1$2]', '/ab', 'https://docs.ex[a]mple.com/[a][b]'],
    ['x*', '-', '/', '-h-t-t-p-s-:-/-/-d-o-c-s-.-e-a-m-p-l-e-.-c-o-m-/-'],
    ['.*', '$0', '/a', `${ORIGIN}/a`],
    [undefined, '/new', '/a?b', '/new'],
    [undefined, '$0&c', '/a?b', `${ORIGIN}/a?b&c`],
    ['/a', '/größe x', '/a', `${ORIGIN}/gr%C3%B6%C3%9Fe%20x`],
  ] as const) {
    it(`${from ?? 'without from'} to ${to} makes ${expected ?? 'nothing'} of ${target}`, () => {
      assert.equal(made(from, to, target), expected)
    })
  }

  const letters = `/${'a'.repeat(30_000)}`
  it('takes time in proportion to the URL', () => {
    assert.equal(made('^(a+)+$', '/x', letters), undefined)
    assert.equal(made('^https://[^/]+/(a+)+$', '/x', letters), '/x')
  })

  it('is not made if it takes too much work, or becomes too long', () => {
    assert.equal(
      codeOf(() => made('a(.*b)?', 'x', letters)),
      'expression_failed',
    )
    assert.equal(
      codeOf(() => made('a', 'b'.repeat(3000), letters)),
      'expression_failed',
    )
  })

  it('refuses if only one reading of the path matches', () => {
    assert.equal(
      codeOf(() => made('/admin', '/denied', '/%61dmin', '/admin')),
      'path_ambiguous',
    )
    assert.equal(
      codeOf(() => made('/a%2fb', '/x', '/a%2fb', '/a/b')),
      'path_ambiguous',
    )
    assert.equal(made('/x/', '/y/', '/x/a%2fb', '/x/a/b'), `${ORIGIN}/y/a%2fb`)
  })

  it('is a path on the same host, unless it names another', () => {
    assert.deepEqual(addressOf('/a', ORIGIN), { origin: ORIGIN, rest: '/a' })
    assert.deepEqual(addressOf('//evil/a', ORIGIN), { origin: ORIGIN, rest: '//evil/a' })
    assert.deepEqual(addressOf('.evil.com/a', ORIGIN), { origin: ORIGIN, rest: '/.evil.com/a' })
    assert.deepEqual(addressOf('@evil.com/a', ORIGIN), { origin: ORIGIN, rest: '/@evil.com/a' })
    assert.deepEqual(addressOf('HTTP://Other:81?a', ORIGIN), { origin: 'http://other:81', rest: '/?a' })
    assert.deepEqual(addressOf('https://other#a', ORIGIN), { origin: 'https://other', rest: '/#a' })
    for (const bad of [
      'javascript:alert(1)',
      'https:evil.com',
      'https:/evil.com',
      'https://a@evil.com',
      'https://',
      'https://e\\@f',
      'https://e%0d/',
      'data:x',
    ]) {
      assert.equal(
        codeOf(() => addressOf(bad, ORIGIN)),
        'rewrite_refused',
        bad,
      )
    }
  })
})
