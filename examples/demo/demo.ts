// `npm run demo`: the whole product on one machine, each part a process of its own: a real identity provider, a relay,
// a small site, and two agents that share its load. With `--once` it signs in by itself, checks every step, and ends.

import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify, styleText } from 'node:util'

import { Child } from './child.ts'
import { walkOnce } from './once.ts'
import { parseLine } from './relay-line.ts'
import type { ServedLine } from './relay-line.ts'

const root = join(import.meta.dirname, '../..')
const RELAY = join(root, 'packages/server/src/main.ts')
const AGENT = join(root, 'packages/agent/src/main.ts')
const USERNAME = 'ada'
const PASSWORD = 'lovelace'
const START_DEADLINE_MS = 40_000

const isOnce = process.argv.includes('--once')
if (process.argv.slice(2).some((argument) => argument !== '--once')) {
  console.error(
    'Usage: npm run demo            start it and try it in a browser\n       npm run demo -- --once  sign in without a person, check every step, and end',
  )
  process.exit(2)
}

const children: Child[] = []
const folder = await mkdtemp(join(tmpdir(), 'sallyport-demo-'))
let ending: Promise<void> | undefined
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (ending) process.exit(1)
    console.log('\nStopping …')
    void end().then(() => process.exit(0))
  })
}

try {
  await run()
} catch (error) {
  console.error(`\n${styleText('red', '✘')} ${error instanceof Error ? error.message : String(error)}`)
  await end()
  process.exit(1)
}

async function run(): Promise<void> {
  const startDeadline = setTimeout(() => {
    console.error('The demo did not start in time.')
    void end().then(() => process.exit(1))
  }, START_DEADLINE_MS)

  const [relayPort, sitePort, providerPort] = await Promise.all([8080, 8000, 4400].map(freePort))
  const publicUrl = `http://localhost:${relayPort}`
  const siteUrl = `http://docs.localhost:${relayPort}`
  const clientSecret = randomBytes(24).toString('base64url')
  // A world of its own: nothing that this user has configured for Sallyport counts.
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('SALLYPORT_'))
  const env: NodeJS.ProcessEnv = { ...Object.fromEntries(inherited), XDG_CONFIG_HOME: folder, NO_COLOR: '1' }

  const issuer = `http://localhost:${providerPort}`
  const configFile = join(folder, 'relay.yml')
  await writeFile(configFile, relayConfig({ publicUrl, relayPort, issuer }))
  // What an operator does before anything runs.
  const asked = await promisify(execFile)(
    process.execPath,
    [RELAY, 'oidc', 'redirect-uri', issuer, '--config', configFile],
    { env },
  )
  const redirectUri = asked.stdout.trim()

  const provider = start('identity provider', [join(import.meta.dirname, 'identity-provider-main.ts')], {
    ...env,
    IDENTITY_PROVIDER: JSON.stringify({
      port: providerPort,
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
          client_secret: clientSecret,
          redirect_uris: [redirectUri],
          post_logout_redirect_uris: [`${publicUrl}/oidc/signed-out`],
        },
      ],
    }),
  })
  const site = start('site', [join(import.meta.dirname, 'site.ts'), String(sitePort)], env)
  await Promise.all([provider, site].map((child) => child.waitFor((line) => line.startsWith('{'))))

  const relay = start('relay', [RELAY, 'start', '--config', configFile], { ...env, DEMO_CLIENT_SECRET: clientSecret })
  const served: ServedLine[] = []
  const agentNames = new Map<string, string>()
  relay.onLine((line) => {
    const entry = parseLine(line)
    if (entry?.msg === 'tunnel online') agentNames.set(entry.tunnelId, entry.metadata ?? entry.tunnelId)
    if (entry?.msg !== 'exchange') return
    const one = { ...entry, agent: entry.tunnelId === undefined ? undefined : agentNames.get(entry.tunnelId) }
    served.push(one)
    if (!isOnce) printServed(one)
  })
  await relay.waitFor((line) => parseLine(line)?.msg === 'relay started')

  // As an operator would, with the relay running.
  const created = await promisify(execFile)(
    process.execPath,
    [RELAY, 'authtoken', 'create', '--config', configFile, '--acl', 'bind:edge=edg_docs', '--description', 'demo'],
    { env },
  )
  const authtoken = created.stdout.trim()
  const tunnelArgs = ['tunnel', '--server', publicUrl, '--label', 'edge=edg_docs', `http://localhost:${sitePort}`]
  for (const name of ['agent 1', 'agent 2']) {
    const online = relay.waitFor((line) => {
      const entry = parseLine(line)
      return entry?.msg === 'tunnel online' && entry.metadata === name
    })
    start(name, [AGENT, ...tunnelArgs, '--metadata', name], { ...env, SALLYPORT_AUTHTOKEN: authtoken })
    await online
  }
  clearTimeout(startDeadline)

  const steps = { siteUrl, username: USERNAME, password: PASSWORD, served }
  if (isOnce) {
    await walkOnce(steps)
    await end()
    console.log('Everything works, and everything has been stopped.')
    return
  }
  const bold = (text: string): string => styleText('bold', text)
  console.log(`
  ${bold('Open')}       ${styleText('cyan', siteUrl)}   (a private window shows it best)
  ${bold('Sign in')}    user ${bold(USERNAME)}, password ${bold(PASSWORD)}
  ${bold('Agents')}     two are running; a third would join with:
             SALLYPORT_AUTHTOKEN=${authtoken} npx --no agent ${tunnelArgs.join(' ')}
  ${bold('Stop')}       Ctrl-C

Requests, and the agent that served each:`)
}

