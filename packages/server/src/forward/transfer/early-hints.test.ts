import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { readEarlyHints } from './early-hints.ts'

const hints = (...values: string[]): string[] => readEarlyHints(values.flatMap((value) => ['Link', value]))

describe('the links of early hints', () => {
  it('B1: are taken from one line or several, as apps write them', () => {
    assert.deepEqual(hints('</a.css>; rel=preload; as=style, </b.js>; rel=preload; as=script', '</c>'), [
      '</a.css>; rel=preload; as=style',
      '</b.js>; rel=preload; as=script',
      '</c>',
    ])
  })

  it('may have quoted parameters, with commas and escaped quotes in them', () => {
    for (const link of [
      '</a>; rel="preload stylesheet"',
      '</a>; title="a, b; c"; rel=next',
      '</a>; title="say \\"hi\\""',
      '<https://cdn.example/x,y;z>; rel=preconnect; crossorigin',
      '</a>;rel=preload;as=font;type=font/woff2;crossorigin',
      '<>; rel="x"',
      '</a> ; rel = next ;',
    ])
      assert.deepEqual(hints(link), [link])
  })

  it('lose malformed entries, but not their neighbours', () => {
    for (const broken of [
      '',
      'a',
      '/a; rel=preload',
      '</a',
      '</a>x',
      '</a b>; rel=x',
      '</a>; re l=x',
      '</a>; rel="open',
      '</a>; rel="a"b',
      '</a>; rel=a"b"',
      '</é>; rel=x',
    ]) {
      assert.deepEqual(hints(broken), [], broken)
      assert.deepEqual(hints('</ok>', broken, '</too>'), ['</ok>', '</too>'], broken)
    }
    assert.deepEqual(hints('</ok>, nonsense, </too>'), ['</ok>', '</too>'])
  })

  it('are taken from Link only', () => {
    assert.deepEqual(readEarlyHints(['X-Link', '</a>', 'LINK', '</b>', 'Set-Cookie', 'a=b']), ['</b>'])
  })

  it('S2: are read quickly from the longest field that an app can send', () => {
    // With node:http's own pattern the first of these takes weeks.
    const room = 64 * 1024
    for (const text of [
      `<x>${'; a=b'.repeat(room / 5)}; "`,
      `<x>; a="${'\\"'.repeat(room / 2)}`,
      '<'.repeat(room),
      '"'.repeat(room),
      ','.repeat(room),
      '</a>,'.repeat(room / 5),
      `<x>${' '.repeat(room)};`,
    ])
      assert.ok(hints(text).length <= room)
  })
})
