// The packages as people get them: packed, installed by each package manager into an empty folder, and used there. It fetches
// package managers and old versions of Node.js, so only `npm run test:long` runs it.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'

import { Browser } from '../support/browser/browser.ts'

import type { Installed } from '../support/as-installed.ts'
import { Installation, MANAGERS } from './installation.ts'

const root = join(import.meta.dirname, '../..')
const MB = 1024 * 1024
const AGENT_MAX_BYTES = 10 * MB
const AGENT_NODE = '22.15.0' // the oldest supported one
const OLD_NODES = ['16', '18', '20']

/** The tests that use most of the commands, with real processes on both sides. */
const TESTS_OF_COMMANDS = [
  'packages/agent/src/main.test.ts',
  ...['agent-http', 'bulk', 'commands', 'diagnose', 'http2', 'sessions', 'tls', 'websocket', 'workers'].map(
    (name) => `test/e2e/${name}.test.ts`,
  ),
]

const skip = process.env['SALLYPORT_TEST_INSTALL'] ? false : 'npm run test:long packs and installs'

describe('the packages, installed (the first hour, 1)', { skip, timeout: 1_800_000 }, () => {
  const packed = mkdtempSync(join(tmpdir(), 'sallyport-packed-'))
  const closing: (() => unknown)[] = [() => rmSync(packed, { recursive: true })]
  let app: Server
  after(async () => {
    for (const close of closing.toReversed()) await close()
  })

  before(async () => {
    const { status, stderr } = spawnSync(process.execPath, ['scripts/pack.ts', packed], { cwd: root, encoding: 'utf8' })
    assert.equal(status, 0, stderr)
    app = createServer((request, response) => response.end(`an app of somebody at ${request.url}`))
    app.listen(0, '127.0.0.1')
    await once(app, 'listening')
    closing.push(() => app.close())
  })

  const tarballs = (...names: string[]): string[] =>
    readdirSync(packed)
      .filter((file) => names.some((name) => file.startsWith(`sallyport-${name}-`)))
      .map((file) => join(packed, file))

  function newInstallation(node?: string): Installation {
    const installation = new Installation(node)
    closing.push(() => installation.close())
    return installation
  }

  /** Installs a Node.js by npm. @returns its path */
  async function nodeOf(version: string): Promise<string> {
    const place = newInstallation()
    const { code, stderr } = await place.run(['npm', 'install', '--no-audit', '--no-fund', `node@${version}`])
    assert.equal(code, 0, stderr)
    return realpathSync(join(place.folder, 'node_modules/.bin/node'))
  }

  /** As on the first day: a relay without a configuration, the command that it prints, a page in the browser. */
  async function usesIt(place: Installation, run: (command: string) => string[]): Promise<void> {
    const relay = place.start([...run('sallyport'), 'relay', 'start'], { XDG_DATA_HOME: join(place.folder, 'data') })
    const flags = (await relay(/^ {2}(?:npx --no |yarn )?sallyport http (--server \S+ --authtoken \S+) 8000$/)).split(
      ' ',
    )
    const { port } = app.address() as AddressInfo // it listens on a port
    const agent = place.start([...run('agent'), 'http', ...flags, `${port}`])
    const url = await agent(/^Forwarding (\S+) ->/)
    assert.equal((await new Browser().fetch(new URL('/guide', url).href)).body, 'an app of somebody at /guide')
  }

  it('hold only the needed files and their licenses', () => {
    const listOf = (name: string): string[] =>
      spawnSync('tar', ['tzf', ...tarballs(name)], { encoding: 'utf8' })
        .stdout.trim()
        .split('\n')
        .map((file) => file.replace('package/', '').replace(/-[\w-]{8}\.js$/, '-HASH.js'))
    for (const [name, own] of [
      ['agent', ['bin/agent.cjs', 'bin/sallyport.cjs', 'dist/agent.js', 'dist/main.js', 'dist/types/agent/agent.d.ts']],
      ['server', ['bin/relay.cjs', 'dist/main.js', 'dist/sqlite-worker.js', 'dist/worker-main.js']],
      ['protocol', ['dist/protocol.js', 'dist/protocol.d.ts']],
    ] as const) {
      const files = listOf(name)
      const licenses = name === 'protocol' ? [] : ['dist/THIRD-PARTY-LICENSES.txt']
      for (const file of [...own, ...licenses, 'LICENSE', 'README.md', 'package.json'])
        assert.ok(files.includes(file), file)
      const strange = files.filter(
        (file) => /test|fixture|raw-peer|memory-carrier|\.map$/.test(file) || /(?<!\.d)\.ts$/.test(file),
      )
      assert.deepEqual(strange, [])
    }
  })

  for (const [name, { add, run }] of Object.entries(MANAGERS)) {
    it(`${name} installs them into an empty folder, and they serve a page`, async () => {
      const place = newInstallation()
      const installed = await place.run(add(tarballs('agent', 'server', 'protocol')))
      assert.equal(installed.code, 0, installed.stdout + installed.stderr)
      const [version, relay] = await Promise.all([
        place.run([...run('sallyport'), '--version']),
        place.run([...run('relay'), '--version']),
      ])
      assert.match(version.stdout, /^sallyport \d+\.\d+\.\d+ \(node /)
      assert.match(relay.stdout, /^relay \d+\.\d+\.\d+ \(node /)
      await usesIt(place, run)
    })
  }

  it('npm installs one after the other for a whole machine, without a registry, and the agent is small', async () => {
    const place = newInstallation()
    // Nothing listens there, and the cache is empty.
    const install = [
      'npm',
      'install',
      '--global',
      '--prefix',
      'prefix',
      '--registry',
      'http://127.0.0.1:9',
      '--fetch-retries=0',
    ]
    const sallyport = 'prefix/bin/sallyport'
    assert.equal((await place.run([...install, ...tarballs('agent')])).code, 0)
    assert.ok(place.sizeOf('prefix') <= AGENT_MAX_BYTES, `${place.sizeOf('prefix')} bytes`)
    const alone = await place.run([sallyport, 'relay', 'start'])
    assert.deepEqual([alone.code, alone.stdout], [2, ''])
    assert.match(alone.stderr, /^sallyport: the relay is not installed here\. .*sallyport-server-VERSION\.tgz.*\n$/)

    assert.equal((await place.run([...install, ...tarballs('server')])).code, 0)
    await usesIt(place, (command) => [`prefix/bin/${command}`])
  })

  it('pnpm installs each in a separate place, and sallyport finds the relay by PATH', async () => {
    const place = newInstallation()
    const home = join(place.folder, 'pnpm')
    const env = { PNPM_HOME: home, PATH: `${join(home, 'bin')}:${join(process.execPath, '..')}:/usr/bin:/bin` }
    for (const file of tarballs('agent', 'server')) {
      const [npx = '', yes = '', pnpm = ''] = MANAGERS['pnpm']?.add([]) ?? []
      const added = await place.run([npx, yes, pnpm, 'add', '--global', file], env)
      assert.equal(added.code, 0, added.stdout + added.stderr)
    }
    assert.match((await place.run(['sallyport', 'relay', '--version'], env)).stdout, /^sallyport relay \d/)
    const without = { ...env, PATH: `${join(process.execPath, '..')}:/usr/bin:/bin` }
    assert.equal((await place.run([join(home, 'bin/sallyport'), 'relay', '--version'], without)).code, 2)
  })

  it('say in a sentence that a Node.js is too old, and exit with 2', async () => {
    const place = newInstallation()
    assert.equal((await place.run(['npm', 'install', ...tarballs('agent', 'server')])).code, 0)
    const bin = (command: string): string => join(place.folder, 'node_modules/.bin', command)
    for (const version of OLD_NODES) {
      const node = await nodeOf(version)
      for (const [command, wanted] of [
        ['agent', '22.15'],
        ['sallyport', '22.15'],
        ['relay', '24'],
      ] as const) {
        const { code, stdout, stderr } = await place.run([node, bin(command), '--version'])
        assert.deepEqual([code, stdout], [2, ''], `${command} with ${version}`)
        assert.match(
          stderr,
          new RegExp(
            `^${command} needs Node\\.js ${wanted.replace('.', '\\.')} or later, and this is ${version}\\..*\\n$`,
          ),
        )
      }
    }
    const [middle, sallyport] = [await nodeOf(AGENT_NODE), bin('sallyport')]
    assert.match((await place.run([middle, sallyport, '--version'])).stdout, /^sallyport .*node 22\.15\.0/)
    assert.match((await place.run([middle, sallyport, 'relay', 'start'])).stderr, /^relay needs Node\.js 24 or later/)
  })

  it(`the agent passes its tests on Node.js ${AGENT_NODE}, beside the relay on the pinned one`, async () => {
    const place = newInstallation()
    assert.equal((await place.run(['npm', 'install', ...tarballs('agent', 'server')])).code, 0)
    const entry = (path: string): string => join(place.folder, 'node_modules/@sallyport', path)
    const installed: Installed = {
      'packages/agent/src/main.ts': [await nodeOf(AGENT_NODE), entry('agent/bin/agent.cjs')],
      'packages/server/src/main.ts': [process.execPath, entry('server/bin/relay.cjs')],
    }
    const flags = ['--test', '--test-reporter=spec', '--test-concurrency=1', '--test-timeout=240000']
    const { status, stdout } = spawnSync(process.execPath, [...flags, ...TESTS_OF_COMMANDS], {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, NODE_TEST_CONTEXT: undefined, SALLYPORT_TEST_INSTALLED: JSON.stringify(installed) },
    })
    assert.equal(status, 0, stdout.slice(stdout.indexOf('failing tests')))
  })

  it('the agent in a program: its types need no other package, and both ways of loading it work', async () => {
    const place = newInstallation()
    assert.equal((await place.run(['npm', 'install', ...tarballs('agent')])).code, 0)
    writeFileSync(
      join(place.folder, 'embedding.mts'),
      `import { startAgent, ConfigError } from '@sallyport/agent'
import type { AgentOptions, Log } from '@sallyport/agent'
const log: Log = { ...console, isLevelEnabled: () => false }
const options: AgentOptions = { server: 'http://localhost:1', authtoken: 'sp_x', tunnels: [{ upstream: '3000', labels: ['a'] }] }
try {
  startAgent({ ...options, log }).on('online', ({ tunnels }) => log.info(String(tunnels[0]?.endpoints)))
} catch (error) {
  if (error instanceof ConfigError) console.log(error.problems.length)
}
`,
    )
    const types = ['--strict', '--module', 'nodenext', '--target', 'es2024', '--types', 'node']
    const tsc = [
      join(root, 'node_modules/.bin/tsc'),
      '--noEmit',
      ...types,
      '--typeRoots',
      join(root, 'node_modules/@types'),
    ]
    const checked = await place.run([...tsc, 'embedding.mts'])
    assert.equal(checked.code, 0, checked.stdout)
    assert.equal((await place.run([process.execPath, 'embedding.mts'])).stdout, '1\n')
    const required = await place.run([process.execPath, '--print', "typeof require('@sallyport/agent').startAgent"])
    assert.equal(required.stdout, 'function\n')
  })
})
