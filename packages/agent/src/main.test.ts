import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'

import { FakeRelay, readReply } from './fixtures/fake-relay.ts'
import type { FakeRelayOptions, FakeSession } from './fixtures/fake-relay.ts'
import { asInstalled } from '../../../test/support/as-installed.ts'

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url))
const TOKEN = `sp_hush${'x'.repeat(26)}`
const home = mkdtempSync(join(tmpdir(), 'sallyport-main-'))
const closing: (() => unknown)[] = [() => rmSync(home, { recursive: true })]
after(async () => {
  for (const close of closing.toReversed()) await close()
})

interface Run {
  child: ChildProcessWithoutNullStreams
  stdout: Promise<string>
  stderr: Promise<string>
  ended: Promise<{ code: number | null; signal: string | null }>
}

/** Runs `agent …` with only the part of this machine's environment that it needs. */
function run(
  words: string[],
  environment: Record<string, string | undefined> = {},
  user: { uid?: number; gid?: number } = {},
): Run {
  const [program, ...args] = asInstalled([MAIN, ...words])
  const child = spawn(program, args, {
    env: {
      PATH: process.env['PATH'] ?? '',
      NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'],
      HOME: home,
      XDG_CONFIG_HOME: join(home, 'config'),
      ...environment,
    },
    ...user,
  })
  closing.push(() => child.kill('SIGKILL'))
  const ended = once(child, 'close').then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as string,
  }))
  return { child, stdout: text(child.stdout), stderr: text(child.stderr), ended }
}

async function startRelay(options: FakeRelayOptions = {}): Promise<FakeRelay> {
  const relay = await FakeRelay.start(options)
  closing.push(() => relay.kill())
  return relay
}

async function startEcho(): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => void socket.on('error', () => {}).pipe(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(() => server.close())
  return (server.address() as AddressInfo).port
}

const tunnel = (relay: { url: string }, upstream: number, ...more: string[]): string[] => {
  const given = ['--server', relay.url, '--authtoken', TOKEN, '--log-level', 'debug']
  return ['tunnel', '--label', 'edge=edg_docs', ...given, ...more, `${upstream}`]
}

