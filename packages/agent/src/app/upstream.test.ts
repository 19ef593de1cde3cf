import assert from 'node:assert/strict'
import { resolve } from 'node:path'
import { describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'

import { parseUpstream } from './upstream.ts'
import type { Upstream } from './upstream.ts'

function parse(text: string): Upstream {
  const upstream = parseUpstream(text)
  assert.ok(!('problem' in upstream), 'problem' in upstream ? upstream.problem : '')
  return upstream
}

describe('parseUpstream', () => {
  const http = (host: string, port: number, authority = `${host}:${port}`): Partial<Upstream> => ({
    authority,
    tls: false,
    target: { host, port },
  })
  const forms: [string, string, Partial<Upstream>][] = [
    ['8000', 'http://localhost:8000', http('localhost', 8000)],
    ['80', 'http://localhost', http('localhost', 80, 'localhost')],
    ['localhost:8000', 'http://localhost:8000', http('localhost', 8000)],
    ['app.internal:3000', 'http://app.internal:3000', http('app.internal', 3000)],
    ['127.0.0.1:1', 'http://127.0.0.1:1', http('127.0.0.1', 1)],
    ['[::1]:8000', 'http://[::1]:8000', { authority: '[::1]:8000', target: { host: '::1', port: 8000 } }],
    ['http://localhost:8000', 'http://localhost:8000', http('localhost', 8000)],
    ['http://localhost:8000/', 'http://localhost:8000', http('localhost', 8000)],
    ['HTTP://App.Internal', 'http://app.internal', http('app.internal', 80, 'app.internal')],
    ['https://app.internal', 'https://app.internal', { tls: true, target: { host: 'app.internal', port: 443 } }],
    ['https://app:8443', 'https://app:8443', { tls: true, authority: 'app:8443', target: { host: 'app', port: 8443 } }],
    ['unix:/run/app.sock', 'unix:/run/app.sock', { authority: 'localhost', target: { socketPath: '/run/app.sock' } }],
    ['unix:///run/app.sock', 'unix:/run/app.sock', { target: { socketPath: '/run/app.sock' } }],
    ['unix:app.sock', 'unix:app.sock', { target: { socketPath: 'app.sock' } }],
  ]
  for (const [text, url, expected] of forms) {
    it(`reads ${text}`, () => {
      const upstream = parse(text)
      assert.equal(upstream.url, url)
      assert.deepEqual({ ...upstream, ...expected }, upstream)
    })
  }

  const wrong: [string, RegExp][] = [
    ['', /names no port/],
    ['localhost', /names no port/],
    ['0', /port 0/],
    ['65536', /is not an address/],
    ['localhost:99999', /is not an address/],
    ['localhost:http', /names no port/],
    ['ftp://localhost:21', /cannot|not an address the agent can forward to/],
    ['tcp://localhost:21', /not an address the agent can forward to/],
    ['http://', /is not an address/],
    ['http://a b:80', /is not an address/],
    ['http://user:hunter2@localhost:80', /user name or a password/],
    ['http://localhost:8000/docs', /has a path.*http:\/\/localhost:8000 instead/],
    ['http://localhost:8000/?a', /has a path/],
    ['unix:', /names no socket/],
    [`unix:/${'x'.repeat(110)}`, /103 bytes at most/],
    ['unix:/a\0b', /names no socket/],
  ]
  for (const [text, sentence] of wrong) {
    it(`says what is wrong with ${JSON.stringify(text.slice(0, 40))}`, () => {
      const upstream = parseUpstream(text)
      assert.ok('problem' in upstream)
      assert.match(upstream.problem, sentence)
      assert.doesNotMatch(upstream.problem, /hunter2/)
    })
  }

  it('reads the directory of a file address, as a URL or as a plain path', () => {
    const directories: [string, string][] = [
      ['file:///srv/site', '/srv/site'],
      ['file:///srv/site/', '/srv/site'],
      ['FILE:///srv/my%20site', '/srv/my site'],
      ['file:///srv/my site', '/srv/my site'],
      ['file://localhost/srv', '/srv'],
      ['file://./public', resolve('public')],
      ['file://public', resolve('public')],
      ['file://../x', resolve('../x')],
    ]
    for (const [text, directory] of directories) {
      const { target, url, place } = parse(text)
      assert.deepEqual(
        { target, url, place },
        { target: { directory }, url: pathToFileURL(directory).href, place: directory },
      )
    }
  })

  it('refuses an invalid file address', () => {
    for (const text of ['file:', 'file://', 'file:dir', 'file:/dir', 'file:///a%2fb', 'file:///a?b', 'file:///a#b']) {
      const upstream = parseUpstream(text)
      assert.ok('problem' in upstream, text)
      assert.match(upstream.problem, /^"file:.*(?:Write|write) /)
    }
  })
})
