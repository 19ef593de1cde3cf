// The commands answer any arguments with a sentence and an exit code, never with a stack.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'

import { asInstalled } from '../support/as-installed.ts'
import { AGENT, Processes, RELAY } from '../support/processes.ts'

describe('odd usage', { timeout: 300_000 }, () => {
  let processes: Processes

  before(async () => {
    processes = await Processes.create()
  })
  after(() => processes.close())

  it('no command answers any arguments with a stack', async () => {
    const at = (name: string): string => join(processes.folder, name)
    await mkdir(at('folder'), { recursive: true })
    await writeFile(at('empty'), '')
    await writeFile(at('binary'), Buffer.from([0xff, 0xfe, 0, 1, 2, 3]))
    await writeFile(at('broken.yml'), 'x: [')
    const stores = ['folder', 'binary'].map((name) => [at(`on-${name}.yml`), `store: sqlite:${name}\n`] as const)
    for (const [file, text] of stores) await writeFile(file, text)
    const files = ['folder', 'empty', 'binary', 'broken.yml', 'nowhere', 'empty/below'].map(at)
    const withFile = [['check'], ['oidc', 'check'], ['oidc', 'redirect-uri', 'https://a.example']]
    const withStore = [
      ['authtoken', 'list'],
      ['authtoken', 'revoke', 'x'],
      ['session', 'list'],
      ['session', 'revoke', '--all'],
      ['service-token', 'list'],
      ['service-token', 'create', '--edge', 'edg_a'],
    ]
    const odd = [
      [],
      ['\u001b[2J'],
      ['start', '--workers', '-1'],
      ['start', '--config'],
      ['authtoken'],
      ['authtoken', 'revoke'],
      ['authtoken', 'revoke', 'nobody'],
      ['authtoken', 'create', '--acl', ''],
      ['session', 'revoke'],
      ['session', 'revoke', '--id', ''],
      ['session', 'revoke', '--id', 'x'],
      ['service-token', 'create'],
      ['service-token', 'revoke', 'nobody'],
      ['oidc'],
      ['oidc', 'check', '::', '--client-id', 'x'],
      ['oidc', 'check', 'https://a.example', '--client-id', ''],
      ['oidc', 'redirect-uri', ''],
      ['hash-password'],
      ['hash-password', 'x'],
    ]
    const agents = [
      [],
      ['tunnel'],
      ['http', '::'],
      ['http', '3000', '--ca', at('folder')],
      ['http', '3000', '--upstream-ca', at('binary')],
      ['http', '3000', '--connections', '99'],
      ['http', '3000', '--health-interval', 'soon'],
      ['http', 'file:///nowhere'],
      ['config'],
      ['config', 'add-server', '::'],
      ['config', 'add-authtoken', '-'],
      ['config', 'add-server', 'https://relay.example.com', '--config', at('folder')],
      ...files.filter((file) => !file.endsWith('empty')).map((file) => ['config', 'check', '--config', file]),
    ]
    const words: string[][] = [
      ...odd.map((each) => [RELAY, ...each]),
      ...files.map((file) => [RELAY, 'start', '--config', file]),
      ...withFile.map((each) => [RELAY, ...each, '--config', at('folder')]),
      ...stores.flatMap(([file]) => withStore.map((each) => [RELAY, ...each, '--config', file])),
      ...agents.map((each) => [AGENT, ...each]),
    ]
    for (let next = words.splice(0, 6); next.length > 0; next = words.splice(0, 6)) {
      const ends = await Promise.all(next.map((each) => processes.run(each)))
      for (const [index, { code, stdout, stderr }] of ends.entries()) {
        const what = next[index]!.slice(1).join(' ')
        assert.equal(code, 2, `${what}: ${stderr}`)
        assert.equal(stdout, '', what)
        assert.notEqual(stderr, '', what)
        assert.doesNotMatch(stderr, / {4}at |node:internal|\bEISDIR\b|Invalid input/, what)
      }
    }
  })

  it('a closed output breaks nothing, and unwritable output is one line', async (test) => {
    const file = await config()
    const piped = (
      program: string,
      words: readonly string[],
      end: string,
    ): Promise<{ code: number | null; told: string }> => {
      const script = `{ "$@"; echo "code $?" >&2; } ${end}`
      const args = ['-c', script, 'sh', ...asInstalled([program, ...words])]
      const shell = spawn('sh', args, { env: processes.env, stdio: ['ignore', 'ignore', 'pipe'] })
      let told = ''
      shell.stderr.on('data', (chunk: Buffer) => (told += chunk.toString()))
      return once(shell, 'close').then(() => ({ code: Number(/code (\d+)/.exec(told)?.[1]), told }))
    }
    for (const [program, words] of [
      [RELAY, ['--help']],
      [RELAY, ['start', '--help']],
      [RELAY, ['session', 'list', '--config', file]],
      [RELAY, ['check', '--config', file]],
      [RELAY, ['--version']],
      [AGENT, ['http', '--help']],
      [AGENT, ['--version']],
    ] as const) {
      const { code, told } = await piped(program, words, '| true')
      assert.equal(code, 0, told)
      assert.doesNotMatch(told, /EPIPE| {4}at /)
    }
    if (process.platform !== 'linux') return test.skip('/dev/full is there on Linux only')
    for (const [program, words] of [
      [RELAY, ['--help']],
      [RELAY, ['authtoken', 'create', '--config', file]],
      [AGENT, ['--version']],
    ] as const) {
      const { code, told } = await piped(program, words, '> /dev/full')
      assert.equal(code, 1, told)
      assert.match(told, /standard output cannot be written: ENOSPC/)
      assert.doesNotMatch(told, / {4}at /)
    }
  })

  async function config(): Promise<string> {
    const listen = { http: '127.0.0.1:0', admin: '127.0.0.1:0' }
    const whole = { domain: 'example.com', public_url: 'https://relay.example.com', listen, store: 'sqlite:relay.db' }
    await writeFile(processes.configFile, JSON.stringify(whole))
    return processes.configFile
  }
})
