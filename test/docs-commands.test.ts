// Every command of README.md and docs/ is run as it is written, in a shell, with a relay, an agent, an app and an
// identity provider of this machine instead of those it names; or it is listed in NOT_RUN, with the reason. A new
// command of `relay` or `agent` runs without a change here. Any other new command fails until it is run or listed.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'

import { makeCertificate } from './support/certificate.ts'
import { docCommands } from './support/doc-commands.ts'
import type { DocCommand } from './support/doc-commands.ts'
import { CLIENT_SECRET, Processes, RELAY } from './support/processes.ts'
import { signIn } from './support/sign-in.ts'

const root = join(import.meta.dirname, '..')
const DEADLINE_MS = 30_000 // of one command, on a machine that is busy with other things

interface NotRun {
  commands: RegExp
  reason: string
  /** Another test that runs it, and a text in that test. */
  elsewhere?: [file: string, mark: string]
}

const NOT_RUN: readonly NotRun[] = [
  { commands: /^npm run demo$/, reason: 'takes fixed ports', elsewhere: ['test/e2e/fixed-ports.test.ts', 'demo'] },
  { commands: /^npm test$/, reason: 'is what runs this' },
  { commands: /^npm run bench\b/, reason: 'needs minutes of a quiet machine; the names are looked at below' },
  {
    commands: /^SALLYPORT_SCREENSHOTS=/,
    reason: 'a test, which writes pictures into docs/',
    elsewhere: ['test/e2e/sign-in.test.ts', 'SALLYPORT_SCREENSHOTS'],
  },
  {
    commands: /^npm run pack$|\bnpm install\b|^npx --no |^sudo ln\b/,
    reason: 'installs, from the network or for the whole machine',
  },
  {
    commands: /^sudo (?:useradd|chown|chmod|install)\b(?!.*(?:relay\.secret|RENEWED))/,
    reason: 'root: users, folders, rights',
  },
  {
    commands: /^sudo install .*relay\.secret|^sudo rm/,
    reason: 'the data of a relay that has been used',
    elsewhere: ['test/e2e/operations.test.ts', "await type('Restore', backups)"],
  },
  {
    commands: /\brelay store backup \/var\/backups\b/,
    reason: 'a folder of the whole machine',
    elsewhere: ['test/e2e/operations.test.ts', "await type('The database', backups)"],
  },
  {
    commands: /\bsystemctl\b|^sudo cp .*\.service /,
    reason: 'a systemd that runs; the unit file is verified',
    elsewhere: ['test/e2e/operations.test.ts', 'systemd-analyze'],
  },
  {
    commands: /^curl --cert /,
    reason: 'an edge that asks for certificates',
    elsewhere: ['test/in-process/terminate-tls.test.ts', 'docs/traffic-policy.md'],
  },
  { commands: /^journalctl\b/, reason: 'a journal with a relay in it' },
  { commands: /^(?:npx wscat|grpcurl)\b/, reason: 'programs that nobody has installed' },
]

interface Run {
  commands: RegExp
  /** Runs until it writes this, and then gets SIGTERM. */
  until?: RegExp
  stdin?: (place: Place) => string
  says?: RegExp
}

