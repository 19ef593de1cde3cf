// `npm run demo`: the whole product on one machine, each part a process of its own: a real identity provider, a relay,
// a small site, and two agents that share its load. With `--once` it signs in by itself, checks every step, and ends.
// However it ends, it leaves no process and no folder behind.

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { styleText } from 'node:util'

import { STOP_SIGNALS } from '@sallyport/protocol/signals'

import { AgentWatch } from './agent-watch.ts'
import { Child } from './child.ts'
import type { Death } from './child.ts'
import { walkOnce } from './once.ts'
import { parseLine } from './relay-line.ts'
import type { ServedLine } from './relay-line.ts'
import type { AgentsNow, SiteOptions, StopAsked } from './site.ts'
import { printBanner, printDeath, printGone, printJoined, printServed } from './terminal.ts'
import type { Command } from './terminal.ts'

const root = join(import.meta.dirname, '../..')
const RELAY = join(root, 'packages/server/src/main.ts')
const AGENT = join(root, 'packages/agent/src/main.ts')
const PROVIDER = join(root, 'test/support/identity-provider/identity-provider-main.ts')
const EDGE = 'edg_docs'
const USERNAME = 'ada'
const PASSWORD = 'lovelace'
const START_DEADLINE_MS = 60_000 // for a machine that is busy with other things
const SAME_PRESS_MS = 1000 // npm passes on the Ctrl-C that the terminal has sent to everybody: one press comes twice

const isOnce = process.argv.includes('--once')
if (process.argv.slice(2).some((argument) => argument !== '--once')) {
  console.error(
    'Usage: npm run demo            start it and try it in a browser\n       npm run demo -- --once  sign in without a person, check every step, and end',
  )
  process.exit(2)
}

const children: Child[] = []
let ending: Promise<void> | undefined
let endingSince = 0
for (const signal of [...STOP_SIGNALS, 'SIGHUP'] as const) process.on(signal, onSignal)
// Writing to a closed terminal fails; the demo must still end its processes and remove its folder.
for (const output of [process.stdout, process.stderr]) output.on('error', () => {})
const folder = mkdtempSync(join(tmpdir(), 'sallyport-demo-'))
process.on('exit', sweep)

try {
  await run()
} catch (error) {
  fail(`${styleText('red', '✘')} ${error instanceof Error ? error.message : String(error)}`)
}

async function run(): Promise<void> {
  const startDeadline = setTimeout(() => fail('The demo did not start in time.'), START_DEADLINE_MS)

  const [relayPort = 0, providerPort = 0, ...sitePorts] = await freePorts([8080, 4400, 8000, 8001, 8002])
  const publicUrl = `http://localhost:${relayPort}`
  const siteUrl = `http://docs.localhost:${relayPort}`
  const clientSecret = randomBytes(24).toString('base64url')
  // The demo ignores this user's own configuration of Sallyport.
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('SALLYPORT_'))
  const env: NodeJS.ProcessEnv = { ...Object.fromEntries(inherited), XDG_CONFIG_HOME: folder, NO_COLOR: '1' }

  const issuer = `http://localhost:${providerPort}`
  const configFile = join(folder, 'relay.yml')
  await writeFile(configFile, relayConfig({ publicUrl, relayPort, issuer }))
  // The operator's steps before any process runs.
  const redirectUri = await askRelay(['oidc', 'redirect-uri', issuer, '--config', configFile], env)

  const provider = start('identity provider', [PROVIDER], {
    ...env,
    IDENTITY_PROVIDER: JSON.stringify({
      port: providerPort,
      showsPasswords: true,
      users: [
        {
          username: USERNAME,
          password: PASSWORD,
          claims: { name: 'Ada Lovelace', email: 'ada@example.com', email_verified: true, groups: ['engineers'] },
        },
      ],
      clients: [
        {
          client_id: 'demo',
          client_name: 'My application',
          client_secret: clientSecret,
          redirect_uris: [redirectUri],
          post_logout_redirect_uris: [`${publicUrl}/oidc/signed-out`],
        },
      ],
    }),
  })
  // Every agent forwards to its own port, as if it ran on its own machine: so the site knows which agent
  // brought a request.
  const agents = sitePorts.map((port, index) => ({ name: `agent ${index + 1}`, port }))
  const own = new Map<string, Child>()
  const siteOptions: SiteOptions = { relay: publicUrl, edge: EDGE, agents }
  const site = start(
    'site',
    [join(import.meta.dirname, 'site.ts')],
    { ...env, SITE: JSON.stringify(siteOptions) },
    {
      // Only the site has this channel, and only agents of the demo are in the list.
      onMessage: (message) => void own.get((message as StopAsked).stop)?.end(),
    },
  )
  await Promise.all([provider, site].map((child) => child.waitFor((line) => line.startsWith('{'))))

  const relay = start('relay', [RELAY, 'start', '--config', configFile], { ...env, DEMO_CLIENT_SECRET: clientSecret })
  let isReady = false
  const watch = new AgentWatch((name, isOnline) => {
    const stoppable = [...own.values()].filter((child) => child.isRunning).map((child) => child.name)
    site.send({ online: watch.online, stoppable } satisfies AgentsNow)
    if (!isReady || isOnce || ending) return
    if (isOnline) printJoined(name)
    else printGone(name, watch.online, root, commandOf(name))
  })
  const served: ServedLine[] = []
  relay.onLine((line) => {
    const entry = parseLine(line)
    if (!entry) return
    watch.read(entry)
    if (entry.msg !== 'exchange') return
    const one = { ...entry, agent: entry.tunnelId === undefined ? undefined : watch.nameOf(entry.tunnelId) }
    served.push(one)
    if (!isOnce) printServed(one)
  })
  await relay.waitFor((line) => parseLine(line)?.msg === 'relay started')

  // As an operator would, while the relay runs.
  const acl = ['--acl', `bind:edge=${EDGE}`, '--description', 'demo']
  const authtoken = await askRelay(['authtoken', 'create', '--config', configFile, ...acl], env)
  const tunnelOf = (name: string): Command => {
    const { port } = agents.find((agent) => agent.name === name) ?? agents[0]!
    return [['--server', publicUrl], ['--label', `edge=${EDGE}`], ['--metadata', name], [`http://localhost:${port}`]]
  }
  const commandOf = (name: string): Command => [
    [`SALLYPORT_AUTHTOKEN=${authtoken}`],
    ['npx', '--no', 'agent', 'tunnel'],
    ...tunnelOf(name),
  ]
  const agentEnv = { ...env, SALLYPORT_AUTHTOKEN: authtoken }
  for (const { name } of agents.slice(0, 2)) {
    const agent = start(name, [AGENT, 'tunnel', ...tunnelOf(name).flat()], agentEnv, {
      // Later the demo shows an agent's end, and the relay's log reports it.
      onDeath: (death) => {
        if (!isReady) failWith(name, death)
        else if (death.code) printDeath(name, death)
      },
    })
    own.set(name, agent)
  }
  await relay.waitFor(() => watch.online.length === own.size)
  clearTimeout(startDeadline)
  isReady = true

  if (isOnce) {
    await walkOnce({ siteUrl, username: USERNAME, password: PASSWORD, served })
    await end()
    console.log('Everything works, and everything has been stopped.')
    return
  }
  printBanner({
    siteUrl,
    username: USERNAME,
    password: PASSWORD,
    agents: [...own.values()],
    root,
    furtherAgent: commandOf('agent 3'),
  })
}