describe('agent', () => {
  it('B10: starts without a home, and with one that cannot be reached', async (test) => {
    const relay = await startRelay()
    const homes: Record<string, string>[] = [
      { HOME: '/dev/null', XDG_CONFIG_HOME: '' },
      { HOME: join(MAIN, 'below-a-file'), XDG_CONFIG_HOME: '' },
      { HOME: '', XDG_CONFIG_HOME: '/dev/null' },
      { HOME: '', XDG_CONFIG_HOME: '' },
    ]
    for (const environment of homes) {
      const { child, ended } = run(tunnel(relay, 1), environment)
      await once(relay, 'session', { signal: test.signal })
      child.kill('SIGTERM')
      assert.equal((await ended).code, 0, JSON.stringify(environment))
    }
  })

  it('B10: a user unknown to the system has no home; only commands that need one say so, without a stack', async (test) => {
    if (process.getuid?.() !== 0) return test.skip('only root can become somebody else')
    const user = { uid: 54_321, gid: 54_321 }
    const [program, entry = MAIN] = asInstalled([MAIN])
    const canRead = spawnSync('sh', ['-c', 'test -r "$1" && test -x "$2"', 'sh', entry, program], user)
    if (canRead.status !== 0) return test.skip('others cannot read this folder')
    const relay = await startRelay()
    const asNobody = (words: string[]): ReturnType<typeof run> =>
      run(words, { HOME: undefined, XDG_CONFIG_HOME: undefined }, user)
    const { child, ended } = asNobody(tunnel(relay, 1))
    await once(relay, 'session', { signal: test.signal })
    child.kill('SIGTERM')
    assert.equal((await ended).code, 0)
    const saving = asNobody(['config', 'add-server', 'https://relay.example.com'])
    assert.match(await saving.stderr, /no home folder.*--config FILE/)
    assert.equal((await saving.ended).code, 2)
  })

  it('shows its help with examples, and its version', async () => {
    const help = run(['--help'])
    const tunnelHelp = run(['tunnel', '--help'])
    const version = run(['version'])
    assert.match(await help.stdout, /agent tunnel --label edge=edg_docs http:\/\/localhost:8000/)
    assert.match(await tunnelHelp.stdout, /--host-header/)
    assert.match(await version.stdout, /^agent \d+\.\d+\.\d+ /)
    for (const { ended } of [help, tunnelHelp, version]) assert.equal((await ended).code, 0)
  })

  it('ends with 2 for wrong usage, naming the fault', async () => {
    const cases: [string[], RegExp][] = [
      [['tunel'], /tunnel/],
      [['tunnel', '8000', '--lable', 'a=b'], /--label/],
      [['tunnel', '8000', '--weight', 'x'], /0 to 10000/],
      [['tunnel', '8000', '--connections', 'many'], /such as 2/],
      [['tunnel', '8000', '--connections', '0'], /--connections: .*1 to 16/],
      [['tunnel', '8000', '--log-level', 'loud'], /debug, info/],
      [['tunnel'], /upstream/],
      [
        ['tunnel', '8000'],
        /--server: .*agent config add-server[^]*--authtoken: .*relay authtoken create[^]*--label: .*--label edge=edg_docs/,
      ],
      [
        ['tunnel', '8000', '--label', 'a=b', '--label', 'a=c', '--server', 'r.example', '--authtoken', 'x'],
        /label a is given twice/,
      ],
      [['tunnel', '8000', '--config', join(home, 'nowhere.yml')], /nowhere\.yml: There is no such file/],
      [['tunnel', '8000', '--ca', MAIN], /--ca: .* holds no certificate/],
    ]
    await Promise.all(
      cases.map(async ([words, sentence]) => {
        const { stderr, ended } = run(words)
        assert.match(await stderr, sentence, words.join(' '))
        assert.equal((await ended).code, 2, words.join(' '))
      }),
    )
  })

  it('attack 44: ends with 1 and a sentence when it is refused for good, and the token is in no line', async () => {
    const body = '{"code":"authtoken_refused","detail":"Unknown authtoken."}'
    const relay = await startRelay({ answer: () => ({ status: 401, body }) })
    const { stdout, stderr, ended } = run(tunnel(relay, 9, '--log-format', 'json'))
    const lines = (await stderr).trim().split('\n')
    assert.equal((await ended).code, 1)
    const last = JSON.parse(lines.at(-1) ?? '') as Record<string, unknown>
    assert.match(String(last['msg']), /refused the authtoken\. Unknown authtoken\./)
    assert.equal(relay.attempts, 1)
    assert.doesNotMatch((await stdout) + lines.join('\n'), /hush/)
  })

  it('attack 44: serves, reconnects and closes without the token or the proxy’s password in a log line', async () => {
    const relay = await startRelay()
    const environment = {
      HTTPS_PROXY: 'http://u:hunter2@127.0.0.1:9',
      SALLYPORT_AUTHTOKEN: TOKEN,
      SALLYPORT_SERVER: relay.url,
    }
    // It has one connection, because the bind of a second one would look like the reconnect.
    const flags = ['--label', 'edge=edg_docs', '--connections', '1', '--log-level', 'debug']
    const words = ['tunnel', ...flags, `${await startEcho()}`]
    const { child, stdout, stderr, ended } = run(words, environment)
    const [session] = (await once(relay, 'bound')) as [FakeSession]
    const stream = session.openStream()
    stream.end('x')
    await readReply(stream)
    await text(stream)
    session.socket.terminate()
    await once(relay, 'bound')
    child.kill('SIGTERM')
    assert.deepEqual(await ended, { code: 0, signal: null })
    const output = (await stdout) + (await stderr)
    for (const line of ['connected', 'tunnel online', 'not connected', 'stream served', 'closing']) {
      assert.ok(output.includes(line), line)
    }
    assert.doesNotMatch(output, /hush|hunter2/)
  })

  it('finishes a running stream at SIGTERM, and ends with 0', async () => {
    const relay = await startRelay()
    const { child, ended } = run(tunnel(relay, await startEcho()))
    const [session] = (await once(relay, 'bound')) as [FakeSession]
    const running = session.openStream()
    assert.deepEqual(await readReply(running), { ok: true })
    child.kill('SIGTERM')
    while (session.messages.at(-1)?.type !== 'unbind') await once(session.socket, 'message')
    running.end('the rest of it')
    assert.equal(await text(running), 'the rest of it')
    assert.deepEqual(await ended, { code: 0, signal: null })
  })

  it('ends at once with 1 at the second signal', async () => {
    const relay = await startRelay()
    const { child, ended } = run(tunnel(relay, await startEcho()))
    const [session] = (await once(relay, 'bound')) as [FakeSession]
    const running = session.openStream()
    await readReply(running)
    child.kill('SIGINT')
    while (session.messages.at(-1)?.type !== 'unbind') await once(session.socket, 'message')
    child.kill('SIGINT')
    assert.deepEqual(await ended, { code: 1, signal: null })
  })
})