/** Our own commands need no line here unless they need input or a wait. */
const RUN: readonly Run[] = [
  { commands: /^(?:agent|sallyport) (?:tunnel|http)\b/, until: /tunnel online/ },
  {
    commands: /^(?:agent|sallyport) config add-authtoken -/,
    stdin: ({ authtoken }) => authtoken,
    says: /authtoken is saved/,
  },
  { commands: /^(?:sallyport )?relay start\b/, until: /relay started/ },
  { commands: /^relay hash-password$/, stdin: () => 'a good password', says: /^\S+$/m },
  { commands: /^relay oidc check\b/, says: /✔ credentials/ },
  { commands: /^(?:\S+=\S+ )?(?:relay|agent|sallyport)\b/ },
  { commands: /^sudo (?:-u sallyport|sh -c .*) ?relay\b/ },
  { commands: /^#!\/bin\/sh\n.*RENEWED_LINEAGE/s },
  { commands: /^sudo env RENEWED_LINEAGE=/ },
  { commands: /^curl .*\/(?:healthz|readyz)$/, says: /^(?:ok|ready)$/m },
  { commands: /^curl .*\/metrics$/, says: /^sallyport_tunnels \d+$/m },
  { commands: /^curl .* https:\/\/docs\.example\.com\//, says: /^GET \/|^PUT \/upload .*100000/m },
  { commands: /^openssl (?:req|x509) / },
  { commands: /^openssl s_client\b/, says: /^[\w+/]{43}=$/m },
]

/** The replacements for hosts, ports, files and ids of the examples. */
interface Place {
  authtoken: string
  serviceToken: string
  ids: Record<'atk' | 'svt' | 'ses', string>
  appPort: number
  tlsPort: number
  /** PEM files, and all written files. */
  folder: string
}

// A session is ended by its id before the commands that end it with all others.
const commands = docCommands().toSorted((a, b) => Number(b.text.includes('ses_')) - Number(a.text.includes('ses_')))
const notRun = ({ text: command }: DocCommand): NotRun | undefined =>
  NOT_RUN.find((rule) => rule.commands.test(command))
const runOf = ({ text: command }: DocCommand): Run | undefined => RUN.find((rule) => rule.commands.test(command))

describe('the first hour: the commands of README.md and docs/', () => {
  it('are found', () => {
    assert.ok(commands.length >= 60, `${commands.length} found`)
    assert.ok(commands.some(({ text: one }) => one.endsWith(' tunnel --label edge=edg_docs http://localhost:8000')))
  })

  it('are each run, or say why not', () => {
    const unknown = commands.filter((one) => !notRun(one) && !runOf(one))
    assert.deepEqual(
      unknown.map(({ place, text: command }) => `${place}: ${command}`),
      [],
      'run it here (RUN), or say below NOT_RUN why that cannot be',
    )
  })

  it('that are not run have reasons that hold', () => {
    for (const rule of NOT_RUN) {
      assert.ok(
        commands.some((one) => notRun(one) === rule),
        `no page has ${rule.commands} any more`,
      )
      const [file, mark] = rule.elsewhere ?? []
      if (file !== undefined) assert.ok(readFileSync(join(root, file), 'utf8').includes(mark ?? ''), `${file}: ${mark}`)
    }
    for (const { text: command } of commands) {
      const scenario = /^npm run bench .*--scenario (\S+)/.exec(command)?.[1]
      if (scenario) assert.ok(existsSync(join(root, `bench/scenarios/${scenario}.ts`)), command)
    }
  })
})

describe('the first hour: a command of README.md or docs/', { concurrency: 2, timeout: 150_000 }, () => {
  const running = new Set<ChildProcess>()
  let app: Server
  let tlsApp: Server | undefined
  let processes: Processes
  let place: Place
  let runs = 0
  let lastInTurn: Promise<unknown> = Promise.resolve()

  before(async () => {
    processes = await Processes.create()
    const { folder } = processes
    Object.assign(processes.env, {
      OIDC_SECRET: CLIENT_SECRET,
      SALLYPORT_LOG_FORMAT: 'json',
    })
    app = await listen(createServer(answer))
    const certificate = await makeCertificate(folder, ['localhost'])
    if (certificate) {
      const { certFile, keyFile } = certificate
      tlsApp = await listen(createTlsServer({ cert: readFileSync(certFile), key: readFileSync(keyFile) }, answer))
      writeFileSync(join(folder, 'fullchain.pem'), readFileSync(certFile))
      writeFileSync(join(folder, 'privkey.pem'), readFileSync(keyFile))
    }
    await processes.startProvider(undefined, { client_id: 'sallyport' })
    const openid = { ...processes.signIn({ client_id: 'sallyport', client_secret: '${OIDC_SECRET}' }) } as Policy
    const [signInAction] = openid.on_http_request[0]?.actions ?? []
    // Not the agents that the commands start: their apps are not under test here.
    const backend = { labels: { app: 'docs' } }
    const edge = {
      id: 'edg_docs',
      hosts: ['docs.localhost'],
      routes: [
        { path_prefix: '/events', backend },
        { path_prefix: '/upload', backend },
        {
          path_prefix: '/',
          backend,
          policy: {
            on_http_request: [
              { actions: [{ type: 'any-of', config: { actions: [{ type: 'service-token' }, signInAction] } }] },
            ],
          },
        },
      ],
    }
    await processes.startRelay({ edges: [edge] })
    const made = await Promise.all([
      processes.run([RELAY, 'authtoken', 'create', '--config', processes.configFile]),
      processes.run([RELAY, 'authtoken', 'create', '--config', processes.configFile]),
      processes.run([RELAY, 'service-token', 'create', '--edge', 'edg_docs', '--config', processes.configFile]),
      processes.run([RELAY, 'service-token', 'create', '--edge', 'edg_docs', '--config', processes.configFile]),
    ])
    const [kept, revoked, service, revokedService] = made
    const { stdout: authtoken } = kept
    await processes.startAgent({ authtoken, labels: ['app=docs'], upstream: `${portOf(app)}`, name: 'app' })
    await signIn(`${processes.origin('docs.localhost')}/`)
    const sessions = await processes.run([RELAY, 'session', 'list', '--json', '--config', processes.configFile])
    place = {
      authtoken,
      serviceToken: service.stdout,
      ids: { atk: idIn(revoked.stderr), svt: idIn(revokedService.stderr), ses: idIn(sessions.stdout) },
      appPort: portOf(app),
      tlsPort: tlsApp ? portOf(tlsApp) : 0,
      folder,
    }
    furnish(folder, processes.configFile)
  })
  after(async () => {
    for (const child of running) end(child, 'SIGKILL')
    await processes.close()
    for (const server of [app, tlsApp]) server?.close().closeAllConnections()
  })

  for (const command of commands.filter((one) => !notRun(one))) {
    const rule = runOf(command)
    if (!rule) continue // told above
    it(`${command.place}: ${command.text.replaceAll('\n', ' ')}`, async (test) => {
      if (command.text.includes('openssl') && !tlsApp) return test.skip('no openssl on this machine')
      const { code, output } = await (command.text.startsWith('openssl') || command.place.startsWith('docs/edges.md')
        ? inTurn(() => run(command, rule))
        : run(command, rule))
      assert.equal(code, 0, output)
      if (rule.says) assert.match(output, rule.says)
      if (rule.until) assert.match(output, rule.until)
    })
  }

  /** Commands of openssl read files of earlier ones, and those of edges change an edge. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = lastInTurn.then(work)
    lastInTurn = done.catch(() => {}) // its own test reports that
    return done
  }

  async function run(command: DocCommand, { until, stdin }: Run): Promise<{ code: number | null; output: string }> {
    const number = ++runs
    const { folder, serviceToken, authtoken } = place
    const home = join(folder, `home-${number}`)
    mkdirSync(join(home, 'sallyport'), { recursive: true })
    writeFileSync(
      join(home, 'sallyport/agent.yml'),
      `version: 1\nserver: ${processes.publicUrl}\nauthtoken: ${authtoken}\n`,
      { mode: 0o600 },
    )
    const cwd = /\brelay start\b/.test(command.text) ? join(folder, 'second') : folder
    // So that the signal reaches the program, and not a shell in front of it.
    const shell = `${translate(command.exports, number)}${until ? 'exec ' : ''}${translate(command.text, number)}`
    const child = spawn('sh', ['-euc', shell], {
      cwd,
      env: {
        ...processes.env,
        XDG_CONFIG_HOME: home,
        PATH: `${join(root, 'node_modules/.bin')}:${process.env['PATH']}`,
        TOKEN: serviceToken,
        RENEWED_LINEAGE: folder,
      },
      stdio: 'pipe',
      detached: true,
    })
    running.add(child)
    const deadline = setTimeout(() => end(child, 'SIGKILL'), DEADLINE_MS)
    try {
      child.stdin.on('error', () => {}) // it has ended without reading
      child.stdin.end(stdin?.(place) ?? '')
      let seen = ''
      for (const stream of [child.stdout, child.stderr]) {
        stream.on('data', (chunk: Buffer) => {
          const before = seen
          seen += chunk.toString()
          if (until?.test(seen) && !until.test(before)) child.kill('SIGTERM')
        })
      }
      const [[code]] = await Promise.all([once(child, 'close'), text(child.stdout), text(child.stderr)])
      return { code: code as number | null, output: `$ ${shell}\n${seen}` } // as node:child_process documents
    } finally {
      clearTimeout(deadline)
      running.delete(child)
    }
  }

  /** Replaces the hosts, ports, files and ids of the examples by those of this machine. */
  function translate(command: string, number: number): string {
    const { folder, ids, appPort, tlsPort } = place
    return command
      .replaceAll(/(--oidc|oidc check|oidc redirect-uri) https:\S+/g, `$1 ${processes.issuer}`)
      .replaceAll('https://relay.example.com', processes.publicUrl)
      .replaceAll('https://docs.example.com', processes.origin('docs.localhost'))
      .replaceAll('https://name.example.com', processes.origin(`name-${number}.localhost`))
      .replaceAll('http://127.0.0.1:4041', processes.adminUrl)
      .replaceAll('localhost:8443', `localhost:${tlsPort}`)
      .replaceAll(/\b(?:http:\/\/localhost:8000|8000|3000|50051)\b/g, `${appPort}`)
      .replaceAll('file:///srv/site', `file://${folder}/site`)
      .replaceAll(/\b(atk|svt|ses)_\w{6,}/g, (_, kind: keyof typeof ids) => ids[kind])
      .replaceAll(/ SECRET\b|(?<==)'?…'?/g, (found) =>
        found === ' SECRET' ? ` '${CLIENT_SECRET}'` : `'${CLIENT_SECRET}'`,
      )
      .replaceAll(/\bsudo (?:-u sallyport )?| -o (?:root|sallyport) -g sallyport|setpriv (?:--\S+ )+/g, ' ')
      .replaceAll('/etc/sallyport/', `${folder}/`)
      .replaceAll('/etc/letsencrypt/live/example.com', folder)
      .replaceAll('/etc/letsencrypt/renewal-hooks/deploy/sallyport', join(folder, 'bin/hook'))
      .replaceAll('/usr/local/bin/', join(folder, 'site/'))
      .replaceAll(/\bcurl /g, 'curl -sS --fail-with-body ')
      .trimStart()
  }
})

interface Policy {
  on_http_request: { actions: object[] }[]
}

/** Files that commands find. */
function furnish(folder: string, configFile: string): void {
  mkdirSync(join(folder, 'edges'))
  writeFileSync(join(folder, 'edges', 'git.yml'), 'id: edg_git\nhosts: [git.localhost]\n')
  for (const name of ['bin', 'site', 'second']) mkdirSync(join(folder, name))
  writeFileSync(join(folder, 'bin/hook'), '#!/bin/sh\ntest -r "$RENEWED_LINEAGE/fullchain.pem"\n', { mode: 0o755 })
  writeFileSync(join(folder, 'policy.yaml'), 'on_http_request:\n  - actions:\n      - type: deny\n')
  writeFileSync(join(folder, 'relay.env'), `OIDC_SECRET='${CLIENT_SECRET}'\n`)
  writeFileSync(join(folder, 'large.iso'), Buffer.alloc(100_000))
  const second = JSON.parse(readFileSync(configFile, 'utf8')) as { listen: { http: string } } // written above
  second.listen.http = '127.0.0.1:0'
  writeFileSync(join(folder, 'second/relay.yml'), JSON.stringify(second))
}

/** The app answers with its request. */
function answer(request: IncomingMessage, response: ServerResponse): void {
  let bytes = 0
  request.on('data', (chunk: Buffer) => (bytes += chunk.length))
  request.on('end', () => response.end(`${request.method} ${request.url} ${bytes}\n`))
}

async function listen(server: Server): Promise<Server> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port // it listens on a port
}

function idIn(output: string): string {
  return /\b(?:atk|svt|ses)_\w+/.exec(output)?.[0] ?? assert.fail(`an id in: ${output}`)
}

/** The shell and everything it has started. */
function end(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-(child.pid ?? 0), signal)
  } catch {
    // gone already
  }
}
