import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'

import { ConfigError } from '@sallyport/protocol/config-error'

import { editConfig } from '../cli/config-edit.ts'
import { configPath, parseConfig, readConfig, readOptionalConfig } from './config.ts'

const folder = mkdtempSync(join(tmpdir(), 'sallyport-config-'))
after(() => rmSync(folder, { recursive: true }))

const NGROK_KEYS =
  `api api_key connect_timeout connect_url console_ui console_ui_color crl_noverify dns_resolver_ips heartbeat_interval
  heartbeat_tolerance inspect_db_size log_format log_level metadata region remote_management root_cas server_addr tunnels
  update_channel update_check web_addr web_allow_hosts`.split(/\s+/)

function problems(text: string): string[] {
  try {
    parseConfig(text, 'agent.yml')
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    return error.problems.map(({ path, message }) => `${path}: ${message}`)
  }
  return []
}

describe('agent.yml', () => {
  it('may be empty, and may hold every key', () => {
    assert.deepEqual(parseConfig('', 'x'), {})
    assert.deepEqual(parseConfig('# only a comment\n', 'x'), {})
    const text =
      'version: 1\nserver: https://r.example\nauthtoken: sat_x\nca: /a\nproxy_url: http://p:1\nconnections: 4\nlog: {level: debug, format: json}\n'
    assert.equal(parseConfig(text, 'x').connections, 4)
    assert.deepEqual(problems('connections: 17\n'), ['agent.yml: connections: Write a number from 1 to 16.'])
    assert.deepEqual(parseConfig(text, 'x').log, { level: 'debug', format: 'json' })
  })

  it('reports all problems at once, with the key that was meant', () => {
    assert.deepEqual(problems('version: 7\nauthtokn: x\nserver: 7\nlog: {levle: info, format: xml}\nedges: []\n'), [
      'agent.yml: version: Write one of: 1.',
      'agent.yml: server: Invalid input: expected string, received number.',
      'agent.yml: log.format: Write one of: pretty, json.',
      'agent.yml: log.levle: There is no such key. Did you mean "level"?',
      'agent.yml: authtokn: There is no such key. Did you mean "authtoken"?',
      'agent.yml: edges: There is no such key. Known keys: version, server, authtoken, ca, proxy_url, connections, log, secrets.',
    ])
  })

  it("first-hour 21: says of each key of ngrok's what to do instead", () => {
    const third = 'version: 3\nagent:\n  authtoken: 2abc\n  log: stdout\nendpoints:\n  - name: shop\n'
    assert.deepEqual(problems(third), [
      'agent.yml: version: This is the version of a file for ngrok. Write version: 1, and keep only what the relay of Sallyport needs: server and authtoken.',
      'agent.yml: agent: What ngrok has below this key is at the top of the file here, like authtoken and proxy_url.',
      'agent.yml: endpoints: The file names no apps yet. Run "agent http" or "agent tunnel" for each, as a service of its own, and remove this key.',
    ])
    const second = `version: "2"\nlog: /var/log/ngrok.log\n${NGROK_KEYS.map((key) => `${key}: x\n`).join('')}`
    const found = problems(second)
    assert.equal(found.length, 2 + NGROK_KEYS.length)
    for (const line of found) assert.doesNotMatch(line, /no such key|Invalid input|Write one of/)
    assert.match(problems('log: { region: eu }')[0] ?? '', /There is no such key/, 'ngrok has it at the top')
    assert.match(problems('constructor: 1')[0] ?? '', /There is no such key/)
  })

  it('attack 44: reports broken YAML and a bad authtoken without showing the token', () => {
    const broken = problems('authtoken: "sat_hush\nserver: [')
    assert.ok(broken.length > 0)
    const refused = problems('authtoken: sat_hush and more\n')
    assert.deepEqual(refused, ['agent.yml: authtoken: This is not an authtoken.'])
    for (const line of [
      ...broken,
      ...problems('authtoken: [sat_hush]'),
      ...problems('- sat_hush'),
      ...problems('sat_hush'),
    ]) {
      assert.doesNotMatch(line, /sat_hush/)
    }
  })

  it('first-hour 24: reports only the first fault of broken YAML', () => {
    assert.throws(
      () => parseConfig('log: { level: info\nserver: a: b\nca: [\n', 'agent.yml'),
      (error: ConfigError) =>
        error.problems.length === 1 && / at line 2, column 1:?$/.test(error.problems[0]?.message ?? ''),
    )
  })

  it('is found by --config, SALLYPORT_CONFIG or the XDG folder', () => {
    assert.equal(configPath('a', { SALLYPORT_CONFIG: 'b' }), 'a')
    assert.equal(configPath(undefined, { SALLYPORT_CONFIG: 'b', XDG_CONFIG_HOME: '/x' }), 'b')
    assert.equal(configPath(undefined, { XDG_CONFIG_HOME: '/x' }), '/x/sallyport/agent.yml')
    assert.match(configPath(undefined, {}), /\/\.config\/sallyport\/agent\.yml$/)
  })

  it('B10: counts as missing, with a warning, if unnamed and unreachable; a wrong one is an error', () => {
    const { file, problem } = readOptionalConfig('/dev/null/.config/sallyport/agent.yml')
    assert.deepEqual(file, {})
    assert.match(problem ?? '', /^\/dev\/null\/\.config\/sallyport\/agent\.yml cannot be read \(ENOTDIR\)/)
    assert.deepEqual(readOptionalConfig(join(folder, 'missing.yml')), { file: {} })
    assert.deepEqual(readOptionalConfig(undefined), { file: {} })
    assert.throws(() => readConfig('/dev/null/.config/sallyport/agent.yml', true), ConfigError)
    const wrong = join(folder, 'wrong.yml')
    writeFileSync(wrong, 'authtokn: x')
    assert.throws(() => readOptionalConfig(wrong), ConfigError)
  })

  it('may be missing, unless a person named it', () => {
    const missing = join(folder, 'missing.yml')
    assert.deepEqual(readConfig(missing, false), {})
    assert.throws(() => readConfig(missing, true), ConfigError)
    assert.throws(() => readConfig(folder, false), ConfigError)
  })
})

describe('editConfig', () => {
  it('makes folder and file for their owner alone', () => {
    const path = join(folder, 'new', 'sallyport', 'agent.yml')
    editConfig(path, 'authtoken', 'sat_x')
    assert.deepEqual(readConfig(path, true), { version: 1, authtoken: 'sat_x' })
    assert.equal(statSync(path).mode & 0o777, 0o600)
    assert.equal(statSync(join(folder, 'new', 'sallyport')).mode & 0o777, 0o700)
  })

  it('keeps the rest of the file with its comments, and closes a file that was open to others', () => {
    const path = join(folder, 'kept.yml')
    writeFileSync(path, '# mine\nserver: https://r.example # main\nauthtoken: old\n')
    chmodSync(path, 0o644)
    editConfig(path, 'authtoken', 'new')
    assert.equal(readFileSync(path, 'utf8'), '# mine\nserver: https://r.example # main\nauthtoken: new\nversion: 1\n')
    assert.equal(statSync(path).mode & 0o777, 0o600)
  })

  it('does not write over a file with a mistake in it', () => {
    const path = join(folder, 'broken.yml')
    writeFileSync(path, 'sevrer: x\n')
    assert.throws(() => editConfig(path, 'authtoken', 'new'), /Did you mean "server"/)
    assert.equal(readFileSync(path, 'utf8'), 'sevrer: x\n')
  })
})
