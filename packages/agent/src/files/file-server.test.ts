import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Duplex } from 'node:stream'
import { after, before, describe, it } from 'node:test'

import { ConfigError } from '@sallyport/protocol/config-error'

import { serveDirectory } from './file-server.ts'

const SECRET = 'nobody may read this'

describe('serveDirectory', () => {
  let folder: string
  let root: string
  let connect: () => Duplex
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'sallyport-files-'))
    root = join(folder, 'root')
    for (const name of ['docs', 'list', 'list/deep', 'list/.hidden', '.git', '.well-known']) {
      mkdirSync(join(root, name), { recursive: true })
    }
    writeFileSync(join(folder, 'secret.txt'), SECRET)
    writeFileSync(join(root, '.git/config'), SECRET)
    writeFileSync(join(root, '.env'), SECRET)
    writeFileSync(join(root, 'index.html'), '<h1>root</h1>')
    writeFileSync(join(root, 'docs/index.html'), '<h1>docs</h1>')
    writeFileSync(join(root, 'ten.txt'), '0123456789')
    writeFileSync(join(root, 'empty.bin'), '')
    writeFileSync(join(root, '.well-known/security.txt'), 'mail us')
    writeFileSync(join(root, `list/<img src=x onerror="alert(1)">&'.txt`), 'x')
    writeFileSync(join(root, 'list/a:b ü.txt'), 'umlaut')
    symlinkSync(join(root, 'ten.txt'), join(root, 'list/inside.txt'))
    symlinkSync(join(folder, 'secret.txt'), join(root, 'list/outside.txt'))
    symlinkSync(folder, join(root, 'list/up'))
    symlinkSync(join(root, '.git'), join(root, 'list/repository'))
    utimesSync(join(root, 'ten.txt'), 1_700_000_000.5, 1_700_000_000.5)
    connect = serveDirectory(root)
  })
  after(() => rmSync(folder, { recursive: true }))

  async function get(path: string, headers: Record<string, string> = {}, method = 'GET') {
    const request = httpRequest({ createConnection: () => connect(), path, method, headers: { host: 'x', ...headers } })
    request.end()
    const [response] = (await once(request, 'response')) as [IncomingMessage] // as node:http documents
    return { status: response.statusCode, headers: response.headers, body: await text(response) }
  }

  it('serves files with their type, length and validators', async () => {
    const { status, headers, body } = await get('/ten.txt?v=1')
    assert.equal(status, 200)
    assert.equal(body, '0123456789')
    assert.equal(headers['content-type'], 'text/plain; charset=utf-8')
    assert.equal(headers['content-length'], '10')
    assert.equal(headers['accept-ranges'], 'bytes')
    assert.equal(headers['last-modified'], 'Tue, 14 Nov 2023 22:13:20 GMT')
    assert.match(headers.etag ?? '', /^"[0-9a-f]+-[0-9a-f]+"$/)
    assert.equal((await get('/empty.bin')).headers['content-length'], '0')
    assert.equal((await get('/.well-known/security.txt')).body, 'mail us')
    assert.equal((await get('/list/a%3ab%20%C3%BC.txt')).body, 'umlaut')
  })

  it('serves index.html of a directory, and redirects to its slash within the host', async () => {
    assert.equal((await get('/')).body, '<h1>root</h1>')
    assert.equal((await get('/docs/')).body, '<h1>docs</h1>')
    const { status, headers } = await get('/docs?a=1')
    assert.equal(status, 301)
    assert.equal(headers.location, './docs/?a=1')
    assert.equal((await get('/ten.txt/')).status, 404)
    assert.equal((await get('/nothing')).status, 404)
  })

  it('lists a directory without index.html, escaped, without dotfiles and without ways out', async () => {
    const { status, headers, body } = await get('/list/')
    assert.equal(status, 200)
    assert.match(String(headers['content-security-policy']), /^default-src 'none'/)
    assert.match(body, /href="\.\/%3Cimg%20src%3Dx%20onerror%3D%22alert\(1\)%22%3E%26&#39;\.txt"/)
    assert.match(body, /href="\.\/a%3Ab%20%C3%BC\.txt">a:b ü\.txt</)
    assert.match(body, /href="\.\/deep\/">deep\//)
    assert.match(body, /inside\.txt/)
    assert.doesNotMatch(body, /<img|<script|hidden|outside|>up|repository/)
    assert.match((await get('/list/deep/')).body, /This directory is empty|\.\.\//)
  })

  it('attack 3: serves nothing outside the directory, by any spelling or symlink', async () => {
    const paths = [
      '/../secret.txt',
      '/%2e%2e/secret.txt',
      '/%2e%2e%2fsecret.txt',
      '/..%2fsecret.txt',
      '/..%5csecret.txt',
      '/..\\secret.txt',
      '/%252e%252e/secret.txt',
      '/docs/../../secret.txt',
      '/%c0%ae%c0%ae/secret.txt',
      '/ten.txt%00/../../secret.txt',
      `/${folder}/secret.txt`,
      '/list/outside.txt',
      '/list/up/secret.txt',
      '/list/up/',
      '/.env',
      '/.git/config',
      '/%2egit/config',
      '/list/repository/config',
      '/list/repository/',
    ]
    for (const path of paths) {
      const { status, body } = await get(path)
      assert.notEqual(status, 200, path)
      assert.ok(!body.includes(SECRET), path)
    }
    assert.equal((await get('/list/inside.txt')).body, '0123456789')
  })

  it('names the site, and links further (the first hour, 18)', async () => {
    const listed = await get('/list/', { 'x-forwarded-host': 'files.example.com:8443' })
    assert.match(listed.body, /<p class="site">files\.example\.com<\/p>\n<h1>\/list\/<\/h1>/)
    const missing = await get('/nothing', { host: '"><img>.example.com' })
    assert.match(missing.body, /<title>There is no such file here · &quot;&gt;&lt;img&gt;\.example\.com<\/title>/)
    assert.match(missing.body, /<a href="\/">Open this site<\/a>/)
  })

  it('answers HEAD like GET without the body, and refuses other methods', async () => {
    const { status, headers, body } = await get('/ten.txt', { range: 'bytes=0-1' }, 'HEAD')
    assert.deepEqual([status, headers['content-length'], body], [200, '10', ''])
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PROPFIND']) {
      const refused = await get('/ten.txt', {}, method)
      assert.equal(refused.status, 405)
      assert.equal(refused.headers.allow, 'GET, HEAD')
    }
  })

  it('serves one range, but the whole file for several or for another version', async () => {
    const { status, headers, body } = await get('/ten.txt', { range: 'bytes=2-4' })
    assert.deepEqual([status, headers['content-range'], body], [206, 'bytes 2-4/10', '234'])
    assert.equal((await get('/ten.txt', { range: 'bytes=-2' })).body, '89')
    assert.equal((await get('/ten.txt', { range: 'bytes=0-1,3-4' })).body, '0123456789')
    const beyond = await get('/ten.txt', { range: 'bytes=10-' })
    assert.deepEqual([beyond.status, beyond.headers['content-range'], beyond.body], [416, 'bytes */10', ''])
    const { etag = '', 'last-modified': modified = '' } = headers
    assert.equal((await get('/ten.txt', { range: 'bytes=0-0', 'if-range': etag })).body, '0')
    assert.equal((await get('/ten.txt', { range: 'bytes=0-0', 'if-range': modified })).body, '0')
    assert.equal((await get('/ten.txt', { range: 'bytes=0-0', 'if-range': '"other"' })).body, '0123456789')
  })

  it('answers 304 to a visitor who has this version', async () => {
    const { etag = '', 'last-modified': modified = '' } = (await get('/ten.txt')).headers
    for (const headers of [
      { 'if-none-match': etag },
      { 'if-none-match': `"x", W/${etag}` },
      { 'if-none-match': '*' },
      { 'if-modified-since': modified },
    ]) {
      const { status, body } = await get('/ten.txt', headers)
      assert.deepEqual([status, body], [304, ''])
    }
    const stale = { 'if-none-match': '"x"', 'if-modified-since': modified }
    assert.equal((await get('/ten.txt', stale)).status, 200)
    assert.equal((await get('/ten.txt', { 'if-modified-since': 'yesterday' })).status, 200)
  })

  it('cuts the connection if a file becomes shorter while it is sent', async () => {
    const path = join(root, 'large.bin')
    writeFileSync(path, Buffer.alloc(4 * 1024 * 1024))
    const request = httpRequest({ createConnection: () => connect(), path: '/large.bin', headers: { host: 'x' } })
    request.end()
    const [response] = (await once(request, 'response')) as [IncomingMessage] // as node:http documents
    truncateSync(path, 1024 * 1024)
    await assert.rejects(text(response), /aborted|ECONNRESET/)
  })

  it('frees the file when the visitor leaves half-way', async () => {
    writeFileSync(join(root, 'half.bin'), Buffer.alloc(4 * 1024 * 1024))
    const connection = connect()
    connection.write('GET /half.bin HTTP/1.1\r\nHost: x\r\n\r\n')
    await once(connection, 'readable')
    connection.destroy()
    await once(connection, 'close')
    assert.equal((await get('/ten.txt')).status, 200)
  })

  it('says at the start what is wrong with the directory', () => {
    assert.throws(() => serveDirectory(join(root, 'nothing')), { name: ConfigError.name, message: /ENOENT/ })
    assert.throws(() => serveDirectory(join(root, 'ten.txt')), /is not a directory/)
  })
})
