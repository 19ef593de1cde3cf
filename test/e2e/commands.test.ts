// The commands as people and scripts use them: their output, on which stream, and their exit codes.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { access, readdir, rename, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'

import { AGENT, Processes, RELAY, freePort } from '../support/processes.ts'

const root = join(import.meta.dirname, '../..')

describe('the commands', { timeout: 300_000 }, () => {
  let processes: Processes

  before(async () => {
    processes = await Processes.create()
  })
  after(() => processes.close())

  describe('relay', () => {
    it('start on a port that is taken: names the key and the address, and exits with 2', async () => {
      const server = createServer()
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      const address = server.address()
      const port = typeof address === 'object' ? address?.port : undefined
      const file = await config({ listen: { http: `127.0.0.1:${port}`, admin: '127.0.0.1:0' } })
      const { code, stderr } = await processes.run([RELAY, 'start', '--config', file])
      assert.equal(code, 2)
      assert.match(
        stderr,
        new RegExp(
          `listen\\.http: 127\\.0\\.0\\.1:${port} is in use by (?:node \\(process \\d+\\)|another program); stop it.*\\(line 1\\)`,
        ),
      )
      server.close()
    })

    it('check: reports all problems of a file with their paths, and exits with 2; a good one with 0', async () => {
      const file = await config({
        listen: { htpp: '0.0.0.0:80', http: '0.0.0.0:99999' },
        trusted_proxies: ['10.0.0.0/99'],
        edges: [
          { id: 'edg_a', hosts: ['a.example.com'] },
          { id: 'edg_a', hosts: ['a.example.com'] },
          { id: 'docs', hosts: ['https://docs.example.com'], backend: { labels: { 'bad key': 'x' } } },
        ],
        store: '${NOT_SET}',
      })
      const { code, stdout, stderr } = await processes.run([RELAY, 'check', '--config', file])
      assert.equal(code, 2)
      assert.equal(stdout, '')
      for (const wanted of [
        /listen\.htpp: .*did you mean http\?/,
        /listen\.http.*: /,
        /trusted_proxies\[0\].*: .*10\.0\.0\.0\/99/,
        /edges\[1\]\.id.*: .*edg_a/,
        /edges\[1\]\.hosts\[0\].*: .*a\.example\.com/,
        /edges\[2\]\.id.*: .*edg_/,
        /edges\[2\]\.hosts\[0\].*: .*https:\/\/docs\.example\.com/,
        /edges\[2\]\.backend\.labels.*: /,
        /store.*: .*NOT_SET/,
      ]) {
        assert.match(stderr, wanted)
      }
      assert.match(stderr, /has \d+ problems:/)
      assert.doesNotMatch(stderr, / {4}at /, 'no stack')

      const good = await processes.run([RELAY, 'check', '--config', await config({})])
      assert.deepEqual([good.code, good.stdout], [0, `${processes.configFile}: fine, 0 edges.`])
      const missing = await processes.run([RELAY, 'check', '--config', '/nowhere/relay.yml'])
      assert.equal(missing.code, 2)
      assert.match(
        missing.stderr,
        /\/nowhere\/relay\.yml: there is no such file in \/nowhere; check the path in --config or SALLYPORT_CONFIG/,
      )
    })

    it('first-hour 24: check names files of certificates that cannot be read, each with its key, path and line', async () => {
      const { folder, configFile } = processes
      const text = `
domain: example.com
public_url: https://relay.example.com
listen: { https: 127.0.0.1:0 }
tls:
  certificates:
    - cert_file: nope.crt
      key_file: .
    - { cert_file: relay.yml, key_file: relay.yml }
edges:
  - id: edg_a
    hosts: [a.example.com]
    policy:
      on_http_request:
        - actions:
            - type: openid-connect
              config: { issuer_url: https://login.example.com, client_id: x, client_key: { file: nope.key, audience: issuer } }
`
      await writeFile(configFile, text)
      for (const command of ['check', 'start']) {
        const { code, stderr } = await processes.run([RELAY, command, '--config', configFile])
        assert.equal(code, 2)
        assert.equal(
          stderr,
          `The configuration has 4 problems:
  client_key of openid-connect in edg_a: there is no such file: ${folder}/nope.key; correct the path, or put the file there
  tls.certificates[0].cert_file: there is no such file: ${folder}/nope.crt; correct the path, or put the file there (line 7)
  tls.certificates[0].key_file: ${folder} is a folder; name the file in it (line 8)
  tls.certificates[1].cert_file: ${folder}/relay.yml is not a PEM certificate (line 9)`,
        )
      }
    })

    it('wrong 9: start refuses without the key of its database, and makes no other key', async () => {
      const file = await config({ store: `sqlite:${join(processes.folder, 'keyless', 'relay.db')}` })
      const first = processes.start('relay', [RELAY, 'start', '--config', file])
      await first.waitForEntry('relay started')
      first.kill('SIGTERM')
      await first.exited
      const key = join(processes.folder, 'keyless', 'relay.secret')
      await rename(key, `${key}.away`)
      const { code, stderr } = await processes.run([RELAY, 'start', '--config', file])
      assert.equal(code, 2)
      assert.match(stderr, /made with another relay key; restore/)
      assert.deepEqual(
        (await readdir(join(processes.folder, 'keyless'))).filter((name) => name.includes('secret')),
        ['relay.secret.away'],
      )
    })

    it('wrong 7: says so if the folder of the store cannot be made', async () => {
      const file = await config({ store: 'sqlite:/dev/null/nope/relay.db' })
      for (const args of [['start'], ['authtoken', 'create']]) {
        const { code, stderr } = await processes.run([RELAY, ...args, '--config', file])
        assert.equal(code, 2)
        assert.match(stderr, /a part of (?:the|this) path .*is a file|cannot be made there/)
      }
      if (process.platform !== 'linux') return
      const inProc = await config({ store: 'sqlite:/proc/nope/relay.db' })
      for (const args of [['start'], ['authtoken', 'create']]) {
        const { code, stderr } = await processes.run([RELAY, ...args, '--config', inProc])
        assert.equal(code, 2)
        assert.match(stderr, /the folder of .* cannot be made there/)
      }
      const nowhere = { XDG_CONFIG_HOME: '/proc/nope' }
      const agent = await processes.run([AGENT, 'config', 'add-authtoken', `sp_${'a'.repeat(30)}`], nowhere)
      assert.equal(agent.code, 2)
      assert.match(agent.stderr, /Its folder cannot be made \(ENOENT\)/)
    })

    it('version, and wrong usage', async () => {
      const version = await processes.run([RELAY, 'version'])
      assert.equal(version.code, 0)
      assert.match(version.stdout, /^relay \d+\.\d+\.\d+ \(node /)
      for (const words of [['strat'], ['start', '--confg', 'x'], ['authtoken', 'create', '--acl', 'edge=x']]) {
        const wrong = await processes.run([RELAY, ...words])
        assert.equal(wrong.code, 2, words.join(' '))
        assert.equal(wrong.stdout, '')
        assert.notEqual(wrong.stderr, '')
      }
    })

    it('authtoken create, list and revoke: only the token and the list on standard output', async () => {
      const file = await config({ store: 'sqlite:tokens.db' })
      const authtoken = (...words: string[]): ReturnType<Processes['run']> =>
        processes.run([RELAY, 'authtoken', ...words, '--config', file])
      const none = await authtoken('list')
      assert.deepEqual([none.code, none.stdout], [0, ''])
      assert.match(none.stderr, /relay authtoken create/)
      const made = await authtoken('create', '--acl', 'bind:edge=edg_docs', '--description', 'docs server')
      assert.match(made.stdout, /^sp_[0-9A-Za-z]{30}$/)
      assert.match(made.stderr, /bind:edge=edg_docs/)

      const listed = await authtoken('list', '--json')
      const [row, ...others] = JSON.parse(listed.stdout) as Record<string, unknown>[] // the command's own JSON
      assert.deepEqual(others, [])
      assert.deepEqual(
        [row?.acl, row?.description, row?.revoked_at],
        [['bind:edge=edg_docs'], 'docs server', undefined],
      )
      const table = await authtoken('list')
      assert.match(
        table.stdout,
        /^ID +CREATED \(UTC\) +USED \(UTC\) +STATE +MAY +DESCRIPTION\natk_\w+ .* never +valid +bind:edge=edg_docs +docs server$/,
      )
      for (const { stdout } of [listed, table]) assert.equal(stdout.includes(made.stdout), false)

      assert.equal((await authtoken('revoke', 'atk_')).code, 2)
      assert.equal((await authtoken('revoke', String(row?.id).slice(0, 8))).code, 0)
      assert.match((await authtoken('list')).stdout, / revoked /)
      const files = await readdir(processes.folder)
      assert.ok(files.includes('tokens.db'), files.join())
    })

    it('first-hour 23: warns of edges that the configuration lacks, but makes the token', async () => {
      const file = await config({
        store: 'sqlite:typos.db',
        edges: [
          { id: 'edg_docs', hosts: ['docs.example.com'] },
          { id: '${EDGE}', hosts: ['b.example.com'], backend: { failover: [{ labels: { edge: 'edg_blue' } }] } },
        ],
        // Other text there is not compared.
        limits: 'nonsense',
      })
      const relay = async (...words: string[]): Promise<{ code: number | null; stdout: string; warning: string }> => {
        const env = { EDGE: 'edg_from_env' }
        const { code, stdout, stderr } = await processes.run([RELAY, ...words, '--config', file], env)
        return { code, stdout, warning: stderr.split('\n').slice(1).join('\n') }
      }
      const create = (...rules: string[]): ReturnType<typeof relay> =>
        relay('authtoken', 'create', ...rules.flatMap((rule) => ['--acl', `bind:${rule}`]))
      const typo = `Warning: ${file} has no edge edg_dcos; did you mean edg_docs?`
      const [wrong, fine, service, none, lists] = await Promise.all([
        create('edge=edg_dcos', 'edge=edg_something', 'edge=edg_docs'),
        create('edge=edg_docs', 'edge=edg_blue', 'edge=edg_from_env', 'edge=*', 'app=edg_dcos', '*.example.com'),
        relay('service-token', 'create', '--edge', 'edg_dcos'),
        relay('session', 'revoke', '--edge', 'edg_blue'),
        Promise.all(
          ['service-token list', 'session list', 'session revoke'].map((words) =>
            relay(...words.split(' '), '--edge', 'edg_dosc'),
          ),
        ),
      ])
      assert.deepEqual([wrong.code, wrong.stdout.slice(0, 3)], [0, 'sp_'])
      assert.equal(
        wrong.warning,
        `${typo} The authtoken is made all the same.
Warning: ${file} has no edge edg_something. The authtoken is made all the same.`,
      )
      assert.equal(fine.warning, '')
      assert.deepEqual([service.code, service.stdout.slice(0, 4)], [0, 'sps_'])
      assert.equal(service.warning, `${typo} The service token is made all the same.`)
      assert.equal(none.warning, '')
      for (const { warning } of lists) assert.equal(warning, typo.replace('edg_dcos', 'edg_dosc'))

      const local = await processes.run([RELAY, 'authtoken', 'create', '--acl', 'bind:edge=edg_docs'])
      assert.match(local.stdout, /^sp_/)
      assert.match(
        local.stderr,
        /\nWarning: local mode, which is meant without --config, has no edge edg_docs\. The authtoken is made all the same\.$/,
      )
    })

    it('first-hour 24: a fault outside the configuration is reported with its command, variable or file', async () => {
      const file = await config({ store: 'sqlite:words.db' })
      const said = async (words: string, env: NodeJS.ProcessEnv = {}): Promise<string> => {
        const { code, stderr } = await processes.run([RELAY, ...words.split(' ')], env)
        return `${code} ${stderr}`
      }
      const [revoke, password, log, store] = await Promise.all([
        said(`service-token revoke svt_nope --config ${file}`),
        said('hash-password'),
        said(`start --config ${file}`, { SALLYPORT_LOG_LEVEL: 'loud' }),
        said('authtoken list', { XDG_DATA_HOME: '/dev/null' }),
      ])
      assert.equal(
        revoke,
        '2 relay service-token revoke svt_nope: there is no such service token; see: relay service-token list',
      )
      assert.equal(password, '2 relay hash-password: no password came on standard input')
      assert.equal(
        log,
        '2 SALLYPORT_LOG_LEVEL: "loud" is not known; write one of: trace, debug, info, warn, error, fatal, silent',
      )
      assert.match(store, /^2 relay authtoken list: store: a part of the path .* is a file/)
      const key = join(processes.folder, 'words.secret')
      await writeFile(key, 'x', { mode: 0o644 })
      const open = await said(`start --config ${file}`)
      assert.equal(open, `2 ${key}: other users may read the key of the relay; run: chmod 600 ${key}`)
    })

    it('first-hour 24: help comes in three ways, names the documentation, and shows each default once', async () => {
      const helpOf = async (program: string, words: string): Promise<string> => {
        const { code, stdout, stderr } = await processes.run([program, ...words.split(' ')])
        assert.deepEqual([code, stderr], [0, ''], words)
        return stdout
      }
      for (const [program, names] of [
        [RELAY, ['start', 'authtoken create', 'oidc check']],
        [AGENT, ['http', 'tunnel']],
      ] as const) {
        const [help, ...others] = await Promise.all(['--help', '-h', 'help'].map((way) => helpOf(program, way)))
        for (const other of others) assert.equal(other, help)
        assert.match(help ?? '', /\n {2}help \[command\] +print the help of a command\n/)
        assert.match(help ?? '', /\nDocumentation: README\.md and docs\/ of the repository; docs\//)
        for (const text of await Promise.all(names.map((name) => helpOf(program, `${name} --help`)))) {
          assert.doesNotMatch(text, /\(default[^)]*\)\s+\(default/)
          assert.doesNotMatch(text, /default: (?:\[|"|true)/)
        }
        const wrong = await processes.run([program, 'nonsense'])
        assert.match(
          wrong.stderr,
          /^error: unknown command 'nonsense'\nRun the command with --help to see what it takes\.$/,
        )
      }
      assert.match(await helpOf(RELAY, 'help start'), /^Usage: relay start /)
      const http = await helpOf(AGENT, 'help http')
      assert.deepEqual(
        [...http.matchAll(/^(\S[\w-]*):$/gm)].map(([, group]) => group),
        [
          'Arguments',
          'Address',
          'Sign-in',
          'Visitors',
          'Policy',
          'Headers',
          'Answers',
          'App',
          'Relay',
          'Log',
          'Help',
          'Examples',
        ],
      )
      for (const [, file = ''] of http.matchAll(/(docs\/[\w-]+\.md)/g)) await access(join(root, file))
    })

    it('-v and --version print the same as version, for both', async () => {
      for (const [program, name] of [
        [RELAY, 'relay'],
        [AGENT, 'agent'],
      ] as const) {
        const told = await Promise.all(['version', '-v', '--version'].map((word) => processes.run([program, word])))
        assert.match(told[0]?.stdout ?? '', new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ \\(node `))
        for (const each of told) assert.deepEqual(each, told[0])
      }
    })

    it('start takes --log-level and --log-format: flags over environment over file, in every worker', async () => {
      const file = await config({ store: 'sqlite:levels.db', log: { level: 'error' } })
      const started = async (words: readonly string[], env: NodeJS.ProcessEnv): Promise<string[]> => {
        const relay = processes.start('relay', [RELAY, 'start', '--config', file, ...words], env)
        await relay.waitForLine('started', (line) => line.includes('relay started'))
        relay.kill('SIGTERM')
        await relay.exited
        return relay.output
      }
      const json = await started(['--log-level', 'info', '--workers', '2'], { SALLYPORT_LOG_LEVEL: 'silent' })
      for (const line of json) assert.equal(typeof JSON.parse(line), 'object', line)
      for (const worker of [1, 2])
        assert.ok(
          json.some((line) => line.includes(`"worker":${worker}`)),
          json.join('\n'),
        )
      const pretty = await started(['--log-format', 'pretty'], {
        SALLYPORT_LOG_LEVEL: 'info',
        SALLYPORT_LOG_FORMAT: 'json',
      })
      assert.match(pretty.join('\n'), /INFO.*relay started/)

      for (const [words, env, wanted] of [
        [['--log-level', 'loud'], {}, /--log-level.*Allowed choices are trace, debug/],
        [[], { SALLYPORT_LOG_FORMAT: 'xml' }, /SALLYPORT_LOG_FORMAT: "xml" is not known; write one of: pretty, json/],
      ] as const) {
        const { code, stderr } = await processes.run([RELAY, 'start', '--config', file, ...words], env)
        assert.equal(code, 2)
        assert.match(stderr, wanted)
      }
    })

    it('runs as npx --no relay and npx --no agent in the repository', async () => {
      for (const name of ['relay', 'agent']) {
        const { stdout } = await promisify(execFile)('npx', ['--no', name, 'version'], { cwd: root })
        assert.match(stdout, /\d+\.\d+\.\d+/)
      }
    })
  })

  describe('agent tunnel', () => {
    it('names every missing or wrong flag at once, and exits with 2', async () => {
      const server = ['--server', `http://127.0.0.1:${await freePort()}`]
      const token = ['--authtoken', 'sp_x']
      const cases: [words: string[], wanted: RegExp[]][] = [
        [['8000'], [/--server/, /--authtoken/, /--label.*edge=edg_docs/]],
        [[...server, ...token, '8000'], [/--label/]],
        [[...server, ...token, '--label', 'edge', '8000'], [/--label.*edge/]],
        [[...server, ...token, '--label', 'edge=x', 'ftp://localhost'], [/upstream.*ftp/]],
        [[...server, ...token, '--label', 'edge=x', '99999'], [/upstream.*99999/]],
        [[...server, '--label', 'edge=x', '8000'], [/--authtoken.*\n?.*relay authtoken create/]],
        [[...server, '--authtoken', 'not a token', '--label', 'edge=x', '8000'], [/--authtoken/]],
        [[...server, ...token, '--label', 'edge=x', '--ca', '/nowhere/ca.pem', '8000'], [/\/nowhere\/ca\.pem/]],
        [['--label', 'edge=x'], [/upstream/]],
      ]
      const ends = await Promise.all(cases.map(([words]) => processes.run([AGENT, 'tunnel', ...words])))
      for (const [index, { code, stdout, stderr }] of ends.entries()) {
        const [words, wanted] = cases[index]!
        assert.equal(code, 2, `${words.join(' ')}: ${stderr}`)
        assert.equal(stdout, '')
        for (const pattern of wanted) assert.match(stderr, pattern)
        assert.doesNotMatch(stderr, / {4}at /, 'no stack')
        assert.equal(stderr.includes('not a token'), false, 'a secret is not repeated')
      }
    })

    it('keeps trying if no relay answers, says so, and ends in order', async () => {
      const args = [
        'tunnel',
        '--server',
        `http://127.0.0.1:${await freePort()}`,
        '--authtoken',
        'sp_x',
        '--label',
        'a=b',
        '1',
      ]
      const agent = processes.start('agent', [AGENT, ...args])
      await agent.waitForLine('why', (line) => line.includes('no relay answers at'))
      agent.kill('SIGTERM')
      assert.deepEqual(await agent.exited, { code: 0, signal: null })
    })
  })

  /** Writes a configuration and returns its path. */
  async function config(further: Record<string, unknown>): Promise<string> {
    const whole = {
      domain: 'example.com',
      public_url: 'https://relay.example.com',
      listen: { http: '127.0.0.1:0', admin: '127.0.0.1:0' },
      store: 'sqlite:relay.db',
      ...further,
    }
    await writeFile(processes.configFile, JSON.stringify(whole))
    return processes.configFile
  }
})
