import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { parseFilePath } from './file-path.ts'

describe('parseFilePath', () => {
  it('decodes names once', () => {
    assert.deepEqual(parseFilePath('/'), { names: [], hasSlash: true })
    assert.deepEqual(parseFilePath('/a/b%20c.txt'), { names: ['a', 'b c.txt'], hasSlash: false })
    assert.deepEqual(parseFilePath('/caf%C3%A9/'), { names: ['café'], hasSlash: true })
    assert.deepEqual(parseFilePath('/%252e%252e/x'), { names: ['%2e%2e', 'x'], hasSlash: false })
    assert.deepEqual(parseFilePath('/.well-known/security.txt'), {
      names: ['.well-known', 'security.txt'],
      hasSlash: false,
    })
    assert.deepEqual(parseFilePath('/a..b/...'.slice(0, 5)), { names: ['a..b'], hasSlash: false })
  })

  const refused = [
    ['attack 3: dot segments', '/../x', '/a/../b', '/./x', '/a/..', '/..', '/.'],
    ['attack 3: encoded dots', '/%2e%2e/x', '/%2E%2e/x', '/.%2e/x', '/a/%2e%2e%2fx'],
    ['attack 3: encoded separators', '/a%2fb', '/a%5cb', '/..%5c..%5cx', '/a\\b', '/%2fetc'],
    ['attack 3: NUL and controls', '/a%00.txt', '/a%0ab', '/a\0b'],
    ['attack 3: empty segments', '//', '//etc/passwd', '/a//b', '/a//'],
    ['what is not UTF-8', '/%ff', '/%c0%ae%c0%ae/x', '/%', '/%zz'],
    ['hidden names', '/.env', '/.git/config', '/a/.ssh/id', '/%2egit/config', '/.well-knownx'],
    ['what is no path', '', 'a', 'http://x/', '*'],
  ]
  for (const [what, ...paths] of refused) {
    it(`refuses ${what}`, () => {
      for (const path of paths) assert.equal(parseFilePath(path), undefined, path)
    })
  }
})
