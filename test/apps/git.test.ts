// git over smart HTTP behind sign-in. Git keeps cookies in a file, as curl does: the visitor's session goes there.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage, Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'

import { makeGitServer } from './git-server.ts'
import { HOST, SignedInApp, listen } from './signed-in-app.ts'

const LARGE_BYTES = 20_000_000 // far above http.postBuffer (1 MB): git sends it in chunks
const COMMITS = 40 // so many that git compresses the list of them

const run = promisify(execFile)

describe('git over HTTP behind sign-in', { timeout: 90_000 }, () => {
  let folder: string
  let http: Server
  let app: SignedInApp
  let url: string
  const seen: IncomingMessage['headers'][] = []

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sallyport-git-'))
    await git('.', 'init', '--quiet', '--bare', '--initial-branch=main', 'site.git')
    http = makeGitServer(folder, ({ headers }) => seen.push(headers))
    app = await SignedInApp.start(await listen(http))
    url = `${app.origin}/site.git`
    // Netscape's format: domain, subdomains, path, secure, expiry, name, value.
    const cookies = app.cookie.split('; ').map((pair) => {
      const [name, value] = [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]
      return `#HttpOnly_${HOST}\tFALSE\t/\tFALSE\t0\t${name}\t${value}\n`
    })
    await writeFile(join(folder, 'cookies.txt'), `# Netscape HTTP Cookie File\n${cookies.join('')}`)
  })
  after(async () => {
    await app?.close()
    http.close().closeAllConnections()
    await rm(folder, { recursive: true, force: true })
  })

  async function git(where: string, ...args: string[]): Promise<string> {
    const env = {
      PATH: process.env.PATH,
      HOME: folder,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_TERMINAL_PROMPT: '0',
      GIT_AUTHOR_NAME: 'Ada',
      GIT_AUTHOR_EMAIL: 'ada@example.com',
      GIT_COMMITTER_NAME: 'Ada',
      GIT_COMMITTER_EMAIL: 'ada@example.com',
    }
    const cookies = ['-c', `http.cookieFile=${join(folder, 'cookies.txt')}`]
    return (await run('git', [...cookies, ...args], { cwd: join(folder, where), env })).stdout.trim()
  }

  it('clones, commits, pushes large objects in chunks, and fetches with a compressed request', async () => {
    await git('.', 'clone', '--quiet', url, 'one')
    await writeFile(join(folder, 'one', 'large.bin'), randomBytes(LARGE_BYTES))
    await git('one', 'add', '.')
    await git('one', 'commit', '--quiet', '-m', 'a large file')
    await git('one', 'push', '--quiet', 'origin', 'HEAD:main')
    assert.ok(
      seen.some((headers) => headers['transfer-encoding'] === 'chunked'),
      'the push came in chunks',
    )

    await git('.', 'clone', '--quiet', url, 'two')
    assert.equal(await git('two', 'rev-parse', 'HEAD'), await git('one', 'rev-parse', 'HEAD'))
    assert.equal(await git('two', 'fsck', '--full', '--no-dangling'), '')

    // The two repositories diverge: a fetch then names many commits that the server does not have.
    for (let count = 0; count < COMMITS; count++)
      await git('two', 'commit', '--quiet', '--allow-empty', '-m', `${count}`)
    await git('one', 'commit', '--quiet', '--allow-empty', '-m', 'meanwhile')
    await git('one', 'push', '--quiet', 'origin', 'HEAD:main')
    seen.length = 0
    await git('two', 'fetch', '--quiet', 'origin')
    assert.equal(await git('two', 'rev-parse', 'origin/main'), await git('one', 'rev-parse', 'HEAD'))
    assert.ok(
      seen.some((headers) => headers['content-encoding'] === 'gzip'),
      'the request was compressed',
    )
  })

  it('attack 30: serves nothing without a session', async () => {
    const before = seen.length
    const anonymous = run('git', ['ls-remote', url], {
      cwd: folder,
      env: { PATH: process.env.PATH, GIT_TERMINAL_PROMPT: '0' },
    })
    await assert.rejects(anonymous, /401|could not read Username|Authentication failed/)
    assert.equal(seen.length, before)
  })
})