describe("agent and ngrok's words", () => {
  it('first-hour 21: takes --hostname, --description and switches with =true and =false', async () => {
    const relay = await startRelay()
    const given = ['--server', relay.url, '--authtoken', TOKEN]
    const cases: [string[], Record<string, unknown>][] = [
      [['--hostname=x.example.com', '--pooling-enabled=true'], { url: 'x.example.com', pooling: true }],
      [['--pooling-enabled', '--pooling-enabled=false', '--description', 'a b'], { pooling: false, metadata: 'a b' }],
      [['--description', 'a', '--metadata', 'b', '--upstream-tls-verify=false'], { metadata: 'b' }],
    ]
    for (const [words, expected] of cases) {
      const { child, ended } = run(['http', ...words, ...given, '3000'])
      const [session] = (await once(relay, 'bound')) as [FakeSession]
      const bind = { ...session.messages.find(({ type }) => type === 'bind') } as Record<string, unknown>
      for (const [key, value] of Object.entries(expected)) assert.deepEqual(bind[key], value, words.join(' '))
      child.kill('SIGTERM')
      assert.equal((await ended).code, 0)
    }
  })

  it('first-hour 21: --log sends the log to standard output, into a file, or nowhere', async () => {
    const path = join(home, 'agent.log')
    const lines: Record<string, string> = {}
    for (const place of ['stdout', 'stderr', 'false', path]) {
      const relay = await startRelay()
      const { child, stdout, stderr, ended } = run(tunnel(relay, 1, `--log=${place}`))
      await once(relay, 'bound')
      child.kill('SIGTERM')
      assert.equal((await ended).code, 0, place)
      lines[place] = `${(await stdout) && 'stdout'} ${(await stderr) && 'stderr'}`
    }
    assert.deepEqual(lines, { stdout: 'stdout ', stderr: ' stderr', false: ' ', [path]: ' ' })
    assert.match(readFileSync(path, 'utf8'), /connecting/)
    assert.equal(statSync(path).mode & 0o777, 0o600)

    const refusing = await startRelay({ answer: () => ({ status: 401, body: '{"code":"authtoken_refused"}' }) })
    const refused = run(tunnel(refusing, 1, '--log=false'))
    assert.match(await refused.stderr, /^The relay refused the authtoken\..*\n$/)
    assert.equal((await refused.ended).code, 1)
  })

  it('first-hour 21: says what to do instead of options that it lacks', async () => {
    const cases: [string, RegExp][] = [
      ['tcp 22', /^agent tcp: Sallyport carries HTTP.*agent http 3000$/],
      ['tls --url=x 443', /^agent tls: .*agent http https:/],
      ['start --all', /^agent start: .*agent tunnel/],
      ['service install --config x', /^agent service: .*systemd/],
      ['update', /^agent update: /],
      ['api edges list', /^agent api: .*relay --help$/],
      ['credits', /^agent credits: .*LICENSE/],
      ['authtoken 2abc', /^agent authtoken: .*agent config add-authtoken -$/],
      ['http 80 --traffic-policy-file=/none/p.yml', /^\/none\/p\.yml: There is no such file/],
      ['http --inspect=false 80', /^--inspect: /],
      ['http --scheme=https 80', /^--scheme: .*public_url/],
      ['http --subdomain x 80', /^--subdomain: .*--url/],
      ['tunnel --label a=b --inspect=false 80', /^--inspect: /],
      [`tunnel --label a=b --server x --authtoken ${TOKEN} 80 --log ${home}`, /^--log: .* cannot be opened \(EISDIR\)/],
    ]
    await Promise.all(
      cases.map(async ([line, sentence]) => {
        const { stdout, stderr, ended } = run(line.split(' '))
        const said = await stderr
        assert.match(said.trimEnd(), sentence, line)
        assert.equal(said.trimEnd().split('\n').length, 1, line)
        assert.doesNotMatch(said, /Did you mean|unknown/)
        assert.equal(await stdout, '')
        assert.equal((await ended).code, 2, line)
      }),
    )
  })
})

