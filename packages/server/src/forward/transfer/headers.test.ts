import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { HeaderEdits } from '../../exchange/header-edits.ts'
import { filterResponseHead, filterTrailers } from './headers.ts'

/** RFC 9110 5.6.2: the characters of a token beside letters and digits. */
const OTHERS = "!#$%&'*+-.^_`|~".split('')
const spelled = (name: string, other: string): string => name.replaceAll('-', other)

describe('filterTrailers', () => {
  it('S4: drops forbidden names in every spelling', () => {
    for (const other of OTHERS) {
      for (const name of ['Sallyport-Auth-User-Id', 'X-Forwarded-For', 'X-Real-IP', 'Content-Length', 'Content-Type']) {
        const kept = filterTrailers([spelled(name, other), 'evil', 'X-Sum', '1'], undefined, undefined)
        assert.deepEqual(kept, [['X-Sum', '1']], other + name)
      }
    }
  })

  it('S4: drops names that the policy changes or Connection lists, in every spelling', () => {
    const edits = new HeaderEdits()
    edits.remove('X-Powered-By')
    for (const other of OTHERS) {
      const trailers = ['X-Powered-By', 'X-Hop', 'X-Sum'].flatMap((name) => [spelled(name, other), '1'])
      assert.deepEqual(filterTrailers(trailers, edits, new Set(['x-hop'])), [[spelled('X-Sum', other), '1']], other)
    }
  })
})

describe('filterResponseHead', () => {
  const filter = (name: string, edits?: HeaderEdits, connectionOptions?: Set<string>): string[] =>
    filterResponseHead(
      { status: 200, rawHeaders: [name, 'x'], framing: 0, keepAlive: true, connectionOptions },
      edits,
      false,
    ).headers

  it('S4: drops our names, and names that the policy replaces or Connection lists, in every spelling', () => {
    for (const other of OTHERS) {
      const edits = new HeaderEdits()
      edits.remove(`X${other}Powered-By`)
      assert.deepEqual(filter(spelled('Sallyport-Error-Code', other)), [], other)
      assert.deepEqual(filter('X-Powered-By', edits), [], other)
      assert.deepEqual(filter(spelled('X-Powered-By', other), edits), [], other)
      assert.deepEqual(filter(spelled('X-Hop', other), undefined, new Set(['x-hop'])), [], other)
      assert.deepEqual(
        filter(spelled('X-Else', other), edits, new Set(['x-hop'])),
        [spelled('X-Else', other), 'x'],
        other,
      )
    }
  })

  it('S5: drops cookies that a browser would send back as ours', () => {
    const set = (cookie: string): string[] =>
      filterResponseHead(
        { status: 200, rawHeaders: ['Set-Cookie', cookie], framing: 0, keepAlive: true, connectionOptions: undefined },
        undefined,
        false,
      ).headers
    for (const cookie of [
      'sallyport.x.session=evil',
      ' \tSallyport.x.session=evil',
      '=sallyport.x.session=evil; Path=/',
      ' = sallyport.x.session=evil',
      '==sallyport.x.session=evil',
      '=__Secure-sallyport.x.example.com.session=evil',
      '__HOST-SALLYPORT.x.session=evil',
      '__Host-Http-sallyport.x.session=evil',
      'sallyport.x.session',
    ]) {
      assert.deepEqual(set(cookie), [], cookie)
    }
    for (const cookie of ['x=sallyport.x.session=1', 'mysallyport.x=1', '=x', 'x=y __Host-sallyport.x.session=1']) {
      assert.deepEqual(set(cookie), ['Set-Cookie', cookie], cookie)
    }
  })
})