function start(name: string, args: string[], env: NodeJS.ProcessEnv): Child {
  const child = new Child(name, args, env, (lines) => {
    if (ending) return
    console.error(`\nThe ${name} ended by itself. Its last lines:\n${lines.map((line) => `  ${line}`).join('\n')}`)
    void end().then(() => process.exit(1))
  })
  children.push(child)
  return child
}

/** Ends the children in the reverse order of their start, and leaves nothing behind. */
function end(): Promise<void> {
  return (ending ??= (async () => {
    for (const child of children.toReversed()) await child.end()
    await rm(folder, { recursive: true, force: true })
  })())
}

function printServed({ status, method, path, agent, user, code }: ServedLine): void {
  const time = new Date().toTimeString().slice(0, 8)
  const who = agent ? styleText('green', agent) : styleText('dim', code ?? 'relay')
  const by = user === undefined ? '' : styleText('dim', `  ${user}`)
  console.log(`  ${time}  ${status}  ${method.padEnd(4)} ${path}  ${who}${by}`)
}

/** The wanted port, or any other where something else has it. */
async function freePort(wanted: number): Promise<number> {
  for (const port of [wanted, 0]) {
    const server = createServer()
    const found = await new Promise<number | undefined>((resolve) => {
      server.once('error', () => resolve(undefined))
      server.listen(port, '127.0.0.1', () => {
        const address = server.address()
        const actual = typeof address === 'object' ? address?.port : undefined
        server.close(() => resolve(actual))
      })
    })
    if (found !== undefined) {
      if (found !== wanted) console.log(`Port ${wanted} is in use, taking ${found} instead.`)
      return found
    }
  }
  throw new Error('no free port on 127.0.0.1')
}

function relayConfig(options: { publicUrl: string; relayPort: number | undefined; issuer: string }): string {
  return `domain: localhost
public_url: ${options.publicUrl}
listen: { http: "127.0.0.1:${options.relayPort}", admin: "127.0.0.1:0" }
store: "sqlite:${join(folder, 'relay.db')}"
log: { level: info, format: json }
edges:
  - id: edg_docs
    hosts: [docs.localhost]
    routes:
      - path_prefix: /
        backend: { labels: { edge: edg_docs } }
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