describe('agent config', () => {
  it('saves relay and authtoken for later tunnels; flags override them', async () => {
    const path = join(home, 'config', 'sallyport', 'agent.yml')
    const server = run(['config', 'add-server', 'relay.example.com'])
    assert.match(await server.stdout, /https:\/\/relay\.example\.com is saved in .*agent\.yml/)
    const token = run(['config', 'add-authtoken', '-'])
    token.child.stdin.end(`${TOKEN}\n`)
    assert.equal(await token.stderr, '')
    assert.doesNotMatch(await token.stdout, /hush/)
    assert.equal((await token.ended).code, 0)
    assert.equal(readFileSync(path, 'utf8'), `version: 1\nserver: https://relay.example.com\nauthtoken: ${TOKEN}\n`)
    assert.equal(statSync(path).mode & 0o777, 0o600)
    const check = run(['config', 'check'])
    assert.match(await check.stdout, /is valid/)

    const relay = await startRelay()
    const { child, ended } = run(['tunnel', '--label', 'edge=a', '--server', relay.url, '8000'])
    const [session] = (await once(relay, 'bound')) as [FakeSession]
    assert.equal(session.request.headers.authorization, `Bearer ${TOKEN}`)
    child.kill('SIGTERM')
    assert.equal((await ended).code, 0)
  })

  it('warns of an authtoken on a command line, and of one in a file that others can read', async () => {
    const path = join(home, 'seen.yml')
    const seen = run(['config', 'add-authtoken', TOKEN, '--config', path])
    assert.match(await seen.stderr, /others on this machine can see it.*agent config add-authtoken -$/m)
    assert.doesNotMatch((await seen.stdout) + (await seen.stderr), /hush/)
    assert.equal((await seen.ended).code, 0)
    for (const mode of [0o600, 0o640, 0o604]) {
      chmodSync(path, mode)
      const relay = await startRelay()
      const { child, ended, stderr } = run([
        'tunnel',
        '--config',
        path,
        '--label',
        'edge=a',
        '--server',
        relay.url,
        '8000',
      ])
      await once(relay, 'bound')
      child.kill('SIGTERM')
      assert.equal((await ended).code, 0, 'it serves all the same')
      const warns = /Others on this machine can read the authtoken in it: chmod 600 .*seen\.yml/.test(await stderr)
      assert.equal(warns, mode !== 0o600, mode.toString(8))
    }
    const empty = run(['config', 'add-authtoken', '-', '--config', path])
    empty.child.stdin.end()
    assert.equal(await empty.stderr, 'agent config add-authtoken: No authtoken came on standard input.\n')
    assert.equal((await empty.ended).code, 2)
    assert.ok(readFileSync(path, 'utf8').includes(TOKEN), 'what was there stays')
  })

  it('first-hour 23: saves no malformed authtoken, and asks about one of another length', async () => {
    const path = join(home, 'junk.yml')
    const add = async (token: string): Promise<string> => {
      const { child, stderr, ended } = run(['config', 'add-authtoken', '-', '--config', path])
      child.stdin.end(`${token}\n`)
      return `${(await ended).code} ${await stderr}`
    }
    const make = 'with: relay authtoken create\n'
    assert.equal(
      await add('2abc_ngroktoken'),
      `2 agent config add-authtoken: This is not an authtoken of a Sallyport relay: they begin with sp_. Make one ${make}`,
    )
    assert.equal(
      await add(`sps_${'x'.repeat(30)}`),
      `2 agent config add-authtoken: This is a service token, which a program shows to an edge. Make an authtoken ${make}`,
    )
    assert.equal(
      await add('atk_1a2b3c'),
      `2 agent config add-authtoken: This is the id of an authtoken, not the authtoken itself, which is shown once. Make another ${make}`,
    )
    assert.equal(existsSync(path), false)
    assert.equal(
      await add('sp_short'),
      '0 Authtokens have sp_ and 30 letters and digits; this one looks different. Was it copied completely?\n',
    )
    assert.match(readFileSync(path, 'utf8'), /^authtoken: sp_short$/m)
    assert.equal(await add(TOKEN), '0 ')
  })

  it('ends with 2 for a value or a file that is wrong', async () => {
    const broken = join(home, 'broken.yml')
    writeFileSync(broken, 'sevrer: x\nlog: {level: loud}\n')
    const cases: [string[], RegExp][] = [
      [['config', 'add-server', 'ftp://relay'], /agent config add-server: .*https:\/\/relay\.example\.com/],
      [
        ['config', 'add-authtoken', 'two words'],
        /agent config add-authtoken: This is not an authtoken: it contains spaces/,
      ],
      [['config', 'check', '--config', broken], /log\.level: Write one of[^]*sevrer: .*Did you mean "server"/],
      [['config', 'check', '--config', join(home, 'no.yml')], /There is no such file/],
    ]
    for (const [words, sentence] of cases) {
      const { stderr, ended } = run(words)
      assert.match(await stderr, sentence)
      assert.equal((await ended).code, 2)
    }
  })

  it('real-apps 5: says in one sentence that the file cannot be written, as on a read-only disk', async () => {
    // Root may write anywhere, but nobody can write a name this long; the file beside it, written first, has a longer one.
    const long = (length: number): string => join(home, 'x'.repeat(length))
    for (const words of [
      ['add-server', 'https://relay.example.com', '--config', long(254)],
      ['edit', '--config', long(256)],
    ]) {
      const { stderr, ended } = run(['config', ...words], { EDITOR: 'false' })
      assert.match(await stderr, /^[^ ]*x: It cannot be written \(ENAMETOOLONG\)\.\n$/)
      assert.equal((await ended).code, 2)
    }
  })

  it('opens the editor on a file made for it, then checks the result', async () => {
    const path = join(home, 'edited', 'agent.yml')
    const good = run(['config', 'edit', '--config', path], { EDITOR: 'sed -i s/^version.*/version:\\ 1/' })
    assert.match(await good.stdout, /is valid/)
    assert.equal((await good.ended).code, 0)
    const bad = run(['config', 'edit', '--config', path], { EDITOR: 'sed -i s/^version/versoin/' })
    assert.match(await bad.stderr, /Did you mean "version"/)
    assert.equal((await bad.ended).code, 2)
  })

  it('first-hour 25: does not start an editor that needs a terminal if there is none', async () => {
    const path = join(home, 'unedited', 'agent.yml')
    const started = join(home, 'started')
    const vim = join(home, 'vim')
    writeFileSync(vim, `#!/bin/sh\n: > '${started}'\n`, { mode: 0o755 })
    for (const EDITOR of ['', 'vim', `${vim} -R`]) {
      const { stderr, ended } = run(['config', 'edit', '--config', path], {
        EDITOR,
        VISUAL: '',
        PATH: `${home}:${process.env['PATH']}`,
      })
      assert.match(
        await stderr,
        /no terminal to edit in\. Change .*agent\.yml by other means, then: agent config check/,
      )
      assert.equal((await ended).code, 2)
    }
    assert.equal(existsSync(path), false)
    assert.equal(existsSync(started), false)
    // The same program, with its commands from standard input.
    const { stdout, ended } = run(['config', 'edit', '--config', path], { EDITOR: `${vim} -es` })
    assert.match(await stdout, /is valid/)
    assert.equal((await ended).code, 0)
    assert.equal(existsSync(started), true)
  })
})
