// An npm registry (verdaccio) through the edge: publish and install with npm itself. npm cannot sign in with a browser
// and sends no cookies, so the registry has two edges to one agent, as its owner would set it up: one for people, with
// sign-in, and one for programs, restricted to addresses, with the registry's own users. verdaccio is 58 MB and 327
// packages: it is installed at the first run, not with the repository.

import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'

import { Browser } from '../support/browser/browser.ts'

import { freePort } from '../support/processes.ts'
import { SignedInApp } from './signed-in-app.ts'

const VERDACCIO = '6.8.0'
const INSTALL_DEADLINE_MS = 120_000
const HOST = 'localhost' // npm can resolve it everywhere
const SIZE = 5_000_000

const root = join(import.meta.dirname, '../..')
const run = promisify(execFile)
const NO_VERDACCIO = `verdaccio ${VERDACCIO} is not in node_modules/.cache and could not be fetched with npm`
const program = installVerdaccio((line) => console.error(line))

describe('an npm registry', { timeout: 120_000, skip: program ? false : NO_VERDACCIO }, () => {
  let folder: string
  let app: SignedInApp
  let registry: string

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sallyport-npm-'))
    const port = await freePort()
    await writeFile(
      join(folder, 'verdaccio.yaml'),
      `storage: ${folder}/storage
listen: 127.0.0.1:${port}
auth: { htpasswd: { file: ${folder}/htpasswd } }
packages: { '**': { access: $all, publish: $authenticated } }
log: { type: stdout, format: json, level: http }
max_body_size: 50mb
`,
    )
    const backend = { labels: { edge: 'edg_app' } }
    const policy = {
      on_http_request: [{ actions: [{ type: 'restrict-ips', config: { allow: ['127.0.0.1/32', '::1/128'] } }] }],
    }
    app = await SignedInApp.start(`http://127.0.0.1:${port}`, {
      edges: [{ id: 'edg_registry', hosts: [HOST], routes: [{ path_prefix: '/', backend, policy }] }],
    })
    const verdaccio = app.processes.start('verdaccio', [program!, '--config', join(folder, 'verdaccio.yaml')])
    await verdaccio.waitForLine('its address', (line) => line.includes('http address'))
    registry = app.processes.origin(HOST)
    // As `npm adduser` does.
    const answer = await fetch(`${registry}/-/user/org.couchdb.user:ada`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'ada', password: 'lovelace' }),
    })
    const { token } = (await answer.json()) as { token: string } // as npm's registry API says
    await writeFile(
      join(folder, 'npmrc'),
      `registry=${registry}/\n//${new URL(registry).host}/:_authToken=${token}\naudit=false\nfund=false\nupdate-notifier=false\n`,
    )
  })
  after(async () => {
    await app?.close()
    if (folder) await rm(folder, { recursive: true, force: true })
  })

  async function npm(where: string, ...args: string[]): Promise<string> {
    const env = {
      PATH: process.env.PATH,
      HOME: folder,
      npm_config_userconfig: join(folder, 'npmrc'),
      npm_config_cache: join(folder, 'cache'),
    }
    const { stdout } = await run('npm', args, { cwd: join(folder, where), env })
    return stdout
  }

  it('takes packages that npm publishes, and returns them, also scoped and large ones', async () => {
    const bytes = randomBytes(SIZE)
    for (const [name, dependencies] of [
      ['@demo/large', {}],
      ['hello', { '@demo/large': '^1.0.0' }],
    ] as const) {
      const where = name.replace('/', '-')
      await mkdir(join(folder, where))
      await writeFile(join(folder, where, 'package.json'), JSON.stringify({ name, version: '1.0.0', dependencies }))
      await writeFile(join(folder, where, 'data.bin'), bytes)
      await npm(where, 'publish')
    }
    await mkdir(join(folder, 'consumer'))
    await writeFile(join(folder, 'consumer/package.json'), '{"private":true}')
    await npm('consumer', 'install', 'hello')
    for (const name of ['hello', '@demo/large']) {
      const installed = await readFile(join(folder, 'consumer/node_modules', name, 'data.bin'))
      assert.ok(installed.equals(bytes), name)
    }
    const lock = await readFile(join(folder, 'consumer/package-lock.json'), 'utf8')
    assert.match(
      lock,
      new RegExp(`"resolved": "${registry}/hello/-/hello-1\\.0\\.0\\.tgz"`),
      'addresses are those of the edge',
    )
  })

  it('shows its packages to people who have signed in', async () => {
    const page = await app.visitor.visit(`${app.origin}/-/verdaccio/data/packages`)
    assert.equal(page.status, 200)
    const names = (JSON.parse(page.body) as { name: string }[]).map(({ name }) => name) // verdaccio's own list
    assert.deepEqual(names.toSorted(), ['@demo/large', 'hello'])
    const stranger = await new Browser().fetch(`${app.origin}/-/verdaccio/data/packages`)
    assert.equal(stranger.status, 401)
  })
})

/** The program to run, or undefined if it cannot be installed. */
function installVerdaccio(say: (line: string) => void): string | undefined {
  const folder = join(root, 'node_modules/.cache/verdaccio')
  const bin = join(folder, 'node_modules/verdaccio/bin/verdaccio')
  if (existsSync(bin)) return bin
  say(`Installing verdaccio ${VERDACCIO} (58 MB, once) for the test of an npm registry …`)
  const manifest = {
    private: true,
    dependencies: { verdaccio: VERDACCIO },
    overrides: { 'node-fetch': '2.6.7' }, // it asks for the tag "cjs", which registries that mirror others do not have
  }
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))
  const args = ['install', '--no-audit', '--no-fund', '--prefix', folder]
  const { status } = spawnSync('npm', args, { cwd: folder, stdio: 'ignore', timeout: INSTALL_DEADLINE_MS })
  return status === 0 && existsSync(bin) ? bin : undefined
}
