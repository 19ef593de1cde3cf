// The commands of docs/operations.md, run as written: the unit file, and a backup of a running relay. Only the paths
// differ: they are in a folder of the test.

import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'

import type { Browser } from '../support/browser/browser.ts'

import { Processes, RELAY } from '../support/processes.ts'
import { signIn } from '../support/sign-in.ts'

const root = join(import.meta.dirname, '../..')
const UNIT = readFileSync(join(root, 'examples/systemd/sallyport-relay.service'), 'utf8')
const PAGE = readFileSync(join(root, 'docs/operations.md'), 'utf8')
const HOST = 'app.localhost'

const isThere = (command: string): boolean => spawnSync(command, ['--version']).status === 0
const NO_SYSTEMD =
  !isThere('systemd-analyze') && 'no systemd-analyze on this machine: nobody has verified the unit file'

describe('first-hour 6: the unit file', () => {
  it('is accepted by systemd without a warning', { skip: NO_SYSTEMD, timeout: 30_000 }, async () => {
    const processes = await Processes.create()
    try {
      const file = join(processes.folder, 'sallyport-relay.service')
      writeFileSync(file, UNIT.replaceAll('/opt/sallyport/bin', join(root, 'node_modules/.bin')))
      const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', file], { encoding: 'utf8' })
      assert.deepEqual({ status, said: stdout + stderr }, { status: 0, said: '' })
    } finally {
      await processes.close()
    }
  })

  it('gives the relay more time to drain, and more open files, than it needs by default', () => {
    const valueOf = (key: string): number => Number(new RegExp(`^${key}=(\\d+)$`, 'm').exec(UNIT)?.[1])
    const defaultOf = (key: string): number => {
      const page = readFileSync(join(root, 'docs/configuration.md'), 'utf8')
      return Number(new RegExp(`^\\| \`${key}\` \\| number \\| \`(\\d+)\``, 'm').exec(page)?.[1])
    }
    assert.ok(valueOf('TimeoutStopSec') > defaultOf('drain_seconds'))
    assert.ok(valueOf('LimitNOFILE') > defaultOf('visitor_connections') + defaultOf('agent_sessions') + 1000)
  })
})

describe('first-hour 6: a backup of a running relay', { timeout: 60_000 }, () => {
  let processes: Processes
  let browser: Browser
  let authtoken: string
  let url: string

  before(async () => {
    processes = await Processes.create()
    await processes.startProvider()
    await processes.startRelay({
      edges: [
        {
          id: 'edg_app',
          hosts: [HOST],
          policy: processes.signIn(),
          backend: { fixed_response: { status: 200, body: 'inside' } },
        },
      ],
    })
    url = `${processes.origin(HOST)}/`
    authtoken = await processes.createAuthtoken('bind:edge=edg_app')
    browser = await signIn(url)
  })
  after(() => processes.close())

  it('has sessions and authtokens when restored from the two files alone', async () => {
    const backups = join(processes.folder, 'backups')
    mkdirSync(backups)
    await type('The key', backups)
    await type('The database', backups)
    await processes.createAuthtoken('bind:edge=later')

    processes.relay.kill('SIGTERM')
    await processes.relay.exited
    await type('Restore', backups)
    await processes.restartRelay()

    const { stdout } = await processes.run([RELAY, 'authtoken', 'list', '--config', processes.configFile])
    assert.match(stdout, /bind:edge=edg_app/)
    assert.doesNotMatch(stdout, /bind:edge=later/, 'what came after the backup is not in it')
    const page = await browser.open(url)
    assert.deepEqual([page.url, page.body], [url, 'inside'], 'still signed in')
    // Nothing listens at the upstream; only the authtoken matters.
    await processes.startAgent({ authtoken, labels: ['edge=edg_app'], upstream: '127.0.0.1:1', name: 'app' })
  })

  /** Runs the commands below a heading; the relay is stopped and started by the test. */
  async function type(heading: string, backups: string): Promise<void> {
    const written = new RegExp(`^#+ ${heading}\\n.*?^\`\`\`sh\\n(.*?)^\`\`\``, 'ms').exec(PAGE)?.[1]
    assert.ok(written, `there are commands below "${heading}"`)
    const commands = written
      .replaceAll(/^.*\bsystemctl\b.*\n/gm, '')
      .replaceAll('sudo -u sallyport ', '')
      .replaceAll('sudo ', '')
      .replaceAll('-o sallyport -g sallyport ', '')
      .replaceAll('/var/lib/sallyport', '$STATE')
      .replaceAll('/var/backups/sallyport', '$BACKUPS')
      .replaceAll(/^relay /gm, `${process.execPath} ${RELAY} `)
      .replaceAll('/etc/sallyport/relay.yml', processes.configFile)
    const env = { ...processes.env, STATE: processes.folder, BACKUPS: backups }
    await promisify(execFile)('sh', ['-euc', commands], { env })
  }
})
