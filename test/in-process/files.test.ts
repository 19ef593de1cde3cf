// A directory behind a tunnel: `agent tunnel … file:///dir`. Real relay, agent and files.

import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer, text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'

import { RawClient, sendRaw } from '../support/raw-client.ts'
import { APP_HOST, startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'

const SECRET = 'nobody may read this'

describe('a directory behind a tunnel', () => {
  const large = randomBytes(8 * 1024 * 1024)
  let stack: Stack
  let folder: string
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sallyport files ')) // a space, as in people's folders
    const root = join(folder, 'site')
    mkdirSync(join(root, 'photos'), { recursive: true })
    mkdirSync(join(root, '.git'))
    writeFileSync(join(folder, 'secret.txt'), SECRET)
    writeFileSync(join(root, '.git/config'), SECRET)
    writeFileSync(join(root, 'index.html'), '<h1>hello</h1>')
    writeFileSync(join(root, 'large.bin'), large)
    writeFileSync(join(root, 'photos/sun.svg'), '<svg xmlns="http://www.w3.org/2000/svg"/>')
    symlinkSync('../../secret.txt', join(root, 'photos/way-out.txt'))
    stack = await startStack({
      app: createServer(), // the agent is the app
      upstream: pathToFileURL(root).href,
    })
  })
  after(async () => {
    await stack.close()
    rmSync(folder, { recursive: true })
  })

  async function get(path: string, headers: Record<string, string> = {}): Promise<IncomingMessage> {
    const target = { port: stack.port, host: '127.0.0.1', agent: false as const, path }
    const request = httpRequest({ ...target, headers: { host: APP_HOST, ...headers } })
    request.end()
    const [response] = (await once(request, 'response')) as [IncomingMessage] // as node:http documents
    return response
  }

  it('shows the index page, a listing, and a page for missing files', async () => {
    const index = await get('/')
    assert.equal(index.headers['content-type'], 'text/html; charset=utf-8')
    assert.equal(await text(index), '<h1>hello</h1>')
    const redirect = await get('/photos')
    assert.deepEqual([redirect.statusCode, redirect.headers.location], [301, './photos/'])
    const listing = await text(await get('/photos/'))
    assert.match(listing, /sun\.svg/)
    assert.doesNotMatch(listing, /way-out/)
    assert.equal((await get('/nothing')).statusCode, 404)
  })

  it('sends large files whole, in parts, and not at all to visitors who have them', async () => {
    const whole = await get('/large.bin')
    const received = await buffer(whole)
    assert.equal(createHash('sha256').update(received).digest('hex'), createHash('sha256').update(large).digest('hex'))
    const part = await get('/large.bin', { range: 'bytes=1000000-1999999' })
    assert.equal(part.statusCode, 206)
    assert.deepEqual(await buffer(part), large.subarray(1_000_000, 2_000_000))
    const unchanged = await get('/large.bin', { 'if-none-match': whole.headers.etag ?? '' })
    assert.equal(unchanged.statusCode, 304)
  })

  it('serves one request after another on one connection', async () => {
    const client = new RawClient(stack.port)
    for (let round = 1; round <= 3; round++) {
      client.write(`GET /photos/sun.svg HTTP/1.1\r\nHost: ${APP_HOST}\r\n\r\n`)
      await client.until(new RegExp(`(?:200 OK[^]*?<svg[^]*?){${round}}`))
    }
    client.close()
  })

  it('attack 3: serves nothing from outside the directory, for any form of path', async () => {
    const ways = ['..', '%2e%2e', '.%2e', '%2E%2E', '%252e%252e', '..;', '%c0%ae%c0%ae', '\\..']
    const separators = ['/', '%2f', '%5c', '\\', '//', '/./']
    const targets = ['/photos/way-out.txt', '/.git/config', '/%2egit/config', '/photos/%00/../../secret.txt']
    for (const way of ways) {
      for (const separator of separators) {
        targets.push(`/${way}${separator}secret.txt`, `/photos/${way}${separator}${way}${separator}secret.txt`)
      }
    }
    for (const target of [...targets, `//${folder}/secret.txt`, `/${encodeURIComponent(join(folder, 'secret.txt'))}`]) {
      const answer = await sendRaw(
        stack.port,
        `GET ${target} HTTP/1.1\r\nHost: ${APP_HOST}\r\nConnection: close\r\n\r\n`,
      )
      assert.match(answer, /^HTTP\/1\.1 (?:400|404) /, target)
      assert.ok(!answer.includes(SECRET), target)
    }
  })

  it('accepts no uploads', async () => {
    const answer = await sendRaw(
      stack.port,
      `PUT /index.html HTTP/1.1\r\nHost: ${APP_HOST}\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbad`,
    )
    assert.match(answer, /^HTTP\/1\.1 405 [^]*Allow: GET, HEAD/i)
    assert.equal(await text(await get('/')), '<h1>hello</h1>')
  })
})
