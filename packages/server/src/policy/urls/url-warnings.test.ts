import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { urlWarnings } from './url-warnings.ts'

const warningsOf = (from: string | undefined, to: string, type: 'redirect' | 'url-rewrite' = 'redirect'): string =>
  [...urlWarnings(type, { from, to })].join()

describe('warnings about redirect and url-rewrite (traffic policy, redirect, 14.8)', () => {
  for (const [from, to] of [
    ['^https://[^/]+/go/(.*)$', 'https://$1'],
    ['^https://[^/]+/go/(.*)$', '$1'],
    ['^.*[?&]next=([^&]+).*$', '$1'],
    ['^.*\\?next=(?P<next>[^&]+).*$', 'https://$next/'],
    [undefined, "https://${req.headers['x'][0]}/"],
    [undefined, '${req.url.query_params.next[0]}'],
    ['^https://a\\.example/(\\w+)/(.*)$', 'https://$1.example.com/$2'],
  ] as const) {
    it(`tell of the open redirect from ${from} to ${to}`, () => {
      assert.match(warningsOf(from, to), /redirects to a host that visitors choose/)
      assert.equal(warningsOf(from, to, 'url-rewrite'), '')
    })
  }

  for (const [from, to] of [
    ['/old/(.*)', '/new/$1'],
    ['^https://[^/]+/old/(.*)', 'https://new.example.com/$1'],
    ['^https://www\\.([^/]+)(.*)$', 'https://$1$2'],
    ['^(https?://[^/]+)/old/(.*)$', '$1/new/$2'],
    ['^http://(.*)$', 'https://$1'],
    [undefined, 'https://new.example.com'],
    ['([)(]x)(?:y)/(z)', '/$2'],
  ] as const) {
    it(`are silent about ${from} to ${to}`, () => assert.equal(warningsOf(from, to), ''))
  }

  it('tell of a pattern that never matches, and of a ? that starts no query', () => {
    assert.match(
      warningsOf('^/products', '/x', 'url-rewrite'),
      /never matches.*write for example \^https\?:\/\/\[\^\/\]\+\/products/,
    )
    assert.match(warningsOf('/v1/(.*)', '/v2/${1}', 'url-rewrite'), /number of a group in braces/)
    assert.match(
      warningsOf('/api/v1/users?id=([0-9]+)', '/x'),
      /makes the character before it optional, instead of the \? of a query; write \\\?/,
    )
  })
})