interface Special {
  onDeath?: (death: Death) => void
  onMessage?: (message: unknown) => void
}

/** @throws if the demo is already ending: a process started now would be left behind */
function start(name: string, args: string[], env: NodeJS.ProcessEnv, special: Special = {}): Child {
  if (ending) throw new Error('the demo is ending')
  const child = new Child({ name, args, env, onDeath: (death) => failWith(name, death), ...special })
  children.push(child)
  return child
}

/** Runs a command of the relay to its end; returns its output, which is one word. */
function askRelay(words: string[], env: NodeJS.ProcessEnv): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  const name = `relay ${words[0]} ${words[1]}`
  start(name, [RELAY, ...words], env, {
    onDeath: (death) => {
      const answer = death.lastLines.find((line) => /^(?:sp_|http:)\S+$/.test(line))
      if (death.code === 0 && answer !== undefined) resolve(answer)
      else failWith(name, death)
    },
  })
  return promise
}

function failWith(name: string, death: Death): void {
  if (ending) return
  printDeath(name, death)
  fail('The demo cannot go on without it.')
}

function fail(sentence: string): void {
  if (ending) return
  console.error(`\n${sentence}`)
  void end().then(() => process.exit(1))
}

function onSignal(): void {
  if (ending) {
    if (Date.now() - endingSince > SAME_PRESS_MS) process.exit(1) // a second Ctrl-C: sweep() does the rest
    return
  }
  console.log('\nStopping …')
  void end().then(() => process.exit(0))
}

/** Ends the children in the reverse order of their start. */
function end(): Promise<void> {
  endingSince = Date.now()
  return (ending ??= (async () => {
    for (const child of children.toReversed()) await child.end()
    sweep()
  })())
}

/** Leaves nothing behind, however this process ends. */
function sweep(): void {
  for (const child of children) child.kill()
  // The processes just killed may have been writing there.
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
}

/** The wanted ports; a free one in place of each that is taken. All are held until all are found. */
async function freePorts(wanted: readonly number[]): Promise<number[]> {
  const servers = await Promise.all(wanted.map(async (port) => (await listen(port)) ?? (await listen(0))))
  return Promise.all(
    servers.map(async (server, index) => {
      if (!server) throw new Error('no free port on 127.0.0.1')
      const { port } = server.address() as AddressInfo // listening on TCP, so it is one
      if (port !== wanted[index]) console.log(`Port ${wanted[index]} is in use, taking ${port} instead.`)
      server.close()
      await once(server, 'close')
      return port
    }),
  )
}

async function listen(port: number): Promise<ReturnType<typeof createServer> | undefined> {
  const server = createServer().listen(port, '127.0.0.1')
  return once(server, 'listening').then(
    () => server,
    () => undefined, // taken
  )
}

function relayConfig(options: { publicUrl: string; relayPort: number; issuer: string }): string {
  return `domain: localhost
public_url: ${options.publicUrl}
listen: { http: "127.0.0.1:${options.relayPort}", admin: "127.0.0.1:0" }
store: "sqlite:${join(folder, 'relay.db')}"
log: { level: info, format: json }
edges:
  - id: ${EDGE}
    hosts: [docs.localhost]
    routes:
      - path_prefix: /
        backend: { labels: { edge: ${EDGE} } }
        policy:
          on_http_request:
            - actions:
                - type: openid-connect
                  config:
                    issuer_url: ${options.issuer}
                    client_id: demo
                    client_secret: "\${DEMO_CLIENT_SECRET}"
`
}
